import { CELL_HEADER_BYTES, cellKeyLength, cellSize } from '@cassiopeia/protocol'

/** Which parts of an entry are copied out of its cell. */
export interface EntryParts {
  readonly key: boolean
  readonly value: boolean
}

/**
 * Entries copied out of a scan, one behind the other in a buffer. The buffer is made anew for each
 * page and belongs to whoever holds views of it; the rest is used again.
 */
export class EntryPage {
  count = 0
  private buffer = Buffer.alloc(0)
  private used = 0
  /** The last entry's bytes, when they did not fit. */
  private last: Buffer | undefined
  private entriesMax = 0
  private readonly starts: number[] = []
  private readonly keyEnds: number[] = []
  private readonly ends: number[] = []
  private readonly partitions: number[] = []

  constructor(private readonly wanted: EntryParts) {}

  /** Lets go of the entries, and takes a new buffer with room for `bytes`. */
  restart(entriesMax: number, bytes: number): void {
    this.entriesMax = entriesMax
    this.buffer = Buffer.allocUnsafeSlow(bytes)
    this.used = 0
    this.last = undefined
    this.count = 0
  }

  /** Lets go of everything. */
  clear(): void {
    this.restart(0, 0)
  }

  /** @returns whether there is room for more: an entry that does not fit is the last of its page. */
  add(cell: Buffer, at: number, partition: number): boolean {
    const keyAt = at + CELL_HEADER_BYTES
    const valueAt = keyAt + cellKeyLength(cell, at)
    const from = this.wanted.key ? keyAt : valueAt
    const to = this.wanted.value ? at + cellSize(cell, at) : valueAt
    const bytes = to - from
    let start = this.used
    if (start + bytes <= this.buffer.length) {
      cell.copy(this.buffer, start, from, to)
      this.used = start + bytes
    } else {
      this.last = Buffer.from(cell.subarray(from, to))
      start = 0
    }
    const index = this.count
    this.starts[index] = start
    this.keyEnds[index] = start + valueAt - from
    this.ends[index] = start + bytes
    this.partitions[index] = partition
    this.count = index + 1
    return this.last === undefined && this.count < this.entriesMax
  }

  key(index: number): Buffer {
    return this.bufferOf(index).subarray(this.starts[index], this.keyEnds[index])
  }

  value(index: number): Buffer {
    return this.bufferOf(index).subarray(this.keyEnds[index], this.ends[index])
  }

  partition(index: number): number {
    return this.partitions[index]!
  }

  private bufferOf(index: number): Buffer {
    return this.last !== undefined && index === this.count - 1 ? this.last : this.buffer
  }
}
