import { CELL_HEADER_BYTES } from '@cassiopeia/protocol'
import { blockTag } from './block'

/** No cell is smaller: a header and a key of one byte. */
const CELL_BYTES_MIN = CELL_HEADER_BYTES + 1
/** Of the trailer, at most, for one cell: its tag, its offset and a run that begins with it. */
const TRAILER_BYTES_PER_CELL = 10
const TRAILER_COUNTS_BYTES = 4

/**
 * Gathers the cells of one data block and lays out its payload; `block` reads it. Pure, and hot: it
 * allocates nothing for a cell.
 */
export class BlockBuilder {
  cells = 0
  cellBytes = 0
  /** The payload so far. After `clear` the cells stay readable here until the next `add`. */
  payload: Buffer
  /** Where the cell that was added last lies in `payload`; also after `clear`. */
  lastAt = 0
  private readonly usualBytes: number
  private readonly tags: Uint16Array
  private readonly offsets: Uint16Array
  private runs = 0
  private readonly runPartitions: Uint32Array
  private readonly runCells: Uint16Array

  constructor(private readonly blockBytes: number) {
    const cellsMax = Math.ceil(blockBytes / CELL_BYTES_MIN) + 1
    this.usualBytes = blockBytes + cellsMax * TRAILER_BYTES_PER_CELL + TRAILER_COUNTS_BYTES
    this.payload = Buffer.allocUnsafeSlow(this.usualBytes)
    this.tags = new Uint16Array(cellsMax)
    this.offsets = new Uint16Array(cellsMax)
    this.runPartitions = new Uint32Array(cellsMax)
    this.runCells = new Uint16Array(cellsMax)
  }

  /** Whether a cell of `size` bytes may join the block; an empty one takes any. */
  fits(size: number): boolean {
    return this.cells === 0 || this.cellBytes + size <= this.blockBytes
  }

  /** Copies the cell, which must fit and come after all others. */
  add(partition: number, hash: number, cell: Buffer, at: number, size: number): void {
    const { cells } = this
    if (cells === 0) this.makeRoom(size)
    cell.copy(this.payload, this.cellBytes, at, at + size)
    this.tags[cells] = blockTag(hash)
    this.offsets[cells] = this.cellBytes
    if (this.runs === 0 || this.runPartitions[this.runs - 1] !== partition) {
      this.runPartitions[this.runs] = partition
      this.runCells[this.runs] = cells
      this.runs += 1
    }
    this.lastAt = this.cellBytes
    this.cellBytes += size
    this.cells = cells + 1
  }

  /** Writes the trailer behind the cells. @returns the size of the payload. */
  finish(): number {
    const { payload, cells, runs } = this
    let at = this.cellBytes
    for (let i = 0; i < runs; i += 1) {
      at = payload.writeUInt32BE(this.runPartitions[i]!, at)
      at = payload.writeUInt16BE(this.runCells[i]!, at)
    }
    for (let i = 0; i < cells; i += 1) at = putU16(payload, at, this.tags[i]!)
    for (let i = 0; i < cells; i += 1) at = putU16(payload, at, this.offsets[i]!)
    at = putU16(payload, at, cells)
    return putU16(payload, at, runs)
  }

  clear(): void {
    this.cells = 0
    this.cellBytes = 0
    this.runs = 0
  }

  private makeRoom(cellSize: number): void {
    const single = cellSize + TRAILER_BYTES_PER_CELL + TRAILER_COUNTS_BYTES
    const bytes = Math.max(this.usualBytes, single)
    // The room that one large cell took is given back with the next.
    if (this.payload.length !== bytes) this.payload = Buffer.allocUnsafeSlow(bytes)
  }
}

function putU16(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
  return at + 2
}
