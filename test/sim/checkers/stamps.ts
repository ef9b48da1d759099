import type { History, OperationRecord } from '../history'
import type { Violation } from '.'
import { byKey, isBefore, isWrite, meets } from './promises'

/** Acknowledged writes have stamps of their own, and those of one key rise with time. */
export function checkStamps(history: History): Violation[] {
  const violations: Violation[] = []
  const seen = new Map<string, OperationRecord>()
  const written = (record: OperationRecord) => isWrite(record) && record.outcome === 'ok'
  for (const write of history.records.filter(written)) {
    const twin = seen.get(write.stamp!)
    seen.set(write.stamp!, write)
    if (twin === undefined) continue
    const message = 'two writes were acknowledged under one stamp'
    violations.push({ rule: 'one-stamp', message, key: write.key, witnesses: [twin, write] })
  }
  for (const [key, records] of byKey(history)) {
    const writes = records.filter(written)
    for (const later of writes) {
      const earlier = writes.find(
        (write) => isBefore(write, later) && meets(write, later) && write.stamp! >= later.stamp!,
      )
      if (earlier === undefined) continue
      const message = 'a write began after another was acknowledged, and has the lower stamp'
      violations.push({ rule: 'stamps-rise', message, key, witnesses: [earlier, later] })
    }
  }
  return violations
}
