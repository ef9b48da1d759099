import { invariant } from '../invariant'

/** The cells that one segment of the commit log put into the arena. */
export interface SegmentUsage {
  readonly number: number
  /** Bytes of all its cells, and of those that are current or may become so. */
  cellBytes: number
  liveBytes: number
  /** Its chunks in order; each holds cells from its start to `Arena.chunkUsed`, without gaps. */
  readonly chunks: number[]
}

/**
 * Memory for encoded cells, in chunks that are only ever appended to. A cell's address is a chunk
 * and an offset; it never moves and never changes until its chunk is freed.
 *
 * What was appended since `takeRanges` is at the same time the buffer of the commit log: the bytes
 * are written to the file from here. A chunk belongs to one segment, so that the memory of a
 * segment can be freed together with its file. Pure.
 */
export class Arena {
  /** Chunks by number. */
  readonly buffers: Buffer[] = []
  /** Memory held, used or not. */
  bytes = 0
  private readonly used: number[] = []
  private readonly owners: SegmentUsage[] = []
  private tail = -1
  private owner: SegmentUsage | undefined
  private takenTo = 0
  private ranges: Buffer[] = []

  /** @param chunkBytes Size of a chunk; a larger cell gets a chunk of its own size. */
  constructor(private readonly chunkBytes: number) {}

  /** Cells appended from now on belong to the segment `number`. */
  startSegment(number: number): SegmentUsage {
    this.closeRange()
    this.tail = -1
    this.owner = { number, cellBytes: 0, liveBytes: 0, chunks: [] }
    return this.owner
  }

  /** The segment that cells appended now belong to; 0 before the first. */
  get segment(): number {
    return this.owner?.number ?? 0
  }

  /** Memory that would be held after appending a cell of `size` bytes. */
  bytesWith(size: number): number {
    return this.fits(size) ? this.bytes : this.bytes + Math.max(size, this.chunkBytes)
  }

  /**
   * How many of `size` bytes of cells can be appended at once, in one chunk; a single cell can be
   * however large it is.
   */
  roomFor(size: number): number {
    if (this.tail < 0) return this.chunkBytes
    const room = this.buffers[this.tail]!.length - this.used[this.tail]!
    // Rather leave a little of a chunk unused than copy cell by cell.
    return size <= room || room >= this.chunkBytes / 16 ? room : this.chunkBytes
  }

  /** Copies a cell, or cells, in. @returns the offset within `tailChunk`. */
  append(cell: Buffer, at: number, size: number): number {
    if (!this.fits(size)) this.addChunk(Math.max(size, this.chunkBytes))
    const owner = this.owner!
    const offset = this.used[this.tail]!
    cell.copy(this.buffers[this.tail]!, offset, at, at + size)
    this.used[this.tail] = offset + size
    owner.cellBytes += size
    owner.liveBytes += size
    return offset
  }

  /** The chunk of the cell that was appended last. */
  get tailChunk(): number {
    return this.tail
  }

  chunkUsed(chunk: number): number {
    return this.used[chunk]!
  }

  /** What was appended since the last call, in order, as views: to be written to the log. */
  takeRanges(): Buffer[] {
    this.closeRange()
    const ranges = this.ranges
    this.ranges = []
    return ranges
  }

  /** A cell of `size` bytes in `chunk` is no longer of use: a newer one has taken its place. */
  retire(chunk: number, size: number): void {
    const owner = this.owners[chunk]!
    owner.liveBytes -= size
    invariant(owner.liveBytes >= 0, 'no cell of a segment is retired twice')
  }

  private fits(size: number): boolean {
    return this.tail >= 0 && this.used[this.tail]! + size <= this.buffers[this.tail]!.length
  }

  private addChunk(size: number): void {
    invariant(this.owner !== undefined, 'a segment is started before its first cell')
    this.closeRange()
    this.takenTo = 0
    this.tail = this.buffers.length
    this.buffers[this.tail] = Buffer.allocUnsafeSlow(size)
    this.used[this.tail] = 0
    this.owners[this.tail] = this.owner
    this.owner.chunks.push(this.tail)
    this.bytes += size
  }

  private closeRange(): void {
    if (this.tail < 0) return
    const end = this.used[this.tail]!
    if (end > this.takenTo) this.ranges.push(this.buffers[this.tail]!.subarray(this.takenTo, end))
    this.takenTo = end
  }
}
