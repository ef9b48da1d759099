import type { DiskFile } from '@cassiopeia/env'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC_BYTES,
  type BatchHeader,
  batchIsSound,
  decodeBatchHeader,
  SEGMENT_HEADER_BYTES,
} from './format'

const WINDOW_BYTES = 4 * 1024 * 1024

/** How a segment ended. */
export interface SegmentEnd {
  /** The end of the last batch before any damage. */
  readonly soundBytes: number
  /** Whether the last sound batch is an empty one, which says that all before it is durable. */
  readonly closed: boolean
  /** What is wrong at `soundBytes`; undefined when the file ends there. */
  readonly fault: string | undefined
}

/** Reads one segment from front to back through a window, verifying every batch before use. */
export class SegmentReader {
  private window = Buffer.alloc(0)
  private windowAt = 0

  /** @param seed The CRC of the segment's header. @param size Bytes of the file to look at. */
  constructor(
    private readonly file: DiskFile,
    private readonly size: number,
    private readonly seed: number,
  ) {}

  /**
   * Visits the cells of each batch in order, up to the end or the first damage.
   * @param visit Gets cells `bytes[from..to)`, valid during the call only.
   */
  async read(
    visit: (bytes: Buffer, from: number, to: number, batch: BatchHeader) => void,
  ): Promise<SegmentEnd> {
    let position = SEGMENT_HEADER_BYTES
    let closed = false
    while (position < this.size) {
      const batch = await this.batchAt(position)
      if (typeof batch === 'string') return { soundBytes: position, closed, fault: batch }
      const from = position - this.windowAt + BATCH_HEADER_BYTES
      visit(this.window, from, from + batch.cellBytes, batch)
      position += BATCH_HEADER_BYTES + batch.cellBytes
      closed = batch.cells === 0
    }
    return { soundBytes: position, closed, fault: undefined }
  }

  /**
   * Looks behind damage for sound batches.
   * @returns how far they say that the segment was synced; 0 when there are none.
   */
  async durableBehind(position: number): Promise<number> {
    let durableBytes = 0
    let at = position + 1
    while (at + BATCH_HEADER_BYTES <= this.size) {
      await this.ensure(at, BATCH_HEADER_BYTES)
      const found = this.window.indexOf(BATCH_MAGIC_BYTES, at - this.windowAt)
      if (found < 0) {
        // The magic may straddle the end of the window.
        at = this.windowAt + this.window.length - BATCH_MAGIC_BYTES.length + 1
        continue
      }
      at = this.windowAt + found
      const batch = await this.batchAt(at)
      if (typeof batch !== 'string') durableBytes = Math.max(durableBytes, batch.durableBytes)
      at += typeof batch === 'string' ? 1 : BATCH_HEADER_BYTES + batch.cellBytes
    }
    return durableBytes
  }

  /** @returns the sound batch at `position`, which then lies in the window, or what is wrong. */
  private async batchAt(position: number): Promise<BatchHeader | string> {
    const left = this.size - position
    if (left < BATCH_HEADER_BYTES) return 'the file ends within a batch header'
    await this.ensure(position, BATCH_HEADER_BYTES)
    const batch = decodeBatchHeader(this.window, position - this.windowAt, position)
    if (batch === undefined) return 'no batch begins here'
    // The length is not verified yet: it must fit the file before anything is read by it.
    const bytes = BATCH_HEADER_BYTES + batch.cellBytes
    if (bytes > left) return 'the file ends within a batch'
    await this.ensure(position, bytes)
    if (!batchIsSound(this.window, position - this.windowAt, batch, this.seed)) {
      return 'the batch fails its checksum'
    }
    return batch
  }

  private async ensure(position: number, bytes: number): Promise<void> {
    const end = this.windowAt + this.window.length
    if (position >= this.windowAt && position + bytes <= end) return
    const length = Math.min(Math.max(bytes, WINDOW_BYTES), this.size - position)
    const window = Buffer.allocUnsafe(length)
    const read = await this.file.read(window, position)
    this.window = window.subarray(0, read)
    this.windowAt = position
    if (read < bytes) throw new Error(`the file ended at byte ${position + read} while being read`)
  }
}
