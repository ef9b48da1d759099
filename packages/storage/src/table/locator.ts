import { bytesOfWords, wordsOf } from './words'

/**
 * Where the keys of a delete table lie: a hash table with open addressing, which stands in the place
 * of the Bloom filter. It says that a key is not here, or in which block and the how manieth cell
 * there it is; that another key with the same tag is not meant, only the block's bytes tell. Pure.
 *
 * The payload are the slots, u32 each, as many as a power of two; at least a quarter is empty:
 *
 *   0  in an empty slot, else from the highest bit on:
 *      8 bits tag of the key's hash, 16 bits number of the block plus 1, 8 bits number of the cell
 *
 * A key is in the first slot that was empty from its home slot on, and round the end. A loaded payload
 * is used where it lies. @see docs/formats/table.md for how a hash becomes home slot and tag.
 */
export const LOCATOR_BLOCKS_MAX = 0xffff
export const LOCATOR_BLOCK_CELLS_MAX = 0x100

const SLOT_BYTES = 4
const SLOTS_MIN = 2
const TAG_SHIFT = 24
const BLOCK_SHIFT = 8
const CELL_MASK = 0xff
/** Of a slot, without its tag. */
const LOCATION_MASK = 0xff_ffff

/** What `find` returns when no key with such a hash is in the table. */
export const NO_LOCATION = 0

export class KeyLocator {
  private readonly mask: number
  private readonly shift: number

  private constructor(private readonly slots: Uint32Array) {
    this.mask = slots.length - 1
    this.shift = homeShift(slots.length)
  }

  /** @param payload Becomes the locator's own. @returns undefined when it is malformed. */
  static decode(payload: Buffer): KeyLocator | undefined {
    const slots = payload.length / SLOT_BYTES
    // No power of two, or no whole number.
    if (slots < SLOTS_MIN || slots !== 2 ** (31 - Math.clz32(slots))) return undefined
    const words = wordsOf(payload)
    // Without an empty slot searches would go round for ever.
    return words.includes(0) ? new KeyLocator(words) : undefined
  }

  /**
   * The location of the first key whose hash has the same tag: of the key itself in all but a few in
   * a hundred cases.
   * @param hash 0 to 2^52 − 1. @returns a number for `locatedBlock` and `locatedCell`, or NO_LOCATION.
   */
  find(hash: number): number {
    const { mask, slots } = this
    const mixed = mix(hash)
    const tag = tagOf(mixed)
    for (let at = mixed >>> this.shift; ; at = (at + 1) & mask) {
      const slot = slots[at]!
      if (slot === 0) return NO_LOCATION
      if (slot >>> TAG_SHIFT === tag) return slot & LOCATION_MASK
    }
  }
}

export function locatedBlock(location: number): number {
  return (location >>> BLOCK_SHIFT) - 1
}

/** Its number within the block. */
export function locatedCell(location: number): number {
  return location & CELL_MASK
}

/**
 * The payload for a table.
 *
 * @param hashes Of all keys, in their order.
 * @param blockCells How many of them each block has, one after the other.
 * @returns undefined when there are more blocks, or cells in a block, than a slot can name.
 */
export function encodeLocator(hashes: Float64Array, blockCells: Float64Array): Buffer | undefined {
  if (blockCells.length > LOCATOR_BLOCKS_MAX) return undefined
  if (blockCells.some((cells) => cells > LOCATOR_BLOCK_CELLS_MAX)) return undefined
  const slots = new Uint32Array(slotsFor(hashes.length))
  const shift = homeShift(slots.length)
  const mask = slots.length - 1
  let next = 0
  for (let block = 0; block < blockCells.length; block += 1) {
    for (let cell = 0; cell < blockCells[block]!; cell += 1) {
      const mixed = mix(hashes[next]!)
      let at = mixed >>> shift
      while (slots[at] !== 0) at = (at + 1) & mask
      slots[at] = (tagOf(mixed) << TAG_SHIFT) | ((block + 1) << BLOCK_SHIFT) | cell
      next += 1
    }
  }
  return bytesOfWords(slots)
}

/** Three in four slots are in use at most, and more than three in eight. */
function slotsFor(keys: number): number {
  let slots = SLOTS_MIN
  while (slots * 3 < keys * 4) slots *= 2
  return slots
}

/** So far right the mixed hash is shifted for its home slot. */
function homeShift(slots: number): number {
  return Math.clz32(slots) + 1
}

/**
 * 32 bits of a hash, of which the highest make the home slot and the lowest the tag. Keys of a table
 * may share bits of their hashes, those that have chosen the partition, hence the thorough mixing.
 *
 * @see Wellons, "Prospecting for hash functions", 2018: the last lines are its `lowbias32`.
 */
function mix(hash: number): number {
  let mixed = hash ^ Math.imul(hash / 0x1_0000_0000, 0xc2b2ae3d)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return mixed ^ (mixed >>> 16)
}

function tagOf(mixed: number): number {
  return mixed & 0xff
}
