import type { Clock } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKeyLength } from '@cassiopeia/protocol'
import type { CellStore } from '../store'
import { EntryPage, type EntryParts } from './entry-page'
import { isEmptySpan, type KeySpan, keyBelow } from './key-range'
import { isLive } from './live-value'
import { compareBytes, copyBytes } from './write-bytes'

/** The first page is small, so that a short scan is cheap; each one after it is larger. */
const PAGE_ENTRIES_MIN = 16
const PAGE_ENTRIES_MAX = 4_096
const PAGE_BYTES_MIN = 4 * 1024
const PAGE_BYTES_MAX = 512 * 1024
const PAGE_GROWTH = 4

/** What an iteration gives for each entry, and what it needs of it. */
export interface EntryShape<Item> {
  readonly parts: EntryParts
  readonly itemOf: (page: EntryPage, index: number) => Item
}

export interface KeyValueEntry {
  readonly key: Buffer
  readonly value: Buffer
  readonly partition: number
}

export const ENTRIES: EntryShape<KeyValueEntry> = Object.freeze({
  parts: { key: true, value: true },
  itemOf: (page: EntryPage, index: number) => ({
    key: page.key(index),
    value: page.value(index),
    partition: page.partition(index),
  }),
})

export const KEYS: EntryShape<Buffer> = Object.freeze({
  parts: { key: true, value: false },
  itemOf: (page: EntryPage, index: number) => page.key(index),
})

export const VALUES: EntryShape<Buffer> = Object.freeze({
  parts: { key: false, value: true },
  itemOf: (page: EntryPage, index: number) => page.value(index),
})

const DONE: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })

/**
 * Walks over the entries of a span in the order (partition, key). It copies a page of them out of a
 * scan, gives them one by one, and goes on above the last one; it holds nothing in the store between
 * pages. From the second page on the next one is fetched while this one is given. What is written
 * meanwhile is seen as it was, or as it is.
 *
 * The Buffers given are the caller's own, but those of one page share its memory (up to 512 KiB):
 * copy what is kept for long.
 *
 * Written by hand: an async generator costs several promises for each entry.
 */
export class EntryIterator<Item> implements AsyncIterableIterator<Item, undefined> {
  private page: EntryPage
  /** Takes the page after that. */
  private spare: EntryPage
  /** The next entry of the page to give. */
  private index = 0
  private pageEntries = PAGE_ENTRIES_MIN
  private pageBytes = PAGE_BYTES_MIN
  /** Where the next scan begins. */
  private partition: number
  private afterKey: Buffer | undefined
  private readonly beforeLower: Buffer | undefined
  /** Entries that may be given yet, beside those of the page. */
  private left: number
  private isDone: boolean
  /** The loading of the spare page, and the turning to it that somebody waits for. */
  private ahead: Promise<void> | undefined
  private turning: Promise<void> | undefined
  private pages = 0
  private isLeft = false
  /** Why the scan was stopped: the partition has no more, or the page is full. */
  private sawEnd = false
  private isFull = false

  constructor(
    private readonly cells: CellStore,
    private readonly clock: Clock,
    private readonly span: KeySpan,
    private readonly shape: EntryShape<Item>,
  ) {
    this.page = new EntryPage(shape.parts)
    this.spare = new EntryPage(shape.parts)
    this.beforeLower = span.lower && keyBelow(span.lower)
    this.partition = span.firstPartition
    this.afterKey = this.beforeLower
    this.left = span.limit
    this.isDone = isEmptySpan(span)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @throws CassioError CASSIO_CORRUPT, CASSIO_STORAGE, CASSIO_CLOSED; afterwards it is at its end. */
  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.index < this.page.count) {
      const value = this.shape.itemOf(this.page, this.index)
      this.index += 1
      return Promise.resolve({ done: false, value })
    }
    if (this.ahead === undefined) {
      if (this.isDone) return Promise.resolve(DONE)
      this.ahead = this.load(this.spare)
    }
    if (this.isLeft) return Promise.resolve(DONE)
    this.turning ??= this.turn(this.ahead)
    return this.turning.then(this.afterTurning)
  }

  /** Ends early and lets go of the page. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.end()
    this.isLeft = true
    this.index = 0
    this.page.clear()
    return Promise.resolve(DONE)
  }

  private readonly afterTurning = () => this.next()

  /** Goes to the page that is being loaded, and has the next one loaded. */
  private async turn(ahead: Promise<void>): Promise<void> {
    try {
      await ahead
    } catch (error) {
      this.page.clear()
      throw error
    } finally {
      this.ahead = undefined
      this.turning = undefined
      this.index = 0
    }
    if (this.isLeft) return
    const { page } = this
    this.page = this.spare
    this.spare = page
    this.pages += 1
    if (this.isDone || this.pages === 1) return
    this.ahead = this.load(this.spare)
    // Whoever comes to its end is told.
    this.ahead.catch(() => {})
  }

  private end(): void {
    this.isDone = true
    this.left = 0
  }

  /** Fills a page with at least one entry, or comes to the end. */
  private async load(page: EntryPage): Promise<void> {
    page.restart(Math.min(this.pageEntries, this.left), this.pageBytes)
    this.pageEntries = Math.min(this.pageEntries * PAGE_GROWTH, PAGE_ENTRIES_MAX)
    this.pageBytes = Math.min(this.pageBytes * PAGE_GROWTH, PAGE_BYTES_MAX)
    this.isFull = false
    try {
      while (!this.isFull && !this.isDone) await this.scanOn()
    } catch (error) {
      this.end()
      throw error
    }
    this.left -= page.count
    if (this.left <= 0) this.end()
  }

  /** One scan: of the partition, or of all that are left where no bound has to be found in each. */
  private async scanOn(): Promise<void> {
    const { lastPartition, lower } = this.span
    const to = lower === undefined ? lastPartition : this.partition
    this.sawEnd = false
    await this.cells.scan(this.partition, to, this.afterKey, this.visit)
    if (this.isFull) return
    this.partition = this.sawEnd ? this.partition + 1 : to + 1
    this.afterKey = this.beforeLower
    if (this.partition > lastPartition) this.end()
  }

  private readonly visit = (cell: Buffer, at: number, partition: number): boolean => {
    if (this.isDone) return false
    const { lower, upper } = this.span
    const from = at + CELL_HEADER_BYTES
    const to = from + cellKeyLength(cell, at)
    if (upper !== undefined && compareBytes(cell, from, to, upper) >= 0) {
      this.partition = partition
      this.sawEnd = true
      return false
    }
    if (lower !== undefined && compareBytes(cell, from, to, lower) < 0) return true
    if (!isLive(cell, at, this.clock) || this.spare.add(cell, at, partition)) return true
    this.partition = partition
    this.afterKey = copyBytes(cell, from, to)
    this.isFull = true
    return false
  }
}
