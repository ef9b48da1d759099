import type { History, OperationRecord } from '../history'
import type { Violation } from '.'
import { Ends } from './ends'
import {
  byKey,
  hasNewerStamp,
  inOrder,
  isAcknowledged,
  isBefore,
  isRead,
  Promises,
  Sweep,
} from './promises'

/** What the reads of one key may say, given what was answered before they were asked. */
export function checkOrder(history: History): Violation[] {
  const promises = new Promises(history.plan)
  return [...byKey(history).values()].flatMap((records) =>
    new KeyOrder(records, promises, history).check(),
  )
}

class KeyOrder {
  private readonly violations: Violation[] = []
  private readonly setOf = new Map<string, OperationRecord>()
  private readonly ends: Ends
  /** Acknowledged writes: by stamp, and by when they were asked for. */
  private readonly newestWrite: Sweep
  private readonly latestWrite: Sweep
  private readonly newestRead: Sweep
  private readonly reads: OperationRecord[]

  constructor(
    records: readonly OperationRecord[],
    private readonly promises: Promises,
    history: History,
  ) {
    const writes = records.filter(isAcknowledged)
    for (const write of writes) if (write.verb === 'set') this.setOf.set(write.value!, write)
    this.reads = inOrder(records.filter(isRead))
    this.ends = new Ends(records, history)
    this.newestWrite = new Sweep(writes, promises, hasNewerStamp)
    this.latestWrite = new Sweep(writes, promises, (a, b) => a.invokeOrder > b.invokeOrder)
    // What an earlier read saw that found nothing is not known: a delete that is stamped again is seen
    // under its first stamp too.
    const found = this.reads.filter(({ value }) => value !== undefined)
    this.newestRead = new Sweep(found, promises, hasNewerStamp)
  }

  check(): Violation[] {
    for (const read of this.reads) {
      const floor = this.newestWrite.greatestBefore(read)
      if (floor !== undefined && !this.isSeen(floor, read)) {
        const message = 'a write was acknowledged, then something older was read'
        this.report('acknowledged-write-lost', message, floor, read)
      }
      this.checkSuperseded(read)
      // No read returns something older than an earlier read did, whoever asked.
      const seen = this.newestRead.greatestBefore(read)
      if (seen !== undefined && !this.isSeen(seen, read)) {
        this.report('monotonic-reads', 'a later read returned something older', seen, read)
      }
    }
    return this.violations
  }

  /** Whether the read returned this version, or may have returned something newer. */
  private isSeen({ stamp }: OperationRecord, read: OperationRecord): boolean {
    if (read.value === undefined) return this.ends.mayAnswer(read, stamp!)
    return read.stamp! >= stamp!
  }

  /** A value does not come back after a write that was begun when it had been acknowledged. */
  private checkSuperseded(read: OperationRecord): void {
    const latest = this.latestWrite.before(read)
    const source = read.value === undefined ? undefined : this.setOf.get(read.value)
    if (source === undefined) return
    const write = latest.find(
      (each) => isBefore(source, each) && this.promises.meet(source.level, each.level),
    )
    if (write === undefined) return
    this.report('time-travel', 'an overwritten value came back', source, write, read)
  }

  private report(rule: string, message: string, ...witnesses: OperationRecord[]): void {
    this.violations.push({ rule, message, key: witnesses[0]!.key, witnesses })
  }
}
