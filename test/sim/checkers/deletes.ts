import type { History } from '../history'
import type { Violation } from '.'
import { byKey, hasNewerStamp, inOrder, isAcknowledged, isRead, Promises, Sweep } from './promises'

/**
 * What was deleted stays deleted: a value that is read after a delete was acknowledged was written
 * under a higher stamp. A key that was written again may be read, under the stamp of that write.
 */
export function checkDeletes(history: History): Violation[] {
  const promises = new Promises(history.plan)
  const violations: Violation[] = []
  for (const [key, records] of byKey(history)) {
    const dels = records.filter((record) => record.verb === 'del' && isAcknowledged(record))
    const sweep = new Sweep(dels, promises, hasNewerStamp)
    for (const read of inOrder(records.filter(isRead))) {
      const del = sweep.greatestBefore(read)
      if (del === undefined || read.value === undefined || read.stamp! > del.stamp!) continue
      const message = 'a deleted value was read'
      violations.push({ rule: 'resurrection', message, key, witnesses: [del, read] })
    }
  }
  return violations
}
