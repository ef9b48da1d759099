import type { History, OperationRecord } from '../history'
import { type Level, type Plan, replicationFactorOf } from '../plan'

/** Replicas that must have answered. */
export function requiredAt(level: Level, replicationFactor: number): number {
  if (level === 'ONE') return 1
  return level === 'ALL' ? replicationFactor : Math.floor(replicationFactor / 2) + 1
}

/** Pairs of levels that share a replica: only then does one call promise to see the other. */
export class Promises {
  private readonly replicationFactor: number

  constructor(plan: Plan) {
    this.replicationFactor = replicationFactorOf(plan)
  }

  meet(a: Level, b: Level): boolean {
    const { replicationFactor } = this
    return requiredAt(a, replicationFactor) + requiredAt(b, replicationFactor) > replicationFactor
  }

  /** A write at this level is seen by every read at QUORUM. */
  meetsQuorum({ level }: OperationRecord): boolean {
    return this.meet(level, 'QUORUM')
  }
}

/** `a` was answered before `b` was asked. */
export function isBefore(a: OperationRecord, b: OperationRecord): boolean {
  return a.completeOrder < b.invokeOrder
}

export function isWrite(record: OperationRecord): boolean {
  return record.verb !== 'get'
}

/** A call that was answered 'unknown' may have its effect at any time from then on. */
export function isAcknowledged(record: OperationRecord): boolean {
  return isWrite(record) && record.outcome === 'ok'
}

export function isRead(record: OperationRecord): boolean {
  return record.verb === 'get' && record.outcome === 'ok'
}

export function byKey(history: History): Map<string, OperationRecord[]> {
  const keys = new Map<string, OperationRecord[]>()
  for (const record of history.records) {
    const of = keys.get(record.key)
    if (of === undefined) keys.set(record.key, [record])
    else of.push(record)
  }
  return keys
}

const LEVELS: readonly Level[] = ['ONE', 'QUORUM', 'ALL']

/**
 * Goes through calls in the order in which they were asked, and knows for each the greatest of those
 * that had been answered by then at a level that it meets: in n log n steps.
 */
export class Sweep {
  private readonly ended: readonly OperationRecord[]
  private readonly best = new Map<Level, OperationRecord>()
  private next = 0

  /**
   * @param records Whose answers count. @param exceeds Whether one is greater than another.
   */
  constructor(
    records: readonly OperationRecord[],
    private readonly promises: Promises,
    private readonly exceeds: (a: OperationRecord, b: OperationRecord) => boolean,
  ) {
    this.ended = [...records].sort((a, b) => a.completeOrder - b.completeOrder)
  }

  /** The greatest that ended before `record` began, of each level that it meets. */
  before(record: OperationRecord): OperationRecord[] {
    return this.endedBy(record.invokeOrder, record.level)
  }

  /** @param order Must not go back from call to call. */
  endedBy(order: number, level: Level): OperationRecord[] {
    for (; this.next < this.ended.length; this.next += 1) {
      const record = this.ended[this.next]!
      if (record.completeOrder >= order) break
      const best = this.best.get(record.level)
      if (best === undefined || this.exceeds(record, best)) this.best.set(record.level, record)
    }
    const found: OperationRecord[] = []
    for (const each of LEVELS) {
      const best = this.best.get(each)
      if (best !== undefined && this.promises.meet(each, level)) found.push(best)
    }
    return found
  }

  /** The greatest of them all. */
  greatestBefore(record: OperationRecord): OperationRecord | undefined {
    return this.greatest(this.before(record))
  }

  greatest(records: readonly OperationRecord[]): OperationRecord | undefined {
    let greatest: OperationRecord | undefined
    for (const record of records) {
      if (greatest === undefined || this.exceeds(record, greatest)) greatest = record
    }
    return greatest
  }
}

export function hasNewerStamp(a: OperationRecord, b: OperationRecord): boolean {
  return a.stamp! > b.stamp!
}

/** Calls in the order in which they were asked, as `Sweep` wants them. */
export function inOrder(records: readonly OperationRecord[]): OperationRecord[] {
  return [...records].sort((a, b) => a.invokeOrder - b.invokeOrder)
}
