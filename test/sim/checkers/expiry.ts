import type { History, OperationRecord } from '../history'
import type { Violation } from '.'
import { clockBounds } from './clocks'
import { isRead } from './promises'

/**
 * A value expires when its time is up, by clocks that may be off: the time is counted from the clock of
 * the node that stamped it, and judged by that of the node that reads. That what it covered does not
 * come back is the business of `order`.
 */
export function checkExpiry(history: History): Violation[] {
  const violations: Violation[] = []
  const { aheadMs, behindMs } = clockBounds(history)
  const sets = new Map<string, OperationRecord>()
  for (const record of history.records) if (record.verb === 'set') sets.set(record.value!, record)
  for (const read of history.records.filter(isRead)) {
    const set = read.value === undefined ? undefined : sets.get(read.value)
    if (set === undefined) continue
    const report = (rule: string, message: string) =>
      violations.push({ rule, message, key: read.key, witnesses: [set, read] })
    const { expiresAtMs } = read
    if (set.ttlMs === undefined || expiresAtMs === undefined) {
      if (expiresAtMs !== set.ttlMs) report('wrong-expiry', 'a value has an expiry, or lost it')
      continue
    }
    const endsMs = expiresAtMs - history.epochMs
    if (endsMs + behindMs <= read.invokeMs) {
      const lateMs = Math.round(read.invokeMs - endsMs)
      report('expired-read', `a value was read ${lateMs} ms after it had expired`)
    }
    const earliestMs = set.invokeMs + set.ttlMs - behindMs
    const latestMs = Math.min(set.completeMs, set.invokeMs + set.timeoutMs) + set.ttlMs + aheadMs
    if (endsMs < earliestMs || endsMs > latestMs) {
      report('wrong-expiry', `a value expires at ${endsMs}, not ${earliestMs} to ${latestMs}`)
    }
  }
  return violations
}
