import { CELL_HEADER_BYTES, cellKeyLength, cellSize } from '@cassiopeia/protocol'
import type { MemtableImage } from '../jobs/job'
import { PAGE_BITS, SLOT_CHUNK, SLOT_NEXT, SLOT_OFFSET, SLOT_WORDS } from '../memtable/memtable'
import { KeySorter } from './sort-keys'

const PAGE_MASK = (1 << PAGE_BITS) - 1

/**
 * The cells of a memtable image in the order (partition, key). Stands at the first cell, if there is
 * one; the cells stay where they are in the image's chunks. Pure, and all at once: it sorts some
 * millions of cells in a second, and is meant for a worker.
 */
export class SortedEntries {
  readonly count: number
  private readonly chunks: readonly Buffer[]
  private readonly order: Uint32Array
  private readonly chunkOf: Uint32Array
  /** Where the keys begin: a cell's header lies before its key. */
  private readonly keysAt: Uint32Array
  /** Pairs: a partition that has cells, and how many cells it and all before it have. */
  private readonly partitions: number[] = []
  private index = 0
  private partitionIndex = 0

  constructor(image: MemtableImage) {
    this.count = image.keys
    this.chunks = image.chunks.map((chunk) =>
      Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
    )
    this.order = new Uint32Array(image.keys)
    this.chunkOf = new Uint32Array(image.keys)
    this.keysAt = new Uint32Array(image.keys)
    const lengths = new Uint16Array(image.keys)
    const partitionMax = this.collect(image, lengths)
    const places = {
      buffers: this.chunks,
      bufferOf: this.chunkOf,
      starts: this.keysAt,
      lengths,
    }
    const sorter = new KeySorter(places, partitionMax)
    for (let i = 0, from = 0; i < this.partitions.length; i += 2) {
      const to = this.partitions[i + 1]!
      sorter.sort(this.order, from, to)
      from = to
    }
  }

  /** No cell, or no cell left: the fields below mean nothing then. */
  get ended(): boolean {
    return this.index >= this.count
  }

  get buffer(): Buffer {
    return this.chunks[this.chunkOf[this.order[this.index]!]!]!
  }

  get at(): number {
    return this.keysAt[this.order[this.index]!]! - CELL_HEADER_BYTES
  }

  get size(): number {
    return cellSize(this.buffer, this.at)
  }

  get partition(): number {
    return this.partitions[this.partitionIndex]!
  }

  advance(): void {
    this.index += 1
    if (this.index >= this.partitions[this.partitionIndex + 1]!) this.partitionIndex += 2
  }

  /** Follows the lists of all partitions. @returns the most cells that one of them has. */
  private collect(image: MemtableImage, lengths: Uint16Array): number {
    const { partitionHeads, slotPages } = image
    let entry = 0
    let most = 0
    for (let partition = 0; partition < partitionHeads.length; partition += 1) {
      const from = entry
      let link = partitionHeads[partition]!
      while (link !== 0) {
        const slot = link - 1
        const page = slotPages[slot >>> PAGE_BITS]!
        const word = (slot & PAGE_MASK) * SLOT_WORDS
        const chunk = page[word + SLOT_CHUNK]!
        const offset = page[word + SLOT_OFFSET]!
        this.order[entry] = entry
        this.chunkOf[entry] = chunk
        this.keysAt[entry] = offset + CELL_HEADER_BYTES
        lengths[entry] = cellKeyLength(this.chunks[chunk]!, offset)
        entry += 1
        link = page[word + SLOT_NEXT]!
      }
      if (entry > from) this.partitions.push(partition, entry)
      if (entry - from > most) most = entry - from
    }
    return most
  }
}
