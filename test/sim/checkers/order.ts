import type { History, OperationRecord } from '../history'
import type { Violation } from '.'
import { byKey, endedBefore, isBefore, isRead, isWrite, meets } from './promises'

/** What the reads of one key may say, given what was answered before they were asked. */
export function checkOrder(history: History): Violation[] {
  return [...byKey(history).values()].flatMap((records) => new KeyOrder(records).check())
}

class KeyOrder {
  private readonly violations: Violation[] = []
  private readonly writes: OperationRecord[]
  private readonly dels: OperationRecord[]
  private readonly setOf = new Map<string, OperationRecord>()
  private readonly reads: OperationRecord[]

  constructor(records: readonly OperationRecord[]) {
    this.writes = records.filter(isWrite)
    this.dels = this.writes.filter(({ verb, outcome }) => verb === 'del' && outcome !== 'fail')
    for (const write of this.writes) if (write.verb === 'set') this.setOf.set(write.value!, write)
    this.reads = records.filter(isRead)
  }

  check(): Violation[] {
    for (const read of this.reads) {
      const floor = this.floorOf(read)
      if (floor !== undefined) this.checkFloor(read, floor)
      this.checkSuperseded(read)
    }
    for (const later of this.reads) this.checkMonotonic(later)
    return this.violations
  }

  /** An acknowledged write is read, or something newer. */
  private checkFloor(read: OperationRecord, floor: OperationRecord): void {
    const isSeen =
      read.value === undefined
        ? this.someDelete(read, (stamp) => stamp >= floor.stamp!)
        : read.stamp! >= floor.stamp!
    if (isSeen) return
    const rule = read.client === floor.client ? 'read-your-writes' : 'acknowledged-write-lost'
    this.report(rule, 'a write was acknowledged, then something older was read', floor, read)
  }

  /** A value does not come back after a write that was begun when it had been acknowledged. */
  private checkSuperseded(read: OperationRecord): void {
    const source = read.value === undefined ? undefined : this.setOf.get(read.value)
    if (source?.outcome !== 'ok') return
    for (const write of this.writes) {
      if (write.outcome !== 'ok' || !meets(write, read) || !meets(source, write)) continue
      if (!isBefore(source, write) || !isBefore(write, read)) continue
      this.report('time-travel', 'an overwritten value came back', source, write, read)
      return
    }
  }

  /**
   * No read returns something older than an earlier read did, whoever asked. What an earlier read saw
   * that found nothing is not known: a delete that is stamped again is seen under its first stamp too.
   */
  private checkMonotonic(later: OperationRecord): void {
    for (const earlier of this.reads) {
      if (earlier.value === undefined) continue
      if (!isBefore(earlier, later) || !meets(earlier, later)) continue
      const seen = earlier.stamp!
      const isSeen =
        later.value === undefined
          ? this.someDelete(later, (stamp) => stamp >= seen)
          : later.stamp! >= seen
      if (isSeen) continue
      this.report('monotonic-reads', 'a later read returned something older', earlier, later)
      return
    }
  }

  /** The acknowledged write with the highest stamp that the read must see. */
  private floorOf(read: OperationRecord): OperationRecord | undefined {
    let floor: OperationRecord | undefined
    for (const write of this.writes) {
      if (!endedBefore(write, read) || !meets(write, read)) continue
      if (floor === undefined || write.stamp! > floor.stamp!) floor = write
    }
    return floor
  }

  /**
   * Whether a delete that this read can have seen has, or may have, such a stamp. The stamp in a
   * receipt is the last and highest under which the delete was written.
   */
  private someDelete(read: OperationRecord, fits: (stamp: string) => boolean): boolean {
    return this.dels.some(
      (del) =>
        del.invokeOrder < read.completeOrder && (del.outcome === 'unknown' || fits(del.stamp!)),
    )
  }

  private report(rule: string, message: string, ...witnesses: OperationRecord[]): void {
    this.violations.push({ rule, message, key: witnesses[0]!.key, witnesses })
  }
}
