import { CELL_HEADER_BYTES, cellKeyLength } from '@cassiopeia/protocol'
import { sameBytes } from '../memtable/key-bytes'

/**
 * Reads the payload of a data block, which lies at `bytes[base..base + length)`. Pure.
 *
 *   cells, back to back
 *   for each partition that begins in the block:  u32 partition, u16 its first cell
 *   for each cell:  u16 tag, 16 bits made from the hash of its key
 *   for each cell:  u16 offset in the payload
 *   u16 number of cells, u16 number of partitions
 *
 * A cell larger than a block has one of its own, so that every offset fits. @see docs/formats/table.md
 */
const COUNTS_BYTES = 4
const RUN_BYTES = 6

/** 16 bits of a key's hash, from a mix other than the filter's: see `filter`. */
export function blockTag(hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(hash / 0x1_0000_0000, 0x85ebca77), 0x9e3779b1)
  return mixed >>> 16
}

/** @returns what is wrong with a payload that should have so many cells, in words; or undefined. */
export function blockFault(
  bytes: Buffer,
  base: number,
  length: number,
  cells: number,
): string | undefined {
  const end = base + length
  if (length < COUNTS_BYTES + 4 + RUN_BYTES || bytes.readUInt16BE(end - 4) !== cells) {
    return 'the block has another number of cells'
  }
  const runs = bytes.readUInt16BE(end - 2)
  const fits = COUNTS_BYTES + cells * 4 + runs * RUN_BYTES < length
  return fits && cells > 0 && runs > 0 && runs <= cells ? undefined : 'the block is malformed'
}

/**
 * Where the cell of the key `key[from..to)` begins in `bytes`, or -1. Keys are unique in a table, so
 * that their order does not matter here: the tags are gone through one by one, and few keys compared.
 *
 * @param tag `blockTag` of the key's hash.
 */
export function findInBlock(
  bytes: Buffer,
  base: number,
  length: number,
  tag: number,
  key: Buffer,
  from: number,
  to: number,
): number {
  const counts = base + length - COUNTS_BYTES
  const cells = u16(bytes, counts)
  const offsets = counts - cells * 2
  const high = tag >>> 8
  const low = tag & 0xff
  const keyLength = to - from
  for (let at = offsets - cells * 2; at < offsets; at += 2) {
    if (bytes[at] !== high || bytes[at + 1] !== low) continue
    const cellAt = base + u16(bytes, at + cells * 2)
    if (cellKeyLength(bytes, cellAt) !== keyLength) continue
    if (sameBytes(bytes, cellAt + CELL_HEADER_BYTES, key, from, keyLength)) return cellAt
  }
  return -1
}

/** Where cell number `cell` begins in `bytes`, when its key is `key[from..to)`; else -1. */
export function findCell(
  bytes: Buffer,
  base: number,
  length: number,
  cell: number,
  key: Buffer,
  from: number,
  to: number,
): number {
  const counts = base + length - COUNTS_BYTES
  const cellAt = base + u16(bytes, counts - (u16(bytes, counts) - cell) * 2)
  const keyLength = to - from
  if (cellKeyLength(bytes, cellAt) !== keyLength) return -1
  return sameBytes(bytes, cellAt + CELL_HEADER_BYTES, key, from, keyLength) ? cellAt : -1
}

/** Walks over one block's cells in order. A slot that is filled anew for each block. */
export class BlockReader {
  bytes: Buffer = Buffer.alloc(0)
  cells = 0
  /** The current cell, and where it begins in `bytes`. */
  cell = 0
  at = 0
  partition = 0
  private base = 0
  private offsets = 0
  private runsAt = 0
  private runs = 0
  private run = 0
  /** First cell of the run after the current one. */
  private nextRunCell = 0

  /** Takes a sound payload; stands on its first cell. */
  open(bytes: Buffer, base: number, length: number): void {
    const counts = base + length - COUNTS_BYTES
    this.bytes = bytes
    this.base = base
    this.cells = u16(bytes, counts)
    this.runs = u16(bytes, counts + 2)
    this.offsets = counts - this.cells * 2
    this.runsAt = this.offsets - this.cells * 2 - this.runs * RUN_BYTES
    this.cell = 0
    this.at = this.cellAt(0)
    this.enterRun(0)
  }

  /** Goes to the next cell of the block. @returns false, and stays, when there is none. */
  next(): boolean {
    const cell = this.cell + 1
    if (cell >= this.cells) return false
    this.cell = cell
    this.at = this.cellAt(cell)
    if (cell === this.nextRunCell) this.enterRun(this.run + 1)
    return true
  }

  /** Goes to the first cell above (partition, key). @returns false when the block has none. */
  seekAbove(partition: number, key: Buffer): boolean {
    let run = 0
    while (run < this.runs && this.runPartition(run) < partition) run += 1
    let cell = this.runCell(run)
    if (run < this.runs && this.runPartition(run) === partition) {
      let end = this.runCell(run + 1)
      while (cell < end) {
        const middle = (cell + end) >>> 1
        if (this.keyIsAbove(middle, key)) end = middle
        else cell = middle + 1
      }
      if (cell === this.runCell(run + 1)) run += 1
    }
    if (cell >= this.cells) return false
    this.cell = cell
    this.at = this.cellAt(cell)
    this.enterRun(run)
    return true
  }

  private cellAt(cell: number): number {
    return this.base + u16(this.bytes, this.offsets + cell * 2)
  }

  private keyIsAbove(cell: number, key: Buffer): boolean {
    const from = this.cellAt(cell) + CELL_HEADER_BYTES
    const to = from + cellKeyLength(this.bytes, from - CELL_HEADER_BYTES)
    return key.compare(this.bytes, from, to) < 0
  }

  private enterRun(run: number): void {
    this.run = run
    this.partition = this.runPartition(run)
    this.nextRunCell = this.runCell(run + 1)
  }

  private runPartition(run: number): number {
    return this.bytes.readUInt32BE(this.runsAt + run * RUN_BYTES)
  }

  private runCell(run: number): number {
    return run < this.runs ? u16(this.bytes, this.runsAt + run * RUN_BYTES + 4) : this.cells
  }
}

function u16(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
