import type { History, OperationRecord } from '../history'
import { type Level, REPLICATION_FACTOR } from '../plan'

const REQUIRED: Readonly<Record<Level, number>> = Object.freeze({ ONE: 1, QUORUM: 2, ALL: 3 })

/** Whether the two levels share a replica: only then does one call promise to see the other. */
export function meets(a: OperationRecord, b: OperationRecord): boolean {
  return REQUIRED[a.level] + REQUIRED[b.level] > REPLICATION_FACTOR
}

/** `a` was answered before `b` was asked. */
export function isBefore(a: OperationRecord, b: OperationRecord): boolean {
  return a.completeOrder < b.invokeOrder
}

/** A call that was answered 'unknown' may have its effect at any time from then on. */
export function endedBefore(a: OperationRecord, b: OperationRecord): boolean {
  return a.outcome === 'ok' && isBefore(a, b)
}

export function isWrite(record: OperationRecord): boolean {
  return record.verb !== 'get'
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
