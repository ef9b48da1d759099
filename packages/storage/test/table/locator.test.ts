import { KeyedRandom } from '@cassiopeia/env'
import { keyHash } from '@cassiopeia/protocol'
import {
  encodeLocator,
  KeyLocator,
  LOCATOR_BLOCK_CELLS_MAX,
  LOCATOR_BLOCKS_MAX,
  locatedBlock,
  locatedCell,
  NO_LOCATION,
} from '../../src/table/locator'
import { testSeeds } from '../support'

const TAGS = 256

const keyRoom = Buffer.alloc(100)

function hashOf(text: string): number {
  return keyHash(keyRoom, 0, keyRoom.write(text))
}

function hashesOf(count: number, text: (i: number) => string): Float64Array {
  const hashes = new Float64Array(count)
  for (let i = 0; i < count; i += 1) hashes[i] = hashOf(text(i))
  return hashes
}

function encode(hashes: Float64Array, blockCells: readonly number[]): Buffer {
  return encodeLocator(hashes, Float64Array.from(blockCells))!
}

/** Blocks of `each` cells and a last one with the rest. */
function blocksOf(cells: number, each: number): number[] {
  const blocks = Array.from({ length: Math.floor(cells / each) }, () => each)
  return cells % each === 0 ? blocks : [...blocks, cells % each]
}

/** The slots that a search for an absent key looks at, on average and at most. */
function probesOf(payload: Buffer): { slots: number; mean: number; most: number } {
  const slots = payload.length / 4
  let start = 0
  while (payload.readUInt32BE(start * 4) !== 0) start += 1
  let sum = 0
  let most = 0
  let row = 0
  // From an empty slot backwards and round: so many used ones follow each slot until an empty one.
  for (let i = 0; i < slots; i += 1) {
    const at = start >= i ? start - i : start - i + slots
    row = payload.readUInt32BE(at * 4) === 0 ? 0 : row + 1
    sum += row + 1
    most = Math.max(most, row + 1)
  }
  return { slots, mean: sum / slots, most }
}

/** As Knuth has it for linear probing, `The Art of Computer Programming` 6.4, with random hashes. */
function expectedProbes(load: number): number {
  return (1 + 1 / (1 - load) ** 2) / 2
}

