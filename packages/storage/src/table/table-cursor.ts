import type { Disk, DiskFile } from '@cassiopeia/env'
import type { TableRef } from '../jobs/job'
import type { CellCursor } from '../merge/cell-cursor'
import { BlockReader } from './block'
import { corruption } from './damage'
import type { TableLayout } from './format'
import { comparePlaces, type Place } from './place'
import { ReadAhead } from './read-ahead'
import { OpenedBlock, openTableFile, readIndex } from './table-file'
import type { TableIndex } from './table-index'

const NO_CHUNK = Buffer.alloc(0)

/** What it works with once its file is open. */
interface Source {
  readonly file: DiskFile
  readonly layout: TableLayout
  readonly index: TableIndex
}

/**
 * Walks over the cells of one table in order, through a file handle of its own. Reads in chunks, as
 * `ReadAhead` says, and checks each block when it comes to it, so that damage is met at the cell that
 * it hides and not before.
 *
 * Besides what `CellCursor` says, `advance` throws CASSIO_CORRUPT too.
 */
export class TableCursor implements CellCursor {
  ended = true
  private readonly reader = new BlockReader()
  private readonly opened = new OpenedBlock()
  private source: Source | undefined
  private closed = false
  /** The block that `reader` stands in, and the blocks that `chunk` holds: `from` up to, not with, `to`. */
  private block = 0
  private chunk: Buffer = NO_CHUNK
  private chunkFrom = 0
  private chunkTo = 0

  /**
   * @param ref Its cells up to and with `after` do not exist.
   * @param readAhead For this cursor alone until it is closed.
   */
  constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly ref: TableRef,
    private readonly readAhead: ReadAhead = new ReadAhead(),
  ) {}

  get buffer(): Buffer {
    return this.reader.bytes
  }

  get at(): number {
    return this.reader.at
  }

  get partition(): number {
    return this.reader.partition
  }

  async seek(after: Place | undefined): Promise<void> {
    const { index } = await this.open()
    const from = later(after, this.ref.after)
    this.ended = from !== undefined && comparePlaces(from, index.last) >= 0
    if (this.ended) return
    const { partition, key } = from ?? index.first
    const block = from === undefined ? 0 : Math.max(0, index.find(partition, key, 0, key.length))
    if (block < this.chunkFrom || block >= this.chunkTo) {
      // The first reading may continue that of another cursor.
      if (this.chunkTo > 0) this.readAhead.restart()
      await this.readChunk(block)
    }
    this.enter(block)
    // The separator says that the first cell above is in this block, or is the next one's first.
    if (from !== undefined && !this.reader.seekAbove(partition, key) && !this.enterNext()) {
      await this.load()
    }
  }

  advance(): boolean {
    return this.reader.next() || this.enterNext()
  }

  async load(): Promise<void> {
    await this.readChunk(this.block + 1)
    this.enter(this.block + 1)
  }

  async close(): Promise<void> {
    this.closed = true
    this.ended = true
    this.chunk = NO_CHUNK
    this.chunkTo = this.chunkFrom
    const { source } = this
    this.source = undefined
    await source?.file.close()
  }

  /** @returns false when the next block must be read first. */
  private enterNext(): boolean {
    const next = this.block + 1
    if (next === this.source!.index.blocks) {
      this.ended = true
      return true
    }
    if (next >= this.chunkTo) return false
    this.enter(next)
    return true
  }

  /** Stands on the first cell of a block that the chunk holds. */
  private enter(block: number): void {
    const { index, layout } = this.source!
    const position = index.position(block)
    const from = position - index.position(this.chunkFrom)
    const to = from + index.bytesOf(block)
    const fault = this.opened.open(this.chunk, from, to, layout.seed, position)
    if (fault !== undefined) throw this.damaged(position, to - from, fault)
    this.block = block
    this.reader.open(this.opened.bytes, this.opened.base, this.opened.length)
  }

  private async readChunk(from: number): Promise<void> {
    const { file, index } = this.source!
    const at = index.position(from)
    const wanted = this.readAhead.wantedBytes
    let to = from + 1
    while (to < index.blocks && index.position(to + 1) - at <= wanted) to += 1
    const bytes = index.position(to) - at
    this.chunkTo = this.chunkFrom
    this.chunk = this.readAhead.take(bytes)
    const filled = await file.read(this.chunk, at)
    if (filled < bytes) throw this.damaged(at + filled, bytes - filled, 'the file ends early')
    this.chunkFrom = from
    this.chunkTo = to
  }

  private async open(): Promise<Source> {
    if (this.source !== undefined) return this.source
    if (this.closed) throw new Error(`the cursor over ${this.path} is closed`)
    const { info } = this.ref
    const { file, layout, damage } = await openTableFile(this.disk, this.path, info)
    if (damage !== undefined) throw corruption(this.path, damage)
    try {
      const index = await readIndex(file, layout)
      if (typeof index === 'string') throw this.damaged(layout.indexAt, layout.indexBytes, index)
      this.source = { file, layout, index }
      return this.source
    } catch (error) {
      await file.close()
      throw error
    }
  }

  private damaged(at: number, bytes: number, what: string): Error {
    return corruption(this.path, { table: this.ref.info.number, at, bytes, what })
  }
}

function later(a: Place | undefined, b: Place | undefined): Place | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return comparePlaces(a, b) < 0 ? b : a
}
