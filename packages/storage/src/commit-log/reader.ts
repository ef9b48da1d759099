import type { DiskFile } from '@cassiopeia/env'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC_BYTES,
  type BatchHeader,
  batchBytesAt,
  batchIsSound,
  decodeBatchHeader,
  SEGMENT_HEADER_BYTES,
} from './format'

/** What is read at once unless a batch is larger. The event loop turns after each. */
const WINDOW_BYTES = 1024 * 1024
const NO_BYTES = Buffer.alloc(0)

/** How a segment ended. */
export interface SegmentEnd {
  /** The end of the last batch before any damage. */
  readonly soundBytes: number
  /** Whether the last sound batch is an empty one, which says that all before it is durable. */
  readonly closed: boolean
  /** What is wrong at `soundBytes`; undefined when the file ends there. */
  readonly fault: string | undefined
}

interface Window {
  /** Where in the segment it begins. */
  readonly position: number
  readonly bytes: Buffer
}

/** A window on its way. */
interface Fetch extends Window {
  /** How many bytes there were. */
  readonly read: Promise<number>
}

/**
 * Reads one segment from front to back through a window, verifying every batch before use. While the
 * batches of one window are visited the next one is read.
 */
export class SegmentReader {
  private window: Window = { position: 0, bytes: NO_BYTES }
  private ahead: Fetch | undefined
  private windowBytes = WINDOW_BYTES
  /** Memory of the window and of the one ahead, by turns: `spare` is for what is read next. */
  private memory: Buffer = NO_BYTES
  private spare: Buffer = NO_BYTES

  /** @param seed The CRC of the segment's header. @param size Bytes of the file to look at. */
  constructor(
    private readonly file: DiskFile,
    private readonly size: number,
    private readonly seed: number,
  ) {}

  /**
   * Visits the cells of each batch in order, up to the end or the first damage. The event loop turns
   * after each window.
   * @param visit Gets cells `bytes[from..to)`, valid during the call only.
   */
  async read(
    visit: (bytes: Buffer, from: number, to: number, batch: BatchHeader) => void,
  ): Promise<SegmentEnd> {
    let position = SEGMENT_HEADER_BYTES
    let closed = false
    while (position < this.size) {
      const batch = this.look(position)
      if (typeof batch === 'number') {
        await this.load(position, batch)
        this.readAhead()
        continue
      }
      if (typeof batch === 'string') return { soundBytes: position, closed, fault: batch }
      const from = position - this.window.position + BATCH_HEADER_BYTES
      visit(this.window.bytes, from, from + batch.cellBytes, batch)
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
      if (!this.holds(at, BATCH_HEADER_BYTES)) await this.load(at, BATCH_HEADER_BYTES)
      const { window } = this
      const found = window.bytes.indexOf(BATCH_MAGIC_BYTES, at - window.position)
      if (found < 0) {
        // The magic may straddle the end of the window.
        at = window.position + window.bytes.length - BATCH_MAGIC_BYTES.length + 1
        continue
      }
      at = window.position + found
      const batch = this.look(at)
      if (typeof batch === 'number') await this.load(at, batch)
      else if (typeof batch === 'string') at += 1
      else {
        durableBytes = Math.max(durableBytes, batch.durableBytes)
        at += BATCH_HEADER_BYTES + batch.cellBytes
      }
    }
    return durableBytes
  }

  /**
   * @returns the sound batch at `position`; what is wrong there; or how many bytes from there on must
   * lie in the window to tell.
   */
  private look(position: number): BatchHeader | string | number {
    const left = this.size - position
    if (left < BATCH_HEADER_BYTES) return 'the file ends within a batch header'
    if (!this.holds(position, BATCH_HEADER_BYTES)) return BATCH_HEADER_BYTES
    const { window } = this
    const batch = decodeBatchHeader(window.bytes, position - window.position, position)
    if (batch === undefined) return 'no batch begins here'
    // The length is not verified yet: it must fit the file before anything is read by it.
    const bytes = BATCH_HEADER_BYTES + batch.cellBytes
    if (bytes > left) return 'the file ends within a batch'
    if (!this.holds(position, bytes)) return bytes
    if (!batchIsSound(window.bytes, position - window.position, batch, this.seed)) {
      return 'the batch fails its checksum'
    }
    return batch
  }

  private holds(position: number, bytes: number): boolean {
    const { window } = this
    return position >= window.position && position + bytes <= window.position + window.bytes.length
  }

  /** Moves the window to `position`, where it then has at least so many bytes. */
  private async load(position: number, bytes: number): Promise<void> {
    // Room for the largest batch so far: then the window ahead has a whole one wherever it begins.
    this.windowBytes = Math.max(this.windowBytes, bytes)
    const { ahead } = this
    this.ahead = undefined
    // Even where it is of no use, its memory is, once it is not being filled any more.
    await ahead?.read
    const isAhead = ahead?.position === position && ahead.bytes.length >= bytes
    const fetch = isAhead ? ahead : this.fetch(position)
    const read = await fetch.read
    if (read < bytes) throw new Error(`the file ended at byte ${position + read} while being read`)
    this.window = { position, bytes: fetch.bytes.subarray(0, read) }
  }

  /** Begins to read what comes after the window: from the batch on of which it has only a part. */
  private readAhead(): void {
    const { position, bytes } = this.window
    let next = position
    while (this.holds(next, BATCH_HEADER_BYTES)) {
      // Not verified yet: if it turns out to be wrong, what is read ahead stays unused.
      const batchBytes = batchBytesAt(bytes, next - position)
      if (!this.holds(next, batchBytes)) break
      next += batchBytes
    }
    if (next > position && next < this.size) this.ahead = this.fetch(next)
  }

  private fetch(position: number): Fetch {
    const length = Math.min(this.windowBytes, this.size - position)
    const memory = this.spare.length < length ? Buffer.allocUnsafeSlow(length) : this.spare
    this.spare = this.memory
    this.memory = memory
    const bytes = memory.subarray(0, length)
    const read = this.file.read(bytes, position)
    // Whoever loads it is told of a failure; when reading ends before, nobody is.
    read.catch(() => {})
    return { position, bytes, read }
  }
}
