import {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellKeyLength,
  cellSize,
  compareStamps,
  isTombstone,
  reconcile,
  STAMP_BYTES,
  stampMs,
} from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import type { Arena } from './arena'
import { ChunkPool } from './chunk-pool'
import { sameBytes } from './key-bytes'

/** No slot: the key is not there, or the list has ended. */
export const NO_SLOT = -1

/** Words of a slot: five 32-bit numbers. Links hold a slot's number plus one; 0 ends a list. */
const SLOT_TAG = 0
export const SLOT_CHUNK = 1
export const SLOT_OFFSET = 2
const NEXT_IN_BUCKET = 3
export const SLOT_NEXT = 4
export const SLOT_WORDS = 5

/** Slots and buckets lie in pages, so that growing never copies what is there. */
export const PAGE_BITS = 12
const PAGE_MASK = (1 << PAGE_BITS) - 1
const BUCKETS_MIN = 1 << PAGE_BITS
const BUCKETS_MAX = 2 ** 31
const BUCKETS_PER_KEY = 2
const PARTITIONS_MAX = 2 ** 24

/**
 * The newest cell of every key written since the memtable was begun: an index over its arena. A key
 * has one slot, which keeps its number; slots hang in a hash table for reading and in one list per
 * partition for scanning and flushing.
 *
 * The table is Litwin's linear hashing: it grows by splitting one bucket at a time, so no write ever
 * waits for a table to be rehashed. Pure; nothing is allocated per operation.
 *
 * @see Litwin, "Linear Hashing: A New Tool for File and Table Addressing", VLDB 1980.
 */
export class Memtable {
  keys = 0
  tombstones = 0
  /** Bytes of the newest cell of every key. */
  cellBytes = 0
  /** Milliseconds of the largest stamp of any cell that was offered; -1 when there was none. */
  maxStampMs = -1
  /** Where the cells with the smallest and the largest stamp lie. */
  private minChunk = 0
  private minOffset = 0
  private maxChunk = 0
  private maxOffset = 0
  private minStampMs = Number.POSITIVE_INFINITY
  private readonly slotPages: Uint32Array[] = []
  private readonly bucketPages: Uint32Array[]
  private buckets = BUCKETS_MIN
  /** One less than the power of two above `buckets`: which bits of a tag choose the bucket. */
  private bucketMask = BUCKETS_MIN * 2 - 1
  private partitionHeads = new Uint32Array(64)
  /** Nobody needs it, but a look whose result is kept is not optimised away. */
  prefetched = 0

  /** @param pool Where its memory comes from, and goes with `release`. */
  constructor(
    private readonly arena: Arena,
    private readonly pool = new ChunkPool(0),
  ) {
    this.bucketPages = [this.newBuckets()]
  }

  /** Bytes of cells and of their index in use: what counts against the size of a memtable. */
  get usedBytes(): number {
    return this.arena.usedBytes + this.keys * (SLOT_WORDS + BUCKETS_PER_KEY) * 4
  }

  /** Memory held by the index. */
  get bytes(): number {
    const pages =
      this.slotPages.length * SLOT_WORDS * BUCKETS_MIN + this.bucketPages.length * BUCKETS_MIN
    return (pages + this.partitionHeads.length) * 4
  }

  /** Grows the index for so many keys: at no cost while it is empty. */
  reserve(keys: number): void {
    // Two buckets a key: chains stay short even in the part of the table not yet split.
    const buckets = Math.min(keys * BUCKETS_PER_KEY, BUCKETS_MAX)
    while (this.buckets < buckets) this.splitBucket()
  }

  /**
   * Looks at the buckets of the first `count` hashes, so that they are in the processor's cache when
   * `apply` comes to them: these looks wait for memory all at once, and not one after the other.
   */
  prefetch(hashes: Float64Array, count: number): void {
    let links = 0
    for (let i = 0; i < count; i += 1) {
      const bucket = this.bucketOf(tagOf(hashes[i]!))
      links ^= this.bucketPages[bucket >>> PAGE_BITS]![bucket & PAGE_MASK]!
    }
    this.prefetched = links
  }

