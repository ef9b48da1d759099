import type { FaultKind } from './faults'
import type { Level, Plan, Verb } from './plan'

/** One call of a client: what was asked, when, and what came of it. */
export interface OperationRecord {
  readonly index: number
  readonly client: number
  readonly phase: 'chaos' | 'final'
  readonly verb: Verb
  readonly key: string
  /** Written, or read; undefined for a delete, and when nothing was found. */
  value: string | undefined
  readonly level: Level
  /** Of a set whose value expires. */
  readonly ttlMs?: number | undefined
  readonly timeoutMs: number
  readonly invokeMs: number
  /** Place among all calls and answers of the run: real time, finer than its milliseconds. */
  readonly invokeOrder: number
  /** Infinite while the call has not settled. */
  completeMs: number
  completeOrder: number
  /** 'fail': certainly not applied. 'unknown': applied, or not, or later. */
  outcome: 'ok' | 'fail' | 'unknown'
  /** Of a write that succeeded, or of what was read; as `orderOf` makes them comparable. */
  stamp: string | undefined
  /** Of what was read: when it expires, by the clock of the node that stamped it. */
  expiresAtMs?: number | undefined
  error: string | undefined
}

/** What was done to the world, for people to read. */
export interface FaultRecord {
  readonly atMs: number
  /** 'node': what a node did by itself. */
  readonly kind: FaultKind | 'heal' | 'node'
  readonly what: string
}

/** What one replica holds of a key. */
export interface ReplicaState {
  readonly node: string
  /** 'none': nothing, not even a tombstone. */
  readonly state: 'value' | 'tombstone' | 'expired' | 'none' | 'damaged'
  /** As `orderOf` makes them comparable; null for 'none' and 'damaged'. */
  readonly stamp: string | null
  /** Sums up all bytes of the cell. */
  readonly digest: number
  /**
   * Milliseconds of stamps up to which, as the replica knows, all replicas have agreed: it may have
   * forgotten tombstones as old.
   */
  readonly provenMs: number
}

/** What the replicas of a key held when all was over and healed. */
export interface FinalVotes {
  readonly key: string
  /** 'alone': after repair and hints have done their work; 'read': after a read as well. */
  readonly stage: 'alone' | 'read'
  readonly atMs: number
  /** Place among all calls and answers. */
  readonly order: number
  /** Of replicas that serve, and whose files are whole. */
  readonly votes: readonly ReplicaState[]
}

/** The most that a node was seen to hold. */
export interface Peak {
  readonly node: number
  inFlight: number
  memoryBytes: number
  hintBytes: number
}

/** What a node said of itself at the end. */
export interface FinalNode {
  readonly node: string
  readonly epoch: number
  /** Bytes of hints for those that serve. */
  readonly hintBytes: number
  /** Whether it sees all others that serve. */
  readonly seesAll: boolean
}

/** What happened in a run, as data: checkers are functions of it. */
export interface History {
  readonly plan: Plan
  readonly records: OperationRecord[]
  readonly faults: FaultRecord[]
  readonly finalVotes: FinalVotes[]
  readonly finalNodes: FinalNode[]
  readonly peaks: readonly Peak[]
  /** How often a node was killed or stopped by itself. */
  deaths: number
  /** What went wrong outside of any call: a node that did not start again, one that stopped. */
  readonly incidents: { readonly rule: string; readonly message: string }[]
  /** What the wall clocks say at the world's beginning. */
  readonly epochMs: number
}

/** Keeps the one order of everything that clients ask and hear. */
export class Recorder {
  /** Place of the next call or answer. */
  order = 0

  constructor(
    readonly history: History,
    private readonly nowMs: () => number,
  ) {}

  invoke(
    call: Pick<
      OperationRecord,
      'client' | 'phase' | 'verb' | 'key' | 'level' | 'timeoutMs' | 'ttlMs'
    > & {
      readonly value?: string | undefined
    },
  ): OperationRecord {
    const { records } = this.history
    const record: OperationRecord = {
      ...call,
      value: call.value,
      index: records.length,
      invokeMs: this.nowMs(),
      invokeOrder: this.order++,
      completeMs: Number.POSITIVE_INFINITY,
      completeOrder: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      stamp: undefined,
      error: undefined,
    }
    records.push(record)
    return record
  }

  complete(record: OperationRecord, result: Partial<OperationRecord>): void {
    Object.assign(record, result)
    record.completeMs = this.nowMs()
    record.completeOrder = this.order++
  }
}

/** A stamp as text that compares as stamps do. */
export function orderOf(stamp: string): string {
  const [ms, counter, tag] = stamp.split('-')
  return `${ms!.padStart(15, '0')}-${counter!.padStart(5, '0')}-${tag}`
}

export function stampMsOf(order: string): number {
  return Number(order.slice(0, 15))
}

export function formatRecord(record: OperationRecord): string {
  const { index, client, verb, key, value, level, invokeMs, completeMs, outcome, stamp } = record
  const time = `${invokeMs.toFixed(3).padStart(11)} – ${completeMs.toFixed(3).padStart(11)}`
  const what = value === undefined ? (verb === 'get' ? 'nothing' : '') : value.split('|')[0]
  const ttl = record.ttlMs === undefined ? '' : `ttl ${record.ttlMs}`
  const words = [verb, key, level, what, ttl, outcome, stamp, record.error].filter(Boolean)
  return `#${String(index).padEnd(5)} ${time}  client-${client}  ${words.join(' ')}`
}

/** 32 bits that depend on everything in the history. */
export function hashHistory(history: History): number {
  const text = [
    ...history.records.map((record) => `${formatRecord(record)} ${record.completeOrder}`),
    ...history.faults.map(({ atMs, what }) => `${atMs} ${what}`),
    ...history.finalVotes.map((votes) => JSON.stringify(votes)),
  ].join('\n')
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}
