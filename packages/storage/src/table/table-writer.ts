import type { Disk, DiskFile } from '@cassiopeia/env'
import {
  CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellExpiryMs,
  cellFlags,
  cellKeyLength,
  compareStamps,
  deflateBlock,
  STAMP_BYTES,
  STAMP_MS_MAX,
  stampMs,
} from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import { syncFile } from '../sync-file'
import type { BlockBuilder } from './block-builder'
import { KeyFilter } from './filter'
import {
  BlockKind,
  Codec,
  encodeFooter,
  encodeHeader,
  FOOTER_BYTES,
  FRAME_HEADER_BYTES,
  footerCrc,
  headerSeed,
  sealFrame,
  TABLE_BYTES_MAX,
  type TableLayout,
} from './format'
import { encodeLocator } from './locator'
import type { NumberList } from './number-list'
import { OutputBuffer } from './output-buffer'
import { copyKey, type Place } from './place'
import type { TableIndexBuilder } from './table-index'
import { type TableInfo, TableKind, type TableSettings, tableName } from './table-info'
import { WriterMemory, type WriterTools } from './writer-memory'

/** From here on the caller should `drain`. */
const DRAIN_BYTES = 1024 * 1024
/** A block is stored compressed when that saves at least one byte in so many. */
const SAVING_WORTH_WHILE = 8

/**
 * Writes one table, cell by cell in order. `BlockBuilder` lays out the blocks, `OutputBuffer` gathers
 * them for the disk, `TableIndexBuilder` and `KeyFilter`, or for the delete log `encodeLocator`, make
 * what is written behind them.
 *
 * Errors are the disk's own; after one only `abandon` is of use. A sync that fails rejects with an
 * error of the code 'ESYNC', the disk's as its cause: nobody knows any more what the disk holds.
 */