  /** @returns the slot of the key `key[from..to)`, or NO_SLOT. */
  find(hash: number, key: Buffer, from: number, to: number): number {
    const tag = tagOf(hash)
    const bucket = this.bucketOf(tag)
    let link = this.bucketPages[bucket >>> PAGE_BITS]![bucket & PAGE_MASK]!
    while (link !== 0) {
      const slot = link - 1
      const page = this.slotPages[slot >>> PAGE_BITS]!
      const at = (slot & PAGE_MASK) * SLOT_WORDS
      if (page[at + SLOT_TAG] === tag) {
        const cell = this.arena.buffers[page[at + SLOT_CHUNK]!]!
        const offset = page[at + SLOT_OFFSET]!
        if (
          cellKeyLength(cell, offset) === to - from &&
          sameBytes(cell, offset + CELL_HEADER_BYTES, key, from, to - from)
        ) {
          return slot
        }
      }
      link = page[at + NEXT_IN_BUCKET]!
    }
    return NO_SLOT
  }

  /**
   * Offers the cell at `offset` in `chunk` of the arena. It becomes its key's newest unless a newer
   * one stands there. An equal one takes the place of the older copy.
   *
   * @returns NO_SLOT when it is now the newest, or the slot of the newer cell.
   */
  apply(hash: number, partition: number, chunk: number, offset: number): number {
    const cell = this.arena.buffers[chunk]!
    this.noteStamp(cell, chunk, offset)
    const keyAt = offset + CELL_HEADER_BYTES
    const slot = this.find(hash, cell, keyAt, keyAt + cellKeyLength(cell, offset))
    if (slot === NO_SLOT) {
      this.insert(tagOf(hash), partition, chunk, offset)
      this.count(cell, offset, 1)
      return NO_SLOT
    }
    const page = this.slotPages[slot >>> PAGE_BITS]!
    const at = (slot & PAGE_MASK) * SLOT_WORDS
    const oldChunk = page[at + SLOT_CHUNK]!
    const oldOffset = page[at + SLOT_OFFSET]!
    const oldCell = this.arena.buffers[oldChunk]!
    if (reconcile(cell, offset, oldCell, oldOffset) < 0) return slot
    page[at + SLOT_CHUNK] = chunk
    page[at + SLOT_OFFSET] = offset
    this.count(oldCell, oldOffset, -1)
    this.count(cell, offset, 1)
    return NO_SLOT
  }

  /** The buffer in which the slot's cell lies now, at `offsetOf(slot)`. */
  cellOf(slot: number): Buffer {
    const page = this.slotPages[slot >>> PAGE_BITS]!
    return this.arena.buffers[page[(slot & PAGE_MASK) * SLOT_WORDS + SLOT_CHUNK]!]!
  }

  offsetOf(slot: number): number {
    const page = this.slotPages[slot >>> PAGE_BITS]!
    return page[(slot & PAGE_MASK) * SLOT_WORDS + SLOT_OFFSET]!
  }

  /** The largest stamp of any cell that was offered: 16 bytes, a view; undefined without cells. */
  maxStamp(): Buffer | undefined {
    return this.stampAt(this.maxChunk, this.maxOffset)
  }

  /** The smallest, likewise. */
  minStamp(): Buffer | undefined {
    return this.stampAt(this.minChunk, this.minOffset)
  }

  /** Partitions are below this. */
  get partitionsEnd(): number {
    return this.partitionHeads.length
  }

  /** The link to the slot of a partition that was made last; 0 when it has none. */
  firstLink(partition: number): number {
    return this.partitionHeads[partition] ?? 0
  }

  /** The link to the slot that its partition had before; 0 at the end. */
  linkAfter(slot: number): number {
    return this.slotPages[slot >>> PAGE_BITS]![(slot & PAGE_MASK) * SLOT_WORDS + SLOT_NEXT]!
  }

  /** The pages of the slots and the heads of the partitions' lists: they belong to the memtable. */
  get pages(): { readonly slots: readonly Uint32Array[]; readonly heads: Uint32Array } {
    return { slots: this.slotPages, heads: this.partitionHeads }
  }

  /** Gives the memory of the index back: it may not be used any more. */
  release(): void {
    for (const { buffer } of this.slotPages) this.pool.give(buffer as ArrayBuffer)
    for (const { buffer } of this.bucketPages) this.pool.give(buffer as ArrayBuffer)
    this.slotPages.length = 0
    this.bucketPages.length = 0
  }

  private newBuckets(): Uint32Array {
    return new Uint32Array(this.pool.take(BUCKETS_MIN * 4)).fill(0)
  }

  private stampAt(chunk: number, offset: number): Buffer | undefined {
    if (this.maxStampMs < 0) return undefined
    const at = offset + CELL_STAMP_AT
    return this.arena.buffers[chunk]!.subarray(at, at + STAMP_BYTES)
  }

