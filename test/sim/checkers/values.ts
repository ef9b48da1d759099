import { type History, type OperationRecord, stampMsOf } from '../history'
import type { Violation } from '.'
import { clockBounds } from './clocks'
import { isRead } from './promises'

/** How far a stamp may lie ahead of the clock of its node for other reasons than the clock. */
const STAMP_SLACK_MS = 200

/** Every value read was written, to that key, by a write that was begun and did not fail. */
export function checkValues(history: History): Violation[] {
  const violations: Violation[] = []
  const writes = new Map<string, OperationRecord>()
  for (const record of history.records) {
    if (record.verb === 'set') writes.set(record.value!, record)
  }
  const aheadMs = stampAheadMs(history)
  const byStamp = new Map<string, OperationRecord>()
  for (const read of history.records.filter(isRead)) {
    if (read.value === undefined) continue
    const write = writes.get(read.value)
    const report = (rule: string, message: string, ...others: OperationRecord[]) =>
      violations.push({ rule, message, key: read.key, witnesses: [...others, read] })
    if (write === undefined) {
      report('phantom', 'a value was read that nobody wrote')
      continue
    }
    if (write.key !== read.key) {
      report('phantom', 'a value was read under another key', write)
    } else if (write.invokeOrder > read.completeOrder) {
      report('phantom', 'a value was read before it was written', write)
    } else if (write.outcome === 'fail') {
      report('failed-write-appeared', 'a write that failed without effect was read', write)
    }
    const lateMs = stampMsOf(read.stamp!) - history.epochMs - (write.invokeMs + write.timeoutMs)
    if (lateMs > aheadMs) {
      report('done-late', `stamped ${Math.round(lateMs)} ms after the call's deadline`, write)
    }
    const twin = byStamp.get(`${read.key} ${read.stamp}`)
    if (twin === undefined) byStamp.set(`${read.key} ${read.stamp}`, read)
    else if (twin.value !== read.value) report('one-stamp', 'two values share one stamp', twin)
  }
  return violations
}

/**
 * How far ahead of true time a stamp of this run may be: by the clocks, and by what was reserved when
 * a node last died, which it begins above.
 */
function stampAheadMs(history: History): number {
  const { plan, deaths } = history
  return STAMP_SLACK_MS + clockBounds(history).aheadMs + deaths * 2 * plan.node.reserveAheadMs
}
