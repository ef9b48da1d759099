import type { History, OperationRecord } from '../history'
import { clockBounds } from './clocks'
import { isWrite } from './promises'

/**
 * Finding nothing is an answer too, without a stamp. It is right when a delete, or a value that has
 * expired, may be what was found: this knows those of one key.
 */
export class Ends {
  private readonly dels: OperationRecord[]
  private readonly expiring: OperationRecord[]
  private readonly earlyMs: number

  constructor(records: readonly OperationRecord[], history: History) {
    const writes = records.filter((record) => isWrite(record) && record.outcome !== 'fail')
    this.dels = writes.filter(({ verb }) => verb === 'del')
    this.expiring = writes.filter(({ ttlMs }) => ttlMs !== undefined)
    const { aheadMs, behindMs } = clockBounds(history)
    // Counted from a clock that is behind, and judged by one that is ahead.
    this.earlyMs = aheadMs + behindMs
  }

  /**
   * Whether what was found by `order`, at `atMs`, can have been a delete or an expired value whose
   * stamp is, or may be, at least `stamp`. The stamp in a receipt is the last and highest under which
   * a delete was written; when nobody knows how a call ended, nobody knows its stamp either.
   */
  mayBe(stamp: string, order: number, atMs: number): boolean {
    const fits = (write: OperationRecord) =>
      write.invokeOrder < order && (write.outcome === 'unknown' || write.stamp! >= stamp)
    if (this.dels.some(fits)) return true
    return this.expiring.some(
      (set) => set.invokeMs + set.ttlMs! - this.earlyMs <= atMs && fits(set),
    )
  }

  /** The same of what a read that found nothing was answered. */
  mayAnswer(read: OperationRecord, stamp: string): boolean {
    return this.mayBe(stamp, read.completeOrder, read.completeMs)
  }
}