describe('locator', () => {
  testSeeds('locator: random keys: each where it lies, or another before it', 10, async (seed) => {
    const random = new KeyedRandom(seed, 'keys')
    const blockCells: number[] = []
    const places: [number, number][] = []
    for (let block = 0; block < 1 + random.below(200); block += 1) {
      const cells = 1 + random.below(random.chance(0.1) ? LOCATOR_BLOCK_CELLS_MAX : 40)
      blockCells.push(cells)
      for (let cell = 0; cell < cells; cell += 1) places.push([block, cell])
    }
    const hashes = hashesOf(places.length, (i) => `${seed} ${i}`)
    const payload = encode(hashes, blockCells)
    // Where it lies in memory makes no difference.
    const shift = random.below(8)
    const moved = Buffer.concat([Buffer.alloc(shift), payload]).subarray(shift)
    const locator = KeyLocator.decode(moved)!
    let others = 0
    places.forEach(([block, cell], i) => {
      const location = locator.find(hashes[i]!)
      expect(location).not.toBe(NO_LOCATION)
      if (locatedBlock(location) !== block || locatedCell(location) !== cell) others += 1
    })
    expect(others).toBeLessThanOrEqual(3 + places.length * 0.03)
  })

  test.each([
    ['the most blocks', blocksOf(LOCATOR_BLOCKS_MAX, 1), true],
    ['a block more', blocksOf(LOCATOR_BLOCKS_MAX + 1, 1), false],
    ['the most cells in a block', [3, LOCATOR_BLOCK_CELLS_MAX, 2], true],
    ['a cell more', [3, LOCATOR_BLOCK_CELLS_MAX + 1, 2], false],
  ])('locator: %s: fits (%#)', (_, blockCells, fits) => {
    const cells = blockCells.reduce((sum, each) => sum + each, 0)
    const hashes = hashesOf(cells, (i) => `key ${i}`)
    const payload = encodeLocator(hashes, Float64Array.from(blockCells))
    expect(payload !== undefined).toBe(fits)
    if (payload === undefined) return
    const slots = new Set<number>()
    for (let at = 0; at < payload.length; at += 4) slots.add(payload.readUInt32BE(at) & 0xff_ffff)
    slots.delete(NO_LOCATION)
    const named = [...slots].sort((a, b) => a - b)
    const places = named.map((location) => [locatedBlock(location), locatedCell(location)])
    const expected = blockCells.flatMap((count, block) =>
      Array.from({ length: count }, (__, cell) => [block, cell]),
    )
    expect(JSON.stringify(places)).toBe(JSON.stringify(expected))
  })

  // Exactly three quarters of the slots, as many as may be used; then a million keys.
  test.each([
    ['user:', 98_304, 0.75],
    ['key:00000000000', 98_304, 0.75],
    ['', 98_304, 0.75],
    ['user:', 1_000_000, 0.477],
  ])(
    'locator: keys that begin with "%s": spread as by chance (%d keys, load %d)',
    (prefix, keys, load) => {
      const payload = encode(
        hashesOf(keys, (i) => `${prefix}${i * 10}`),
        blocksOf(keys, 80),
      )
      const { slots, mean, most } = probesOf(payload)
      expect(keys / slots).toBeCloseTo(load, 3)
      expect(mean / expectedProbes(load)).toBeGreaterThan(0.95)
      expect(mean / expectedProbes(load)).toBeLessThan(1.05)
      expect(most).toBeLessThan(load > 0.7 ? 500 : 120)
      const locator = KeyLocator.decode(payload)!
      let passed = 0
      const tries = 100_000
      for (let i = 0; i < tries; i += 1) {
        if (locator.find(hashOf(`${prefix}${i * 10 + 1}`)) !== NO_LOCATION) passed += 1
      }
      const expected = (expectedProbes(load) - 1) / TAGS
      expect(passed / tries / expected).toBeGreaterThan(0.85)
      expect(passed / tries / expected).toBeLessThan(1.15)
    },
  )

  test.each<[string, (hash: number) => boolean]>([
    ['the low bits', (hash) => hash % 16 === 3],
    ['bits of the high word', (hash) => Math.floor(hash / 2 ** 32) % 16 === 3],
    ['the highest bits', (hash) => hash < 2 ** 48],
  ])('locator: keys of one partition, which share %s: spread all the same', (_, isIn) => {
    const all = hashesOf(400_000, (i) => `user:${i}`)
    // Again three quarters of the slots.
    const hashes = all.filter(isIn).subarray(0, 24_576)
    const { slots, mean } = probesOf(encode(hashes, blocksOf(hashes.length, 80)))
    const ratio = mean / expectedProbes(hashes.length / slots)
    expect(ratio).toBeGreaterThan(0.9)
    expect(ratio).toBeLessThan(1.1)
  })

  test('locator: its bytes: those that docs/formats/table.md shows', () => {
    const hashes = Float64Array.from(['a', 'b', 'c'], hashOf)
    expect(encode(hashes, [2, 1]).toString('hex')).toBe('bc000101b40002000000000024000100')
  })

  test('locator: slot and tag of a key: those of the formulas in docs/formats/table.md', () => {
    const word = 2n ** 32n
    for (let i = 0; i < 200; i += 1) {
      const hash = hashOf(`key ${i}`)
      // One key has 2 slots: the highest bit is its home.
      const payload = encode(Float64Array.of(hash), [1])
      const low = BigInt(hash) % word
      const high = BigInt(hash) / word
      let m = low ^ ((high * 0xc2b2ae3dn) % word)
      m = ((m ^ (m >> 16n)) * 0x7feb352dn) % word
      m = ((m ^ (m >> 15n)) * 0x846ca68bn) % word
      m ^= m >> 16n
      const expected = Buffer.alloc(8)
      expected.writeUInt32BE(Number((m % 256n) * 2n ** 24n + 256n), Number(m >> 31n) * 4)
      expect(payload.toString('hex')).toBe(expected.toString('hex'))
    }
  })

  test('locator: keys with one hash: in a row, round the end', () => {
    const payloadOf = (hash: number) => encode(Float64Array.of(hash, hash, hash), [1, 2])
    const locationsOf = (payload: Buffer) =>
      [0, 4, 8, 12].map((at) => payload.readUInt32BE(at) & 0xff_ffff)
    // One whose home is the last slot.
    const hash = hashesOf(100, (i) => `key ${i}`).find(
      (each) => locationsOf(payloadOf(each))[3] === 0x100,
    )!
    expect(locationsOf(payloadOf(hash))).toEqual([0x200, 0x201, 0, 0x100])
    expect(KeyLocator.decode(payloadOf(hash))!.find(hash)).toBe(0x100)
  })

  test('locator: malformed payloads: refused', () => {
    const payload = encode(
      hashesOf(20, (i) => `key ${i}`),
      [20],
    )
    expect(payload.length).toBe(4 * 32)
    expect(KeyLocator.decode(Buffer.from(payload))).toBeDefined()
    for (let length = 0; length < payload.length; length += 1) {
      // A half of it has as many slots as some locator, and is refused only without an empty one.
      if ([8, 16, 32, 64].includes(length)) continue
      expect(KeyLocator.decode(Buffer.from(payload.subarray(0, length)))).toBeUndefined()
    }
    expect(KeyLocator.decode(Buffer.alloc(128, 1))).toBeUndefined()
  })
})
