import { CELL_HEADER_BYTES, cellKeyLength, cellSize, keyHash } from '@cassiopeia/protocol'
import type { ReplayTarget } from '../commit-log/replay'
import type { ChunkPool } from '../memtable/chunk-pool'
import { Generation } from './generation'

/** Cells that are put into the index in one go. */
const RUN_CELLS = 512

export interface ReplayerSettings {
  /** A segment that begins when a memtable is so large goes to the next one. */
  readonly memtableBytes: number
  readonly partitionOf: (hash: number) => number
}

/**
 * Makes generations of what the log holds: cells are copied into the arena as they come, many at a
 * time, and put into the index in runs.
 */
export class Replayer implements ReplayTarget {
  /** Oldest first, at least one; complete after `finish`. */
  readonly generations: Generation[] = []
  private current: Generation
  /** Bytes of log that the current generation may take. */
  private bytesExpected = 0
  /** The cells that wait for the index: where they lie in the arena, and the hashes of their keys. */
  private count = 0
  private bytes = 0
  private readonly chunks = new Uint32Array(RUN_CELLS)
  private readonly offsets = new Uint32Array(RUN_CELLS)
  private readonly hashes = new Float64Array(RUN_CELLS)

  constructor(
    private readonly settings: ReplayerSettings,
    private readonly pool: ChunkPool,
  ) {
    this.current = this.begin()
  }

  beginSegment(number: number, bytesAhead: number): void {
    this.index()
    if (this.current.usedBytes >= this.settings.memtableBytes) this.current = this.begin()
    if (this.current.firstSegment !== undefined) return
    this.current.firstSegment = number
    this.bytesExpected = Math.min(bytesAhead, this.settings.memtableBytes)
  }

  cells(bytes: Buffer, from: number, to: number): void {
    const { arena } = this.current
    for (let at = from; at < to; ) {
      const end = endOfFitting(bytes, at, to, arena.roomBytes)
      const offset = arena.append(bytes, at, end - at)
      this.note(arena.buffers[arena.tailChunk]!, arena.tailChunk, offset, offset + end - at)
      at = end
    }
  }

  /** Everything has come. */
  finish(): void {
    this.index()
    // What was replayed came from the log; it is not to be written to it.
    for (const { arena } of this.generations) arena.takeRanges()
  }

  /** Remembers the cells `cells[from..to)`, in `chunk` of the arena, for the index. */
  private note(cells: Buffer, chunk: number, from: number, to: number): void {
    for (let at = from; at < to; ) {
      if (this.count === RUN_CELLS) this.index()
      const { count } = this
      const size = cellSize(cells, at)
      const keyAt = at + CELL_HEADER_BYTES
      this.chunks[count] = chunk
      this.offsets[count] = at
      this.hashes[count] = keyHash(cells, keyAt, keyAt + cellKeyLength(cells, at))
      this.count = count + 1
      this.bytes += size
      at += size
    }
  }

  private index(): void {
    const { count, chunks, offsets, hashes } = this
    const { partitionOf } = this.settings
    const { memtable } = this.current
    if (memtable.keys === 0 && count > 0) {
      // As if no key came twice: an index that is too large does less harm than one that grows.
      memtable.reserve(Math.floor((this.bytesExpected * count) / this.bytes))
    }
    memtable.prefetch(hashes, count)
    for (let i = 0; i < count; i += 1) {
      const hash = hashes[i]!
      memtable.apply(hash, partitionOf(hash), chunks[i]!, offsets[i]!)
    }
    this.count = 0
    this.bytes = 0
  }

  private begin(): Generation {
    const generation = new Generation(this.settings.memtableBytes, this.pool)
    this.generations.push(generation)
    return generation
  }
}

/** The end of the whole cells of `bytes[from..to)` that have room, or of the first one. */
function endOfFitting(bytes: Buffer, from: number, to: number, roomBytes: number): number {
  if (to - from <= roomBytes) return to
  let end = from + cellSize(bytes, from)
  for (let next = end; next - from <= roomBytes; next += cellSize(bytes, next)) end = next
  return end
}
