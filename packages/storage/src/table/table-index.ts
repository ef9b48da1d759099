import type { Place } from './place'
import { Separators } from './separators'
import { wordsOf } from './words'

/**
 * A table's sparse index: for each data block its position and a separator, the shortest place that
 * is above all cells of the block before and not above its own first. Pure. The payload:
 *
 *   0  u32  blocks
 *   4  u32  bytes of separator keys
 *   8  u32  for each block: its position in the file; then where the last one ends
 *      u32  for each block: the partition of its separator
 *      u32  for each block: where the key of its separator ends, among all those keys
 *      the keys of the separators
 *      the first cell's place, then the last one's: u32 partition, u16 key length, key
 *
 * The first separator, and the first of each partition that begins with a block, has an empty key. A
 * loaded payload is used where it lies: its numbers are only turned into the host's byte order, and
 * `Separators` makes what searches need beside it.
 */
const INDEX_HEADER_BYTES = 8
const PLACE_HEADER_BYTES = 6

export class TableIndex {
  private constructor(
    /** One more than there are blocks. */
    private readonly positions: Uint32Array,
    private readonly separators: Separators,
    readonly first: Place,
    readonly last: Place,
  ) {}

  /** @param payload Becomes the index's own. @returns undefined when it is malformed. */
  static decode(payload: Buffer): TableIndex | undefined {
    if (payload.length < INDEX_HEADER_BYTES) return undefined
    const blocks = payload.readUInt32BE(0)
    const keysAt = INDEX_HEADER_BYTES + 4 * (3 * blocks + 1)
    const firstAt = keysAt + payload.readUInt32BE(4)
    if (blocks === 0 || firstAt + 2 * PLACE_HEADER_BYTES > payload.length) return undefined
    const lastAt = firstAt + placeBytes(payload, firstAt)
    if (lastAt + PLACE_HEADER_BYTES > payload.length) return undefined
    if (lastAt + placeBytes(payload, lastAt) !== payload.length) return undefined
    const words = wordsOf(payload.subarray(INDEX_HEADER_BYTES, keysAt))
    const positions = words.subarray(0, blocks + 1)
    const partitions = words.subarray(blocks + 1, 2 * blocks + 1)
    const keyEnds = words.subarray(2 * blocks + 1)
    const keys = payload.subarray(keysAt, firstAt)
    const first = decodePlace(payload, firstAt)
    const last = decodePlace(payload, lastAt)
    return new TableIndex(positions, new Separators(partitions, keyEnds, keys), first, last)
  }

  get blocks(): number {
    return this.positions.length - 1
  }

  /** Memory that it takes beside its payload. */
  get extraBytes(): number {
    return this.separators.bytes
  }

  /** Where the block's frame begins; for `blocks`, where the last one ends. */
  position(block: number): number {
    return this.positions[block]!
  }

  /** Bytes of the block's frame. */
  bytesOf(block: number): number {
    return this.positions[block + 1]! - this.positions[block]!
  }

  /** The one block that may hold (partition, key); -1 when that is below the first cell's partition. */
  find(partition: number, key: Buffer, from: number, to: number): number {
    return this.separators.find(partition, key, from, to)
  }
}

/** Gathers an index while its table is written. */
export class TableIndexBuilder {
  blocks = 0
  private positions = new Uint32Array(64)
  private partitions = new Uint32Array(64)
  private keyEnds = new Uint32Array(64)
  private keys = Buffer.allocUnsafeSlow(1024)
  private keyBytes = 0

  /** Bytes of the payload so far, without the first and the last place. */
  get bytes(): number {
    return INDEX_HEADER_BYTES + 4 * (3 * this.blocks + 1) + this.keyBytes
  }

  /** Takes the next block; `key[from..to)` is the key of its separator, which is copied. */
  add(position: number, partition: number, key: Buffer, from: number, to: number): void {
    const { blocks } = this
    if (blocks === this.positions.length) {
      this.positions = doubled(this.positions)
      this.partitions = doubled(this.partitions)
      this.keyEnds = doubled(this.keyEnds)
    }
    while (this.keyBytes + to - from > this.keys.length) {
      this.keys = Buffer.concat([this.keys], this.keys.length * 2)
    }
    this.keyBytes += key.copy(this.keys, this.keyBytes, from, to)
    this.positions[blocks] = position
    this.partitions[blocks] = partition
    this.keyEnds[blocks] = this.keyBytes
    this.blocks = blocks + 1
  }

  /** Begins anew. */
  clear(): void {
    this.blocks = 0
    this.keyBytes = 0
  }

  /** @param end Where the last block ends. @returns the payload. */
  encode(end: number, first: Place, last: Place): Buffer {
    const { blocks } = this
    const words = Buffer.alloc(INDEX_HEADER_BYTES + 4 * (3 * blocks + 1))
    let at = words.writeUInt32BE(blocks, 0)
    at = words.writeUInt32BE(this.keyBytes, at)
    for (let i = 0; i < blocks; i += 1) at = words.writeUInt32BE(this.positions[i]!, at)
    at = words.writeUInt32BE(end, at)
    for (let i = 0; i < blocks; i += 1) at = words.writeUInt32BE(this.partitions[i]!, at)
    for (let i = 0; i < blocks; i += 1) at = words.writeUInt32BE(this.keyEnds[i]!, at)
    const keys = this.keys.subarray(0, this.keyBytes)
    return Buffer.concat([words, keys, encodePlace(first), encodePlace(last)])
  }
}

function doubled(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words.length * 2)
  larger.set(words)
  return larger
}

function encodePlace(place: Place): Buffer {
  const header = Buffer.alloc(PLACE_HEADER_BYTES)
  header.writeUInt32BE(place.partition, 0)
  header.writeUInt16BE(place.key.length, 4)
  return Buffer.concat([header, place.key])
}

function placeBytes(bytes: Buffer, at: number): number {
  return PLACE_HEADER_BYTES + bytes.readUInt16BE(at + 4)
}

/** The key is a copy. */
function decodePlace(bytes: Buffer, at: number): Place {
  const key = bytes.subarray(at + PLACE_HEADER_BYTES, at + placeBytes(bytes, at))
  return { partition: bytes.readUInt32BE(at), key: Buffer.from(key) }
}
