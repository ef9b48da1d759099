import { check, type Violation } from '../sim/checkers'
import type { History } from '../sim/history'

/**
 * In the simulation a call settles within a fixed while of its deadline. Real processes share their
 * machine: a call may settle later by so much, and by what our own event loop was late.
 */
const HANG_SLACK_MS = 1_000

/** @param loopDelayMaxMs How late the event loop of the clients was at the most. */
export function judge(history: History, loopDelayMaxMs: number): Violation[] {
  const slackMs = HANG_SLACK_MS + 2 * loopDelayMaxMs
  return check(history).filter(({ rule, witnesses: [call] }) => {
    if (rule !== 'hang' || call === undefined) return true
    return call.completeMs - call.invokeMs - call.timeoutMs > slackMs
  })
}

export interface Silence {
  readonly forMs: number
  /** When it began, since the run did. */
  readonly atMs: number
}

/** The longest time in which no call of the chaos was answered well. */
export function longestSilence(history: History, fromMs: number, toMs: number): Silence {
  const ends = history.records
    .filter(({ phase, outcome }) => phase === 'chaos' && outcome === 'ok')
    .map(({ completeMs }) => completeMs)
    .sort((a, b) => a - b)
  let longest: Silence = { forMs: 0, atMs: fromMs }
  let sinceMs = fromMs
  for (const endMs of [...ends, toMs]) {
    if (endMs - sinceMs > longest.forMs) longest = { forMs: endMs - sinceMs, atMs: sinceMs }
    sinceMs = Math.max(sinceMs, endMs)
  }
  return longest
}
