import type { Disk, DiskFile } from '@cassiopeia/env'
import { invariant } from '../invariant'
import type { TableDamage } from '../jobs/job'
import { blockTag, findCell, findInBlock } from './block'
import { type BlockCache, type CacheOwner, META_PIECE } from './block-cache'
import type { KeyFilter } from './filter'
import type { TableLayout } from './format'
import { KeyLocator, locatedBlock, locatedCell, NO_LOCATION } from './locator'
import { comparePlaces, type Place } from './place'
import { TableCursor } from './table-cursor'
import { OpenedBlock, openFilter, openIndex, openTableFile } from './table-file'
import type { TableIndex } from './table-index'
import { type TableInfo, TableKind } from './table-info'

/** What `find` returns when it has no cell. */
export const Find = Object.freeze({
  /** The table does not hold the key. */
  absent: -1,
  /** Something must be loaded, by `loadSync` or `load`; then ask again. */
  load: -2,
  /** Where the key would be is damaged, so nobody can say. */
  damaged: -3,
})

export interface LoadWaiter {
  /**
   * What `find` wanted is there, or known to be damaged: ask again at once, as others may evict it.
   * With an error, which is the disk's own, nothing has changed. Must not throw.
   */
  onLoaded(error: Error | undefined): void
}

interface FileRange {
  readonly at: number
  readonly bytes: number
}

/**
 * Rounds that pieces stay in the cache without a hit; those of the delete log stay for one more. A
 * block earns them hit by hit, so that blocks that were wanted once go before those that are hot.
 */
const BLOCK_CHANCES = 2
const META_CHANCES = 2
const NO_ENTRY = -1
const NOTE_BYTES = 4

/**
 * A table opened for point reads, through the store's cache. What it holds in memory are one number
 * for each block and its open file; filter or locator, index and blocks are loaded when a lookup wants
 * them.
 *
 * Damage is met where it lies: a damaged block hides its own cells, a damaged filter or locator none,
 * a damaged index or footer all of the table. Each piece is reported once, and not read again.
 */
export class Table implements CacheOwner {
  /** Where `find` has found its cell: valid until the next call into any table or the cache. */
  block: Buffer = Buffer.alloc(0)
  private file: DiskFile | undefined
  private layout: TableLayout | undefined
  private opening: Promise<void> | undefined
  /** One of the two at most. */
  private filter: KeyFilter | undefined
  private locator: KeyLocator | undefined
  private index: TableIndex | undefined
  private metaEntry = NO_ENTRY
  /** The cache's entry of each block. */
  private readonly entries: Int32Array
  private readonly opened = new OpenedBlock()
  private readonly firstChances: number
  private readonly blockChances: number
  private readonly metaChances: number
  /** The piece that the last `find` missed. */
  private wanted = META_PIECE
  private readonly loads = new Map<number, LoadWaiter[]>()
  private loading = 0
  private users = 1
  private fencedWhole = false
  private filterLost = false
  private readonly fenced: FileRange[] = []

  /** @param onDamage Told once of each damaged piece, also of those that `fence` names. */
  constructor(
    readonly info: TableInfo,
    readonly path: string,
    private readonly disk: Disk,
    private readonly cache: BlockCache,
    private readonly onDamage: (damage: TableDamage) => void,
  ) {
    this.firstChances = info.kind === TableKind.tombstones ? 1 : 0
    this.blockChances = BLOCK_CHANCES + this.firstChances
    this.metaChances = META_CHANCES + this.firstChances
    this.entries = new Int32Array(info.blocks).fill(NO_ENTRY)
    cache.addNotes(info.blocks * NOTE_BYTES)
  }

  /**
   * Opens the file and checks that it is the table that `info` describes; when not, all of it is
   * fenced off. Idempotent. @throws the disk's own errors.
   */
  open(): Promise<void> {
    this.opening ??= this.openFile()
    return this.opening
  }

  /**
   * Looks for the cell of the key `key[from..to)`, tombstones and expired cells included.
   * @returns where it begins in `block`, 0 or more, or one of `Find`. The table must be open.
   */
  find(partition: number, hash: number, key: Buffer, from: number, to: number): number {
    const { cache, filter, index, locator } = this
    if (index === undefined) return this.findWithoutIndex(partition, key, from, to)
    cache.chances[this.metaEntry] = this.metaChances
    if (locator !== undefined) {
      const location = locator.find(hash)
      if (location === NO_LOCATION) return this.noteAbsent()
      const at = this.findLocated(location, key, from, to)
      if (at >= 0) return at
    } else if (filter !== undefined && !filter.has(hash)) return this.noteAbsent()
    const block = index.find(partition, key, from, to)
    if (block < 0) return this.noteAbsent()
    const entry = this.entries[block]!
    if (entry === NO_ENTRY) return this.missBlock(block)
    this.noteHit(entry)
    const bytes = cache.buffers[entry]!
    const base = cache.bases[entry]!
    const at = findInBlock(bytes, base, cache.lengths[entry]!, blockTag(hash), key, from, to)
    this.block = bytes
    if (at < 0 && (filter ?? locator) !== undefined) cache.filterMisleads += 1
    return at
  }

