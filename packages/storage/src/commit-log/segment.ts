import type { Disk, DiskFile } from '@cassiopeia/env'
import { syncDirectory, syncFile } from '../sync-file'
import { messageOf } from '../system-error'
import {
  BATCH_HEADER_BYTES,
  encodeBatchHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  segmentSeed,
} from './format'

/** The segment of the commit log that takes batches now. */
export class Segment {
  /** Bytes in the file: header and batches. */
  bytes = SEGMENT_HEADER_BYTES
  /** Bytes known to have reached the disk. */
  durableBytes = SEGMENT_HEADER_BYTES
  private readonly batchHeader = Buffer.alloc(BATCH_HEADER_BYTES)
  private lastSync: Promise<void> = Promise.resolve()

  private constructor(
    readonly number: number,
    private readonly file: DiskFile,
    private readonly seed: number,
  ) {}

  /**
   * Makes the file. When this resolves, the file and its header survive a power cut, so whatever
   * recovery finds behind a segment header was written after that header was durable. When it
   * rejects, the file may be there; making it again needs `removeIfThere` first.
   */
  static async create(disk: Disk, directory: string, header: SegmentHeader): Promise<Segment> {
    const file = await disk.open(`${directory}/${segmentName(header.number)}`, 'create')
    try {
      const bytes = encodeSegmentHeader(header)
      await file.append([bytes])
      await syncFile(file)
      await syncDirectory(disk, directory)
      return new Segment(header.number, file, segmentSeed(bytes))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Appends one batch. Call again only once the promise has settled. */
  async append(cellCount: number, cells: readonly Buffer[]): Promise<void> {
    const batch = this.encode(cellCount, cells)
    await this.file.append(batch)
    for (const range of batch) this.bytes += range.length
  }

  /** As `append`; the event loop waits. */
  appendSync(cellCount: number, cells: readonly Buffer[]): void {
    const batch = this.encode(cellCount, cells)
    this.file.appendSync(batch)
    for (const range of batch) this.bytes += range.length
  }

  /**
   * Cuts off what an `append` that was rejected for want of space has written, so that the next
   * batch takes its place. Nothing of it can count meanwhile: a part of a batch fails its checksum.
   */
  async rewind(): Promise<void> {
    try {
      await this.file.truncate(this.bytes)
    } catch (cause) {
      // Not to be taken for a full disk: the next batch would come to lie behind these remains.
      throw new Error(`the log cannot be cut back: ${messageOf(cause)}`, { cause })
    }
  }

  private encode(cellCount: number, cells: readonly Buffer[]): Buffer[] {
    encodeBatchHeader(this.batchHeader, this.seed, this.bytes, this.durableBytes, cellCount, cells)
    return [this.batchHeader, ...cells]
  }

  /**
   * Makes durable what `append` had finished before the call. Syncs run one after the other, and
   * since each begins only after the success of the one before, none follows a failed one: the
   * system may report success for pages that it dropped.
   */
  sync(): Promise<void> {
    this.lastSync = this.lastSync.then(async () => {
      const bytes = this.bytes
      await syncFile(this.file)
      this.durableBytes = bytes
    })
    return this.lastSync
  }

  async close(): Promise<void> {
    await this.file.close()
  }
}
