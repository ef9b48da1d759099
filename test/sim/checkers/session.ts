import type { History, OperationRecord } from '../history'
import type { Violation } from '.'
import { Ends } from './ends'
import {
  byKey,
  hasNewerStamp,
  inOrder,
  isAcknowledged,
  isRead,
  isWrite,
  Promises,
  Sweep,
} from './promises'

/**
 * What one client alone is promised: it reads its own writes, its reads do not go back, its writes
 * take effect in its own order, and after what it has read.
 */
export function checkSession(history: History): Violation[] {
  const promises = new Promises(history.plan)
  return [...byKey(history).values()].flatMap((records) => {
    const ends = new Ends(records, history)
    const clients = new Set(records.map(({ client }) => client))
    return [...clients].flatMap((client) =>
      checkClient(
        records.filter((record) => record.client === client),
        ends,
        promises,
      ),
    )
  })
}

function checkClient(
  records: readonly OperationRecord[],
  ends: Ends,
  promises: Promises,
): Violation[] {
  const violations: Violation[] = []
  const written = new Sweep(records.filter(isAcknowledged), promises, hasNewerStamp)
  const found = records.filter((record) => isRead(record) && record.value !== undefined)
  const read = new Sweep(found, promises, hasNewerStamp)
  const settled = records.filter((record) => record.outcome === 'ok')
  for (const record of inOrder(settled)) {
    const report = (rule: string, message: string, before: OperationRecord) =>
      violations.push({ rule, message, key: record.key, witnesses: [before, record] })
    const own = written.greatestBefore(record)
    const seen = read.greatestBefore(record)
    const isOlder = ({ stamp }: OperationRecord) =>
      record.stamp === undefined
        ? !ends.mayAnswer(record, stamp!)
        : isWrite(record)
          ? record.stamp <= stamp!
          : record.stamp < stamp!
    if (own !== undefined && isOlder(own)) {
      if (isWrite(record)) report('monotonic-writes', 'a later write has the lower stamp', own)
      else report('read-your-writes', 'a client does not read what it has written', own)
    }
    if (seen !== undefined && isOlder(seen)) {
      if (isWrite(record)) report('writes-follow-reads', 'what was read beats a later write', seen)
      else report('session-reads', 'a client reads something older than before', seen)
    }
  }
  return violations
}
