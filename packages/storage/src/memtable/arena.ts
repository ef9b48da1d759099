import { ChunkPool } from './chunk-pool'

/** Chunks double from the one size to the other, so that an idle store holds little. */
const CHUNK_BYTES_FIRST = 64 * 1024
const CHUNK_BYTES_MAX = 4 * 1024 * 1024
/** But none has more than this share of what the arena is for: the last one may stay empty. */
const CHUNK_SHARE = 1 / 8
const CHUNK_BYTES_MIN = 4 * 1024

/**
 * Memory for encoded cells, in chunks that are only ever appended to. A cell's address is a chunk
 * and an offset; it never moves and never changes. The arena is let go of as a whole, once its
 * memtable is in a table.
 *
 * What was appended since `takeRanges` is at the same time the buffer of the commit log: the bytes
 * are written to the file from here. Pure.
 */
export class Arena {
  readonly buffers: Buffer[] = []
  /** Memory held, used or not. */
  bytes = 0
  /** Bytes of the cells in it. */
  usedBytes = 0
  private readonly used: number[] = []
  private tail = -1
  private takenTo = 0
  private ranges: Buffer[] = []
  private readonly chunkBytesMax: number

  /**
   * @param bytes About what it will take; more is fine.
   * @param pool Where its memory comes from, and goes with `release`.
   */
  constructor(
    bytes = Number.POSITIVE_INFINITY,
    private readonly pool = new ChunkPool(0),
  ) {
    const share = Math.max(CHUNK_BYTES_MIN, Math.floor(bytes * CHUNK_SHARE))
    this.chunkBytesMax = Math.min(CHUNK_BYTES_MAX, share)
  }

  /** Copies a cell, or cells, in. @returns the offset within `tailChunk`. */
  append(cell: Buffer, at: number, size: number): number {
    if (size > this.roomBytes) this.addChunk(size)
    const { tail } = this
    const offset = this.used[tail]!
    cell.copy(this.buffers[tail]!, offset, at, at + size)
    this.used[tail] = offset + size
    this.usedBytes += size
    return offset
  }

  /** The chunk of the cell that was appended last. */
  get tailChunk(): number {
    return this.tail
  }

  /** What `append` takes without beginning another chunk. */
  get roomBytes(): number {
    return this.tail < 0 ? 0 : this.buffers[this.tail]!.length - this.used[this.tail]!
  }

  /** What of a chunk is in use; a view. */
  chunk(index: number): Buffer {
    return this.buffers[index]!.subarray(0, this.used[index]!)
  }

  /** What was appended since the last call, in order, as views: to be written to the log. */
  takeRanges(): Buffer[] {
    this.closeRange()
    const ranges = this.ranges
    this.ranges = []
    return ranges
  }

  /** Gives its memory back: no cell may be looked at any more. */
  release(): void {
    for (const { buffer } of this.buffers) this.pool.give(buffer as ArrayBuffer)
    this.buffers.length = 0
  }

  private addChunk(bytes: number): void {
    this.closeRange()
    const usual = Math.min(CHUNK_BYTES_FIRST * 2 ** this.buffers.length, this.chunkBytesMax)
    const size = Math.max(bytes, usual)
    this.tail = this.buffers.length
    this.buffers.push(Buffer.from(this.pool.take(size)))
    this.used.push(0)
    this.takenTo = 0
    this.bytes += size
  }

  private closeRange(): void {
    if (this.tail < 0) return
    const end = this.used[this.tail]!
    if (end > this.takenTo) this.ranges.push(this.buffers[this.tail]!.subarray(this.takenTo, end))
    this.takenTo = end
  }
}
