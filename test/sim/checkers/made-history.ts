import type { FinalVotes, History, OperationRecord, ReplicaState } from '../history'
import { type Level, makePlan, type Plan } from '../plan'

/** The seed of some plan; what matters of it is set by each test. */
const SEED = 1
const TIMEOUT_MS = 1_000

interface Details {
  /** When it was asked and answered; answered never when the second is missing. */
  readonly at: readonly [invokeMs: number, completeMs?: number]
  readonly client?: number
  readonly key?: string
  readonly level?: Level
  readonly outcome?: OperationRecord['outcome']
  readonly ttlMs?: number
  readonly expiresAtMs?: number
  readonly phase?: OperationRecord['phase']
  readonly error?: string
}

/** `stamp(5) < stamp(6)`, whoever gave them. */
export function stamp(ms: number, tag = 'aaaaaaaaaaaaaaaa'): string {
  return `${String(ms).padStart(15, '0')}-00000-${tag}`
}

/** A history made by hand, to show what checkers find. Everything is at QUORUM unless said. */
export class MadeHistory implements History {
  readonly plan: Plan
  readonly records: OperationRecord[] = []
  readonly faults: History['faults'] = []
  readonly finalVotes: FinalVotes[] = []
  readonly finalNodes: History['finalNodes'] = []
  readonly peaks: History['peaks'][number][] = []
  readonly incidents: { rule: string; message: string }[] = []
  readonly epochMs = 0
  deaths = 0

  constructor(plan: Partial<Plan> = {}) {
    const usual = { mood: 'mixed', nodes: 3, kinds: [], faults: [] } as const
    this.plan = { ...makePlan(SEED), ...usual, ...plan }
  }

  set(value: string, at: Details['at'], stampMs: number, details: Partial<Details> = {}): this {
    return this.add('set', { ...details, at }, value, stampMs)
  }

  del(at: Details['at'], stampMs: number, details: Partial<Details> = {}): this {
    return this.add('del', { ...details, at }, undefined, stampMs)
  }

  /** @param value Undefined when nothing was found. */
  get(
    value: string | undefined,
    at: Details['at'],
    stampMs = 0,
    more: Partial<Details> = {},
  ): this {
    return this.add('get', { ...more, at }, value, value === undefined ? undefined : stampMs)
  }

  /** What the replicas hold at the end: 'none', or a state and the milliseconds of its stamp. */
  final(
    votes: readonly (readonly [ReplicaState['state'], number?])[],
    { key = 'key', provenMs = 0 } = {},
  ): this {
    this.finalVotes.push({
      key,
      stage: 'alone',
      atMs: 100_000,
      order: 100_000,
      votes: votes.map(([state, ms], index) => ({
        node: `node-${index}`,
        state,
        stamp: ms === undefined ? null : stamp(ms),
        digest: state === 'value' ? (ms ?? 0) : 0,
        provenMs,
      })),
    })
    return this
  }

  private add(
    verb: OperationRecord['verb'],
    details: Details,
    value: string | undefined,
    stampMs: number | undefined,
  ): this {
    const [invokeMs, completeMs = Number.POSITIVE_INFINITY] = details.at
    const { outcome = 'ok', ttlMs, expiresAtMs } = details
    this.records.push({
      index: this.records.length,
      client: details.client ?? this.records.length,
      phase: details.phase ?? 'chaos',
      verb,
      key: details.key ?? 'key',
      value,
      level: details.level ?? 'QUORUM',
      timeoutMs: TIMEOUT_MS,
      invokeMs,
      invokeOrder: invokeMs,
      completeMs,
      completeOrder: completeMs,
      outcome,
      stamp: outcome === 'ok' && stampMs !== undefined ? stamp(stampMs) : undefined,
      error: details.error,
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    })
    return this
  }
}

/** The rules that a checker finds broken, each once. */
export function rulesBroken(checker: (history: History) => { rule: string }[], made: History) {
  return [...new Set(checker(made).map(({ rule }) => rule))].sort()
}
