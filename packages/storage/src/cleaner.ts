import { CELL_HEADER_BYTES, cellKeyLength, cellSize } from '@cassiopeia/protocol'
import { invariant } from './invariant'
import type { Arena, SegmentUsage } from './memtable/arena'
import { type Memtable, NO_SLOT } from './memtable/memtable'
import type { StoreSettings } from './options'

/** Garbage tolerated, as a share of the log's cells: usually, and when memory runs short. */
const GARBAGE_SHARE = 1 / 2
const GARBAGE_SHARE_TIGHT = 1 / 8
/** Memory runs short above this share of `memoryBytesMax`. */
const MEMORY_SHARE_TIGHT = 3 / 4

/** Takes a live cell that lies at `offset` in `chunk` and appends it to the log once more. */
export type Reappend = (
  chunk: number,
  offset: number,
  size: number,
  partition: number,
  hash: number,
) => void

/**
 * Keeps the commit log and the arena from growing with every overwritten cell: when too much is
 * garbage, it appends the live cells of the oldest segments again, a slice at a time. The copies go
 * through the log like any write, with their stamps, and take the place of the originals once they
 * are as durable as a write is. A segment whose last live cell has left is dropped by the log when
 * the next segment is made.
 *
 * Always the oldest first, so that the segments in use are a run of numbers without gaps and a lost
 * file is noticed. That costs little more than choosing the emptiest: while half of the log is
 * garbage, a pass over all of it frees at least as many bytes as it copies.
 *
 * @see Rosenblum and Ousterhout, "The Design and Implementation of a Log-Structured File System",
 * SOSP 1991; Rumble et al., "Log-structured Memory for DRAM-based Storage", FAST 2014.
 */
export class Cleaner {
  private victim: SegmentUsage | undefined
  private chunkIndex = 0
  private offset = 0
  /** Victims of this pass have numbers above this. */
  private cleanedTo = 0

  constructor(
    private readonly settings: Pick<
      StoreSettings,
      'segmentBytes' | 'memoryBytesMax' | 'keyHash' | 'partitionOf'
    >,
    private readonly arena: Arena,
    private readonly memtable: Memtable,
    private readonly reappend: Reappend,
  ) {}

  /** Whether there is work: a segment half done, or too much garbage. Chooses the segment. */
  isDue(): boolean {
    this.victim ??= this.nextVictim()
    return this.victim !== undefined
  }

  /** Looks at cells of the victim, up to about `budgetBytes` of them, and keeps the live ones. */
  step(budgetBytes: number): void {
    let left = budgetBytes
    while (left > 0 && this.victim !== undefined) {
      const chunk = this.victim.chunks[this.chunkIndex]
      if (chunk === undefined) this.finishVictim(this.victim)
      else if (!this.arena.isChunkOf(chunk, this.victim)) this.nextChunk()
      else if (this.offset >= this.arena.chunkUsed(chunk)) this.nextChunk()
      else left -= this.visitCell(chunk)
    }
  }

  private visitCell(chunk: number): number {
    const { offset } = this
    const cell = this.arena.buffers[chunk]!
    const size = cellSize(cell, offset)
    this.offset += size
    const from = offset + CELL_HEADER_BYTES
    const to = from + cellKeyLength(cell, offset)
    const hash = this.settings.keyHash(cell, from, to)
    const slot = this.memtable.find(hash, cell, from, to)
    // All cells of the victim have reached the index, so one that is not there has been replaced.
    if (slot !== NO_SLOT && this.memtable.isAt(slot, chunk, offset)) {
      this.reappend(chunk, offset, size, this.settings.partitionOf(hash), hash)
    }
    return size
  }

  private nextChunk(): void {
    this.chunkIndex += 1
    this.offset = 0
  }

  private finishVictim(victim: SegmentUsage): void {
    this.cleanedTo = victim.number
    this.victim = undefined
    this.chunkIndex = 0
    this.offset = 0
  }

  private nextVictim(): SegmentUsage | undefined {
    const segments = this.arena.segmentsInUse()
    if (!this.garbageAbounds(segments)) {
      this.cleanedTo = 0
      return undefined
    }
    // Copies are applied before the next segment is chosen.
    const done = segments.find(({ number }) => number <= this.cleanedTo)
    invariant(done === undefined, 'no live cell stays behind in a segment that was cleaned')
    // The last one still takes cells; when all others have had their turn, the pass is over.
    const last = segments.length - 1
    const next = segments.findIndex(
      ({ number, liveBytes }) => number > this.cleanedTo && liveBytes > 0,
    )
    if (next >= 0 && next < last) return segments[next]
    this.cleanedTo = 0
    return undefined
  }

  private garbageAbounds(segments: readonly SegmentUsage[]): boolean {
    const { segmentBytes, memoryBytesMax } = this.settings
    let cellBytes = 0
    for (const segment of segments) cellBytes += segment.cellBytes
    const garbageBytes = cellBytes - this.arena.liveBytes
    const memoryBytes = this.arena.bytes + this.memtable.bytes
    const tight = memoryBytes > memoryBytesMax * MEMORY_SHARE_TIGHT
    const share = tight ? GARBAGE_SHARE_TIGHT : GARBAGE_SHARE
    return garbageBytes > Math.max(cellBytes * share, segmentBytes)
  }
}
