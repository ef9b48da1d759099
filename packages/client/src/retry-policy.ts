import type { ErrorCode } from '@cassiopeia/protocol'

/**
 * When a request is tried again, and how often that may happen. Pure.
 *
 * What keeps retries from feeding an overload is the budget: a hedge or a retry costs one token, a
 * new call earns a tenth of one. Only leaving a node that has gone silent is free.
 */

/**
 * Waited after an attempt's deadline before the write may be sent elsewhere. The deadline itself errs
 * on the early side, so this is for a node's own timers to have run.
 */
export const ATTEMPT_GRACE_MS = 20
/** With less time left than this nothing is sent again. */
export const ATTEMPT_MIN_MS = 5
/** How many nodes may be at one read. */
export const READ_ATTEMPTS_MAX = 3
/** An answer later than this many usual latencies is late. */
const HEDGE_LATENCIES = 4
const ATTEMPT_LATENCIES = 10
/** Share of the newest answer in the usual latency. */
const LATENCY_WEIGHT = 0.125
const PAUSE_MIN_MS = 10
const PAUSE_MAX_MS = 500

/** What to do after a node's refusal. */
export type FaultAction =
  /** Tell the caller. */
  | 'fail'
  /** Ask a node that has not refused it yet; tell the caller when all have. */
  | 'askAnother'
  /** Wait a little, then ask again, rather another node. */
  | 'pause'
  /** As `pause`, if the budget allows it. */
  | 'pauseIfBudget'
  /** The attempt's time was too short or its replicas too slow. */
  | 'repeat'
  /** Fetch the cluster map first. */
  | 'refreshMap'

export function actionAfter(code: ErrorCode): FaultAction {
  switch (code) {
    case 'CASSIO_UNAVAILABLE':
    // The clock of that one node may be the wrong one.
    case 'CASSIO_STAMP_AHEAD':
      return 'askAnother'
    case 'CASSIO_OVERLOADED':
      return 'pauseIfBudget'
    case 'CASSIO_CLOSED':
      return 'pause'
    case 'CASSIO_TIMEOUT':
      return 'repeat'
    case 'CASSIO_STALE_MAP':
      return 'refreshMap'
    default:
      return 'fail'
  }
}

/** The moving average of a connection's answer times. 0 stands for "not measured yet". */
export function usualLatency(usualMs: number, measuredMs: number): number {
  return usualMs === 0 ? measuredMs : usualMs + LATENCY_WEIGHT * (measuredMs - usualMs)
}

/** When an unanswered read is worth a second node. */
export function hedgeDelay(hedgeAfterMs: number, usualMs: number): number {
  return Math.max(hedgeAfterMs, HEDGE_LATENCIES * usualMs)
}

/**
 * The life of one attempt of a write. It doubles with each attempt, so that a cluster which is slow
 * rather than broken gets its chance; and the last attempt gets all the time that is left, since no
 * other could follow it.
 *
 * @param earlier Attempts of this write that came before.
 */
export function attemptLife(
  leftMs: number,
  attemptTimeoutMs: number,
  usualMs: number,
  earlier: number,
): number {
  const life = Math.max(attemptTimeoutMs, ATTEMPT_LATENCIES * usualMs) * 2 ** earlier
  return leftMs < life + 2 * ATTEMPT_GRACE_MS ? leftMs : life
}

/** @param round 0 for the first pause of a request. @param unit Chance, in [0, 1). */
export function pauseLength(round: number, unit: number): number {
  const longest = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** Math.min(round, 16))
  return longest / 2 + (longest / 2) * unit
}

/** Before dialling again. @param failures In a row, 1 or more. @param unit Chance, in [0, 1). */
export function backoffLength(
  failures: number,
  minMs: number,
  maxMs: number,
  unit: number,
): number {
  const longest = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30))
  return longest / 2 + (longest / 2) * unit
}

/** Tokens for what is sent without having been asked for. */
export class RetryBudget {
  private tokens: number

  /** @param burst The most that can be saved up; it begins full. @param share Earned per call. */
  constructor(
    private readonly burst = 100,
    private readonly share = 0.1,
  ) {
    this.tokens = burst
  }

  earn(): void {
    this.tokens = Math.min(this.burst, this.tokens + this.share)
  }

  /** @returns whether there was a token; it is gone then. */
  spend(): boolean {
    if (this.tokens < 1) return false
    this.tokens -= 1
    return true
  }
}