  /** Loads what the last `find` missed, while the event loop waits. @throws the disk's own errors. */
  loadSync(): void {
    const piece = this.wanted
    const file = this.fileToRead()
    const { at, bytes } = this.rangeOf(piece)
    const frame = this.roomFor(piece, bytes)
    this.loading += 1
    try {
      this.take(piece, at, frame, file.readSync(frame, at))
    } finally {
      this.giveBack(piece, frame)
      this.loading -= 1
    }
  }

  /** The same, without waiting. Loads of one piece are one read. Keeps the table open meanwhile. */
  load(waiter: LoadWaiter): void {
    const piece = this.wanted
    const waiting = this.loads.get(piece)
    if (waiting !== undefined) {
      waiting.push(waiter)
      return
    }
    const file = this.fileToRead()
    const { at, bytes } = this.rangeOf(piece)
    const frame = this.roomFor(piece, bytes)
    this.loads.set(piece, [waiter])
    this.retain()
    this.loading += 1
    file.read(frame, at).then(
      (filled) => {
        this.take(piece, at, frame, filled)
        this.endLoad(piece, frame, undefined)
      },
      (error: Error) => this.endLoad(piece, frame, error),
    )
  }

  /** Takes note of damage that a cursor or `verifyTable` has met in this table, which must be open. */
  fence(damage: TableDamage): void {
    const { at, bytes } = damage
    if (this.fenced.some((known) => known.at === at && known.bytes === bytes)) return
    this.fenced.push({ at, bytes })
    const { layout } = this
    if (layout === undefined || at + bytes > layout.indexAt) this.fencedWhole = true
    else if (at + bytes > layout.filterAt) this.filterLost = true
    if (this.fencedWhole) this.dropMeta()
    else if (this.filterLost) this.forgetFilter()
    this.dropBlocks()
    this.onDamage(damage)
  }

  /** A cursor over the table, above `after`. It has a file handle of its own. */
  cursor(after?: Place): TableCursor {
    return new TableCursor(this.disk, this.path, { info: this.info, after })
  }

  retain(): void {
    this.users += 1
  }

  /** Undoes one `retain`, or the making. The last one closes the file and empties the cache. */
  release(): void {
    this.users -= 1
    invariant(this.users >= 0, `table ${this.info.number} was released too often`)
    if (this.users > 0) return
    this.dropMeta()
    this.dropBlocks()
    this.cache.addNotes(-this.info.blocks * NOTE_BYTES)
    const { file } = this
    this.file = undefined
    // Nothing was written through it, so that a failure to close it loses nothing.
    file?.close().catch(() => {})
  }

  /** For the cache alone. */
  get pinned(): boolean {
    return this.loading > 0
  }

  /** For the cache alone. */
  onEvicted(piece: number): void {
    if (piece === META_PIECE) this.forgetMeta()
    else this.entries[piece] = NO_ENTRY
  }

  private async openFile(): Promise<void> {
    try {
      const { file, layout, damage } = await openTableFile(this.disk, this.path, this.info)
      if (damage !== undefined) this.fence(damage)
      else if (this.users === 0) await file.close()
      else {
        this.file = file
        this.layout = layout
      }
    } catch (error) {
      this.opening = undefined
      throw error
    }
  }

  /**
   * Where the cell is that the locator names, when it is loaded and has the key. Otherwise the index
   * decides, so that which block is wanted depends on the key alone: a lookup that wanted first one
   * block, then another one, might in a small cache go on so for ever.
   */
  private findLocated(location: number, key: Buffer, from: number, to: number): number {
    const { cache } = this
    const entry = this.entries[locatedBlock(location)]!
    if (entry === NO_ENTRY) return Find.absent
    const bytes = cache.buffers[entry]!
    const base = cache.bases[entry]!
    const cell = locatedCell(location)
    const at = findCell(bytes, base, cache.lengths[entry]!, cell, key, from, to)
    if (at < 0) return Find.absent
    this.noteHit(entry)
    this.block = bytes
    return at
  }

  private noteAbsent(): number {
    this.cache.lookups += 1
    return Find.absent
  }

  private noteHit(entry: number): void {
    const { cache } = this
    const chances = cache.chances[entry]!
    if (chances < this.blockChances) cache.chances[entry] = chances + 1
    cache.hits += 1
    cache.lookups += 1
  }