  private noteStamp(cell: Buffer, chunk: number, offset: number): void {
    const at = offset + CELL_STAMP_AT
    const ms = stampMs(cell, at)
    const { buffers } = this.arena
    if (
      ms > this.maxStampMs ||
      (ms === this.maxStampMs &&
        compareStamps(cell, at, buffers[this.maxChunk]!, this.maxOffset + CELL_STAMP_AT) > 0)
    ) {
      this.maxStampMs = ms
      this.maxChunk = chunk
      this.maxOffset = offset
    }
    if (
      ms < this.minStampMs ||
      (ms === this.minStampMs &&
        compareStamps(cell, at, buffers[this.minChunk]!, this.minOffset + CELL_STAMP_AT) < 0)
    ) {
      this.minStampMs = ms
      this.minChunk = chunk
      this.minOffset = offset
    }
  }

  private count(cell: Buffer, offset: number, by: 1 | -1): void {
    this.cellBytes += by * cellSize(cell, offset)
    if (isTombstone(cell, offset)) this.tombstones += by
  }

  private insert(tag: number, partition: number, chunk: number, offset: number): void {
    invariant(partition < PARTITIONS_MAX, `partition ${partition} is below ${PARTITIONS_MAX}`)
    const slot = this.keys
    if (slot >>> PAGE_BITS === this.slotPages.length) {
      this.slotPages.push(new Uint32Array(this.pool.take(SLOT_WORDS * BUCKETS_MIN * 4)))
    }
    if (partition >= this.partitionHeads.length) this.growPartitions(partition)
    const page = this.slotPages[slot >>> PAGE_BITS]!
    const at = (slot & PAGE_MASK) * SLOT_WORDS
    page[at + SLOT_TAG] = tag
    page[at + SLOT_CHUNK] = chunk
    page[at + SLOT_OFFSET] = offset
    page[at + SLOT_NEXT] = this.partitionHeads[partition]!
    this.partitionHeads[partition] = slot + 1
    this.hang(slot, page, at, this.bucketOf(tag))
    this.keys += 1
    this.reserve(this.keys)
  }

  private bucketOf(tag: number): number {
    const bucket = tag & this.bucketMask
    return bucket < this.buckets ? bucket : bucket & (this.bucketMask >>> 1)
  }

  private hang(slot: number, page: Uint32Array, at: number, bucket: number): void {
    const bucketPage = this.bucketPages[bucket >>> PAGE_BITS]!
    page[at + NEXT_IN_BUCKET] = bucketPage[bucket & PAGE_MASK]!
    bucketPage[bucket & PAGE_MASK] = slot + 1
  }

  /** Adds one bucket and deals out between it and its sibling what hung in the sibling. */
  private splitBucket(): void {
    if (this.buckets > this.bucketMask) this.bucketMask = this.bucketMask * 2 + 1
    const added = this.buckets
    const sibling = added & (this.bucketMask >>> 1)
    if (added >>> PAGE_BITS === this.bucketPages.length) {
      this.bucketPages.push(this.newBuckets())
    }
    const siblingPage = this.bucketPages[sibling >>> PAGE_BITS]!
    let link = siblingPage[sibling & PAGE_MASK]!
    siblingPage[sibling & PAGE_MASK] = 0
    this.buckets += 1
    while (link !== 0) {
      const slot = link - 1
      const page = this.slotPages[slot >>> PAGE_BITS]!
      const at = (slot & PAGE_MASK) * SLOT_WORDS
      link = page[at + NEXT_IN_BUCKET]!
      this.hang(slot, page, at, this.bucketOf(page[at + SLOT_TAG]!))
    }
  }

  private growPartitions(partition: number): void {
    const heads = new Uint32Array(2 ** Math.ceil(Math.log2(partition + 1)))
    heads.set(this.partitionHeads)
    this.partitionHeads = heads
  }
}

/** 32 well-mixed bits of a 52-bit hash: its low bits alone may be weak, as with FNV. */
function tagOf(hash: number): number {
  const low = hash | 0
  const high = (hash / 2 ** 32) | 0
  let tag = low ^ Math.imul(high, 0x9e3779b1)
  tag = Math.imul(tag ^ (tag >>> 16), 0x85ebca6b)
  tag = Math.imul(tag ^ (tag >>> 13), 0xc2b2ae35)
  return (tag ^ (tag >>> 16)) >>> 0
}