export class TableWriter {
  cells = 0
  private readonly builder: BlockBuilder
  private readonly index: TableIndexBuilder
  private readonly output: OutputBuffer
  private readonly hashes: NumberList
  private readonly blockCells: NumberList
  private readonly expiries: NumberList
  private readonly seed: number
  /** Where the block that is being built will begin. */
  private position: number
  private cellBytes = 0
  private first: Place | undefined
  private lastPartition = 0
  private readonly minStamp = Buffer.alloc(STAMP_BYTES, 0xff)
  private readonly maxStamp = Buffer.alloc(STAMP_BYTES)
  /** Milliseconds of the two. */
  private minMs = STAMP_MS_MAX
  private maxMs = 0

  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly file: DiskFile,
    private readonly number: number,
    private readonly kind: TableKind,
    createdMs: number,
    private readonly settings: TableSettings,
    private readonly memory: WriterMemory,
    private readonly tools: WriterTools,
  ) {
    this.builder = tools.builder
    this.index = tools.index
    this.hashes = tools.hashes
    this.blockCells = tools.blockCells
    this.expiries = tools.expiries
    this.output = new OutputBuffer(memory.chunks)
    const header = encodeHeader({ kind, number, createdMs })
    this.seed = headerSeed(header)
    this.output.push(header)
    this.position = header.length
  }

  /**
   * Begins the table's file, which must not exist, in `directory`.
   * @param memory Shared with the writers before and after it, for the same settings.
   */
  static async create(
    disk: Disk,
    directory: string,
    number: number,
    kind: TableKind,
    createdMs: number,
    settings: TableSettings,
    memory: WriterMemory = new WriterMemory(settings.blockBytes),
  ): Promise<TableWriter> {
    const path = `${directory}/${tableName(number)}`
    const file = await disk.open(path, 'create')
    const tools = memory.take()
    return new TableWriter(disk, path, file, number, kind, createdMs, settings, memory, tools)
  }

  /** Of the file so far; the filter or locator and the index come on top. */
  get bytes(): number {
    return this.position + this.builder.cellBytes
  }

  /** Whether so much waits in memory that the caller should `drain` before the next cell. */
  get wantsDrain(): boolean {
    return this.output.finishedBytes >= DRAIN_BYTES
  }

  /**
   * Takes the sound cell of `size` bytes at `cell[at]`, which is copied. It must be above all cells
   * before it, by partition and then by key.
   *
   * @param hash `keyHash` of its key.
   */
  add(partition: number, hash: number, cell: Buffer, at: number, size: number): void {
    const { builder } = this
    const keyAt = at + CELL_HEADER_BYTES
    const keyEnd = keyAt + cellKeyLength(cell, at)
    if (this.cells === 0) this.begin(partition, cell, keyAt, keyEnd)
    // Of its first key as much as tells it from the key before; nothing in a new partition.
    let separatorEnd = keyAt
    if (partition !== this.lastPartition) {
      if (partition < this.lastPartition) this.refuseOrder()
    } else if (this.cells > 0) {
      separatorEnd += this.sharedBytes(cell, keyAt, keyEnd) + 1
    }
    if (!builder.fits(size)) this.cut()
    if (builder.cells === 0) this.index.add(this.position, partition, cell, keyAt, separatorEnd)
    builder.add(partition, hash, cell, at, size)
    this.note(hash, cell, at)
    this.lastPartition = partition
    this.cellBytes += size
    this.cells += 1
  }

  /** Writes what is finished. One at a time; cells may be added meanwhile. */
  drain(): Promise<void> {
    return this.output.drainTo(this.file)
  }

  /**
   * Writes the rest, syncs and closes; the writer is of no use afterwards. The caller syncs the
   * directory. There must be a cell.
   * @returns what the manifest needs to know.
   */
  async finish(): Promise<TableInfo> {
    const { first, output } = this
    invariant(first !== undefined, 'a table holds at least one cell')
    this.cut()
    const dataEnd = this.position
    const filterBytes = this.pushFilter()
    const indexAt = this.position
    const last = this.last()
    this.pushBlock(BlockKind.index, [this.index.encode(dataEnd, first, last)])
    const layout: TableLayout = {
      seed: this.seed,
      filterAt: dataEnd,
      filterBytes,
      indexAt,
      indexBytes: this.position - indexAt,
    }
    const facts = {
      number: this.number,
      kind: this.kind,
      bytes: this.position + FOOTER_BYTES,
      blocks: this.index.blocks,
      cells: this.cells,
      cellBytes: this.cellBytes,
      minStamp: this.minStamp,
      maxStamp: this.maxStamp,
      halfExpiredMs: halfExpired(this.expiries.view(), this.cells),
    }
    invariant(facts.bytes <= TABLE_BYTES_MAX, `table ${this.number} has outgrown its positions`)
    const footer = encodeFooter(facts, layout)
    output.push(footer)
    await output.flushTo(this.file)
    this.memory.give(this.tools)
    await syncFile(this.file)
    await this.file.close()
    return { ...facts, first, last, footerCrc: footerCrc(footer) }
  }

  /** Gives the table up: closes and removes the file as far as the disk lets it. */
  async abandon(): Promise<void> {
    try {
      await this.file.close()
      await this.disk.unlink(this.path)
    } catch {
      // The next recovery finds a file that no manifest names, and removes it.
    }
  }

  private begin(partition: number, cell: Buffer, keyAt: number, keyEnd: number): void {
    this.first = { partition, key: copyKey(cell, keyAt, keyEnd) }
  }

  /** How many bytes the key shares with the one before it, which must be below it. */
  private sharedBytes(cell: Buffer, keyAt: number, keyEnd: number): number {
    const { payload, lastAt } = this.builder
    const lastKeyAt = lastAt + CELL_HEADER_BYTES
    const lastLength = cellKeyLength(payload, lastAt)
    const length = Math.min(lastLength, keyEnd - keyAt)
    let i = 0
    while (i < length && payload[lastKeyAt + i] === cell[keyAt + i]) i += 1
    const isAbove =
      i < length ? payload[lastKeyAt + i]! < cell[keyAt + i]! : lastLength < keyEnd - keyAt
    if (!isAbove) this.refuseOrder()
    return i
  }

  private refuseOrder(): never {
    throw new CassioError(
      'CASSIO_INTERNAL',
      `broken invariant: cell ${this.cells} of table ${this.number} is not above the one before it`,
    )
  }

  /** What `TableInfo` and the filter or locator say of the cell. */
  private note(hash: number, cell: Buffer, at: number): void {
    // Most stamps lie between the two, as their milliseconds alone tell.
    const stampAt = at + CELL_STAMP_AT
    const ms = stampMs(cell, stampAt)
    if (ms <= this.minMs && compareStamps(cell, stampAt, this.minStamp, 0) < 0) {
      cell.copy(this.minStamp, 0, stampAt, stampAt + STAMP_BYTES)
      this.minMs = ms
    }
    if (ms >= this.maxMs && compareStamps(cell, stampAt, this.maxStamp, 0) > 0) {
      cell.copy(this.maxStamp, 0, stampAt, stampAt + STAMP_BYTES)
      this.maxMs = ms
    }
    if ((cellFlags(cell, at) & CellFlag.expires) !== 0) this.expiries.push(cellExpiryMs(cell, at))
    if (this.settings.filterBitsPerKey > 0) this.hashes.push(hash)
  }

  /** Ends the block. The cells stay readable in the builder until the next one. */
  private cut(): void {
    const { builder } = this
    const payload = builder.payload.subarray(0, builder.finish())
    this.pushBlock(BlockKind.data, [payload], builder.cells)
    this.blockCells.push(builder.cells)
    builder.clear()
  }

  /** @returns the size of the frame; 0 when there shall be none. */
  private pushFilter(): number {
    const { filterBitsPerKey } = this.settings
    if (filterBitsPerKey === 0) return 0
    const locator = this.locator()
    if (locator !== undefined) return this.pushBlock(BlockKind.locator, [locator])
    const filter = KeyFilter.sized(this.cells, filterBitsPerKey)
    for (const hash of this.hashes.view()) filter.add(hash)
    return this.pushBlock(BlockKind.filter, filter.encode())
  }

  private locator(): Buffer | undefined {
    if (this.kind !== TableKind.tombstones) return undefined
    return encodeLocator(this.hashes.view(), this.blockCells.view())
  }

  /** @returns the size of the frame. */
  private pushBlock(kind: BlockKind, payload: readonly Buffer[], cells = 0): number {
    const payloadBytes = payload.reduce((sum, part) => sum + part.length, 0)
    const compressed = kind === BlockKind.data ? this.compressed(payload[0]!) : undefined
    const codec = compressed === undefined ? Codec.none : Codec.deflate
    const stored = compressed === undefined ? payload : [compressed]
    const storedBytes = compressed?.length ?? payloadBytes
    const { position } = this
    const frame = this.output.reserve(FRAME_HEADER_BYTES + storedBytes)
    let at = FRAME_HEADER_BYTES
    for (const part of stored) at += part.copy(frame, at)
    sealFrame(frame, this.seed, { position, payloadBytes, codec, kind, cells })
    this.position = position + frame.length
    return frame.length
  }

  /** @returns undefined when compression is off or not worth its while. */
  private compressed(payload: Buffer): Buffer | undefined {
    if (this.settings.compression === 'none') return undefined
    const stored = deflateBlock(payload)
    const worthwhile = stored.length <= payload.length - payload.length / SAVING_WORTH_WHILE
    return worthwhile ? stored : undefined
  }

  private last(): Place {
    const { payload, lastAt } = this.builder
    const keyAt = lastAt + CELL_HEADER_BYTES
    const key = copyKey(payload, keyAt, keyAt + cellKeyLength(payload, lastAt))
    return { partition: this.lastPartition, key }
  }
}

/** When half of so many cells, or more, will have expired; 0 for never. Sorts `expiries`. */
function halfExpired(expiries: Float64Array, cells: number): number {
  const half = Math.ceil(cells / 2)
  return expiries.length < half ? 0 : expiries.sort()[half - 1]!
}