  private findWithoutIndex(partition: number, key: Buffer, from: number, to: number): number {
    if (!this.fencedWhole) {
      this.wanted = META_PIECE
      return Find.load
    }
    const { first, last } = this.info
    const place = { partition, key: key.subarray(from, to) }
    const isWithin = comparePlaces(first, place) <= 0 && comparePlaces(place, last) <= 0
    return isWithin ? Find.damaged : Find.absent
  }

  private missBlock(block: number): number {
    if (this.fenced.length > 0 && this.isFenced(this.rangeOf(block))) return Find.damaged
    this.wanted = block
    // The lookup comes again, and is then no hit.
    this.cache.hits -= 1
    return Find.load
  }

  private isFenced({ at, bytes }: FileRange): boolean {
    return this.fenced.some((range) => range.at < at + bytes && at < range.at + range.bytes)
  }

  private fileToRead(): DiskFile {
    invariant(this.file !== undefined, `table ${this.info.number} is read while it is not open`)
    return this.file
  }

  private rangeOf(piece: number): FileRange {
    if (piece !== META_PIECE) {
      return { at: this.index!.position(piece), bytes: this.index!.bytesOf(piece) }
    }
    const { filterAt, filterBytes, indexBytes } = this.layout!
    return { at: filterAt, bytes: filterBytes + indexBytes }
  }

  private roomFor(piece: number, bytes: number): Buffer {
    // The filter and the index stay where they are read.
    return piece === META_PIECE ? Buffer.allocUnsafeSlow(bytes) : this.cache.scratch.take(bytes)
  }

  /** Puts in its place what was read, unless a synchronous load was quicker. */
  private take(piece: number, at: number, frame: Buffer, filled: number): void {
    if (piece === META_PIECE) {
      if (this.index === undefined && !this.fencedWhole) this.takeMeta(frame, filled)
    } else if (this.entries[piece] === NO_ENTRY && !this.isFenced({ at, bytes: frame.length })) {
      this.takeBlock(piece, at, frame, filled)
    }
  }

  private takeBlock(block: number, at: number, frame: Buffer, filled: number): void {
    const { cache, opened } = this
    cache.reads += 1
    const { length } = frame
    const fault =
      filled < length ? 'the file ends early' : opened.open(frame, 0, length, this.layout!.seed, at)
    if (fault !== undefined) {
      this.fenceRange(at, length, fault)
      return
    }
    const { bytes, base } = opened
    const owned = bytes !== frame || !cache.scratch.isPooled(frame)
    const entry = cache.addBlock(this, block, this.firstChances, bytes, base, opened.length, owned)
    this.entries[block] = entry
  }

  private takeMeta(frame: Buffer, filled: number): void {
    const layout = this.layout!
    const { filterAt, filterBytes, indexAt, indexBytes } = layout
    const index =
      filled < frame.length ? 'the file ends early' : openIndex(frame.subarray(filterBytes), layout)
    if (typeof index === 'string') {
      this.fenceRange(indexAt, indexBytes, index)
      return
    }
    if (filterBytes > 0 && !this.filterLost) {
      const filter = openFilter(frame.subarray(0, filterBytes), layout)
      if (typeof filter === 'string') this.fenceRange(filterAt, filterBytes, filter)
      else if (filter instanceof KeyLocator) this.locator = filter
      else this.filter = filter
    }
    this.index = index
    const memory = indexBytes + index.extraBytes
    this.metaEntry = this.cache.addMeta(this, this.metaChances, filterBytes, memory)
  }

  private fenceRange(at: number, bytes: number, what: string): void {
    this.fence({ table: this.info.number, at, bytes, what })
  }

  private endLoad(piece: number, frame: Buffer, error: Error | undefined): void {
    const waiters = this.loads.get(piece)!
    this.loads.delete(piece)
    this.giveBack(piece, frame)
    for (const waiter of waiters) waiter.onLoaded(error)
    this.loading -= 1
    this.release()
  }

  /** Filter or locator and index go on living in the frame that they were read into. */
  private giveBack(piece: number, frame: Buffer): void {
    if (piece !== META_PIECE) this.cache.scratch.give(frame)
  }

  private dropMeta(): void {
    if (this.metaEntry !== NO_ENTRY) this.cache.remove(this.metaEntry)
    this.forgetMeta()
  }

  private forgetMeta(): void {
    this.metaEntry = NO_ENTRY
    this.forgetFilter()
    this.index = undefined
  }

  private forgetFilter(): void {
    this.filter = undefined
    this.locator = undefined
  }

  private dropBlocks(): void {
    const { entries } = this
    for (let block = 0; block < entries.length; block += 1) {
      if (entries[block] !== NO_ENTRY) this.cache.remove(entries[block]!)
    }
    entries.fill(NO_ENTRY)
  }
}
