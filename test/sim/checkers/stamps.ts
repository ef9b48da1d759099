import type { History, OperationRecord } from '../history'
import type { Violation } from '.'
import { byKey, hasNewerStamp, inOrder, isAcknowledged, Promises, Sweep } from './promises'

/** Acknowledged writes have stamps of their own, and those of one key, or of one node, rise with time. */
export function checkStamps(history: History): Violation[] {
  return [...checkUnique(history), ...checkKeys(history), ...checkNodes(history)]
}

function checkUnique(history: History): Violation[] {
  const violations: Violation[] = []
  const seen = new Map<string, OperationRecord>()
  for (const write of history.records.filter(isAcknowledged)) {
    const twin = seen.get(write.stamp!)
    seen.set(write.stamp!, write)
    if (twin === undefined) continue
    const message = 'two writes were acknowledged under one stamp'
    violations.push({ rule: 'one-stamp', message, key: write.key, witnesses: [twin, write] })
  }
  return violations
}

function checkKeys(history: History): Violation[] {
  const violations: Violation[] = []
  const promises = new Promises(history.plan)
  for (const [key, records] of byKey(history)) {
    const writes = records.filter(isAcknowledged)
    const sweep = new Sweep(writes, promises, hasNewerStamp)
    for (const later of inOrder(writes)) {
      const earlier = sweep.greatestBefore(later)
      if (earlier === undefined || earlier.stamp! < later.stamp!) continue
      const message = 'a write began after another was acknowledged, and has the lower stamp'
      violations.push({ rule: 'stamps-rise', message, key, witnesses: [earlier, later] })
    }
  }
  return violations
}

/** A node's own clock does not go back, whatever its wall clock does, across restarts too. */
function checkNodes(history: History): Violation[] {
  const violations: Violation[] = []
  const byTag = new Map<string, OperationRecord[]>()
  for (const write of history.records.filter(isAcknowledged)) {
    const tag = write.stamp!.slice(write.stamp!.lastIndexOf('-') + 1)
    byTag.set(tag, [...(byTag.get(tag) ?? []), write])
  }
  for (const writes of byTag.values()) {
    const ended = [...writes].sort((a, b) => a.completeOrder - b.completeOrder)
    let newest: OperationRecord | undefined
    let next = 0
    for (const later of inOrder(writes)) {
      for (; ended[next]!.completeOrder < later.invokeOrder; next += 1) {
        if (newest === undefined || hasNewerStamp(ended[next]!, newest)) newest = ended[next]
      }
      if (newest === undefined || newest.stamp! < later.stamp!) continue
      const message = 'the stamps of one node went back'
      const witnesses = [newest, later]
      violations.push({ rule: 'clock-rises', message, key: later.key, witnesses })
    }
  }
  return violations
}
