import { invariant } from '../invariant'

/** The cells that one segment of the commit log put into the arena. */
export interface SegmentUsage {
  readonly number: number
  /** Bytes of all its cells, and of those that are current or may become so. */
  cellBytes: number
  liveBytes: number
  /** Its chunks in order; a freed one stays in the list, but may belong to another by now. */
  readonly chunks: number[]
}

const FREED = Buffer.alloc(0)
/** A chunk that is fuller than this takes no run of cells of which only a part would fit. */
const ROOM_WORTH_FILLING = 1 / 16

/**
 * Memory for encoded cells, in chunks that are only ever appended to. A cell's address is a chunk
 * and an offset; it never moves and never changes until its chunk is freed.
 *
 * What was appended since `takeRanges` is at the same time the buffer of the commit log: the bytes
 * are written to the file from here. A chunk belongs to one segment, so that the last live cell of
 * a segment is seen to leave it. A chunk is freed when its own last live cell has left. Pure.
 */
export class Arena {
  /** Chunks by number; the buffer of a freed one is empty. */
  readonly buffers: Buffer[] = []
  /** Memory held, used or not. */
  bytes = 0
  /** Bytes of the cells that have not been retired. */
  liveBytes = 0
  private readonly used: number[] = []
  private readonly live: number[] = []
  private readonly owners: SegmentUsage[] = []
  private readonly free: number[] = []
  /** Oldest first; those before the first with a live cell are forgotten from time to time. */
  private segments: SegmentUsage[] = []
  private tail = -1
  private takenTo = 0
  private ranges: Buffer[] = []

  /** @param chunkBytes Size of a chunk; a larger cell gets a chunk of its own size. */
  constructor(private readonly chunkBytes: number) {}

  /** Cells appended from now on belong to the segment `number`. */
  startSegment(number: number): void {
    invariant(number > this.segment, 'segments are started in the order of their numbers')
    this.leaveTail()
    this.segments.push({ number, cellBytes: 0, liveBytes: 0, chunks: [] })
  }

  /** The segment that cells appended now belong to; 0 before the first. */
  get segment(): number {
    return this.segments.at(-1)?.number ?? 0
  }

  /**
   * The segments from the oldest that has a live cell to the one that takes cells now, which is
   * always among them.
   */
  segmentsInUse(): readonly SegmentUsage[] {
    const last = this.segments.length - 1
    let first = 0
    while (first < last && this.segments[first]!.liveBytes === 0) first += 1
    if (first > 0) this.segments = this.segments.slice(first)
    return this.segments
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
    return size <= room || room >= this.chunkBytes * ROOM_WORTH_FILLING ? room : this.chunkBytes
  }

  /** Copies a cell, or cells, in. @returns the offset within `tailChunk`. */
  append(cell: Buffer, at: number, size: number): number {
    if (!this.fits(size)) this.addChunk(Math.max(size, this.chunkBytes))
    const { tail } = this
    const owner = this.owners[tail]!
    const offset = this.used[tail]!
    cell.copy(this.buffers[tail]!, offset, at, at + size)
    this.used[tail] = offset + size
    this.live[tail] = this.live[tail]! + size
    owner.cellBytes += size
    owner.liveBytes += size
    this.liveBytes += size
    return offset
  }

  /** The chunk of the cell that was appended last. */
  get tailChunk(): number {
    return this.tail
  }

  /** Where the cells in a chunk end; they begin at 0 and leave no gaps. */
  chunkUsed(chunk: number): number {
    return this.used[chunk]!
  }

  /** Whether the chunk, once a segment's, still is: it may have been freed and used again. */
  isChunkOf(chunk: number, segment: SegmentUsage): boolean {
    return this.owners[chunk] === segment && this.buffers[chunk] !== FREED
  }

  /** What was appended since the last call, in order, as views: to be written to the log. */
  takeRanges(): Buffer[] {
    this.closeRange()
    const ranges = this.ranges
    this.ranges = []
    return ranges
  }

  /**
   * A cell of `size` bytes in `chunk` is no longer of use: a newer one has taken its place. Its
   * chunk may be freed by this call.
   */
  retire(chunk: number, size: number): void {
    const live = this.live[chunk]! - size
    invariant(live >= 0, 'no cell is retired twice')
    this.live[chunk] = live
    this.owners[chunk]!.liveBytes -= size
    this.liveBytes -= size
    if (live === 0 && chunk !== this.tail) this.freeChunk(chunk)
  }

  private fits(size: number): boolean {
    return this.tail >= 0 && this.used[this.tail]! + size <= this.buffers[this.tail]!.length
  }

  private addChunk(size: number): void {
    const owner = this.segments.at(-1)
    invariant(owner !== undefined, 'a segment is started before its first cell')
    this.leaveTail()
    this.tail = this.free.pop() ?? this.buffers.length
    this.buffers[this.tail] = Buffer.allocUnsafeSlow(size)
    this.used[this.tail] = 0
    this.live[this.tail] = 0
    this.owners[this.tail] = owner
    owner.chunks.push(this.tail)
    this.bytes += size
  }

  private leaveTail(): void {
    this.closeRange()
    const { tail } = this
    this.tail = -1
    this.takenTo = 0
    if (tail >= 0 && this.live[tail] === 0) this.freeChunk(tail)
  }

  private freeChunk(chunk: number): void {
    this.bytes -= this.buffers[chunk]!.length
    this.buffers[chunk] = FREED
    this.free.push(chunk)
  }

  private closeRange(): void {
    if (this.tail < 0) return
    const end = this.used[this.tail]!
    if (end > this.takenTo) this.ranges.push(this.buffers[this.tail]!.subarray(this.takenTo, end))
    this.takenTo = end
  }
}
