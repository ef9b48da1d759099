import {
  CELL_HEADER_BYTES,
  cellKeyLength,
  cellSize,
  isTombstone,
  reconcile,
} from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import type { Arena } from './arena'
import { compareKeys, sameBytes } from './key-bytes'

/** No slot: the key is not there, or the list has ended. */
export const NO_SLOT = -1

/** Words of a slot: five 32-bit numbers. Links hold a slot's number plus one; 0 ends a list. */
const TAG = 0
const CHUNK = 1
const OFFSET = 2
const NEXT_IN_BUCKET = 3
const NEXT_IN_PARTITION = 4
const SLOT_WORDS = 5

/** Slots and buckets lie in pages, so that growing never copies what is there. */
const PAGE_BITS = 12
const PAGE_MASK = (1 << PAGE_BITS) - 1
const BUCKETS_MIN = 1 << PAGE_BITS
const BUCKETS_MAX = 2 ** 31
const PARTITIONS_MAX = 2 ** 24

/**
 * The newest cell of every key: an index over the arena. A key has one slot, which keeps its number
 * for ever; slots hang in a hash table for reading and in one list per partition for scanning.
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
  private readonly slotPages: Uint32Array[] = []
  private readonly bucketPages: Uint32Array[] = [new Uint32Array(BUCKETS_MIN)]
  private buckets = BUCKETS_MIN
  /** One less than the power of two above `buckets`: which bits of a tag choose the bucket. */
  private bucketMask = BUCKETS_MIN * 2 - 1
  private partitionHeads = new Uint32Array(64)

  constructor(private readonly arena: Arena) {}

  /** Memory held by the index. */
  get bytes(): number {
    const pages =
      this.slotPages.length * SLOT_WORDS * BUCKETS_MIN + this.bucketPages.length * BUCKETS_MIN
    return (pages + this.partitionHeads.length) * 4
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
      if (page[at + TAG] === tag) {
        const cell = this.arena.buffers[page[at + CHUNK]!]!
        const offset = page[at + OFFSET]!
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
   * one stands there; whichever loses is retired. An equal one takes the place of the older copy.
   *
   * @returns NO_SLOT when it is now the newest, or the slot of the newer cell.
   */
  apply(hash: number, partition: number, chunk: number, offset: number): number {
    const cell = this.arena.buffers[chunk]!
    const keyAt = offset + CELL_HEADER_BYTES
    const slot = this.find(hash, cell, keyAt, keyAt + cellKeyLength(cell, offset))
    if (slot === NO_SLOT) {
      this.insert(tagOf(hash), partition, chunk, offset)
      this.count(cell, offset, 1)
      return NO_SLOT
    }
    const page = this.slotPages[slot >>> PAGE_BITS]!
    const at = (slot & PAGE_MASK) * SLOT_WORDS
    const oldChunk = page[at + CHUNK]!
    const oldOffset = page[at + OFFSET]!
    const oldCell = this.arena.buffers[oldChunk]!
    if (reconcile(cell, offset, oldCell, oldOffset) < 0) {
      this.arena.retire(chunk, cellSize(cell, offset))
      return slot
    }
    page[at + CHUNK] = chunk
    page[at + OFFSET] = offset
    this.count(oldCell, oldOffset, -1)
    this.count(cell, offset, 1)
    this.arena.retire(oldChunk, cellSize(oldCell, oldOffset))
    return NO_SLOT
  }

  /** The buffer in which the slot's cell lies now, at `offsetOf(slot)`. */
  cellOf(slot: number): Buffer {
    const page = this.slotPages[slot >>> PAGE_BITS]!
    return this.arena.buffers[page[(slot & PAGE_MASK) * SLOT_WORDS + CHUNK]!]!
  }

  /** Whether the slot's cell is the one at `offset` in `chunk`. */
  isAt(slot: number, chunk: number, offset: number): boolean {
    const page = this.slotPages[slot >>> PAGE_BITS]!
    const at = (slot & PAGE_MASK) * SLOT_WORDS
    return page[at + CHUNK] === chunk && page[at + OFFSET] === offset
  }

  offsetOf(slot: number): number {
    const page = this.slotPages[slot >>> PAGE_BITS]!
    return page[(slot & PAGE_MASK) * SLOT_WORDS + OFFSET]!
  }

  /**
   * The slots of a partition whose keys lie above `afterKey`, in the order of their key bytes. They
   * stay valid whatever is written later; keys that come later are not among them.
   */
  slotsOf(partition: number, afterKey: Buffer | undefined): number[] {
    const slots: number[] = []
    let link = this.partitionHeads[partition] ?? 0
    while (link !== 0) {
      const slot = link - 1
      if (afterKey === undefined || this.compareToKey(slot, afterKey) > 0) slots.push(slot)
      const page = this.slotPages[slot >>> PAGE_BITS]!
      link = page[(slot & PAGE_MASK) * SLOT_WORDS + NEXT_IN_PARTITION]!
    }
    return slots.sort((a, b) =>
      compareKeys(this.cellOf(a), this.offsetOf(a), this.cellOf(b), this.offsetOf(b)),
    )
  }

  private compareToKey(slot: number, key: Buffer): number {
    const cell = this.cellOf(slot)
    const from = this.offsetOf(slot) + CELL_HEADER_BYTES
    const to = from + cellKeyLength(cell, from - CELL_HEADER_BYTES)
    return cell.compare(key, 0, key.length, from, to)
  }

  private count(cell: Buffer, offset: number, by: 1 | -1): void {
    this.cellBytes += by * cellSize(cell, offset)
    if (isTombstone(cell, offset)) this.tombstones += by
  }

  private insert(tag: number, partition: number, chunk: number, offset: number): void {
    invariant(partition < PARTITIONS_MAX, `partition ${partition} is below ${PARTITIONS_MAX}`)
    const slot = this.keys
    if (slot >>> PAGE_BITS === this.slotPages.length) {
      this.slotPages.push(new Uint32Array(SLOT_WORDS * BUCKETS_MIN))
    }
    if (partition >= this.partitionHeads.length) this.growPartitions(partition)
    const page = this.slotPages[slot >>> PAGE_BITS]!
    const at = (slot & PAGE_MASK) * SLOT_WORDS
    page[at + TAG] = tag
    page[at + CHUNK] = chunk
    page[at + OFFSET] = offset
    page[at + NEXT_IN_PARTITION] = this.partitionHeads[partition]!
    this.partitionHeads[partition] = slot + 1
    this.hang(slot, page, at, this.bucketOf(tag))
    this.keys += 1
    // Two buckets a key: chains stay short even in the part of the table not yet split.
    while (this.buckets < this.keys * 2 && this.buckets < BUCKETS_MAX) this.splitBucket()
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
      this.bucketPages.push(new Uint32Array(BUCKETS_MIN))
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
      this.hang(slot, page, at, this.bucketOf(page[at + TAG]!))
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
