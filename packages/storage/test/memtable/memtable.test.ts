import { KeyedRandom } from '@cassiopeia/env'
import { cellKey, compareStamps, formatStamp, keyHash } from '@cassiopeia/protocol'
import { Arena } from '../../src/memtable/arena'
import { Memtable, NO_SLOT } from '../../src/memtable/memtable'
import { copyCell, describeCells, Model, makeCell, PARTITIONS, testSeeds } from '../support'
import { put } from './memtable-support'

function find(memtable: Memtable, key: string, hash?: number): Buffer | undefined {
  const bytes = Buffer.from(key)
  const slot = memtable.find(hash ?? keyHash(bytes, 0, bytes.length), bytes, 0, bytes.length)
  if (slot === NO_SLOT) return undefined
  return copyCell(memtable.cellOf(slot), memtable.offsetOf(slot))
}

function started(): { arena: Arena; memtable: Memtable } {
  const arena = new Arena()
  return { arena, memtable: new Memtable(arena) }
}

/** The cells of a partition, by following its list. */
function cellsOf(memtable: Memtable, partition: number): Buffer[] {
  const cells: Buffer[] = []
  for (let link = memtable.firstLink(partition); link !== 0; link = memtable.linkAfter(link - 1)) {
    cells.push(copyCell(memtable.cellOf(link - 1), memtable.offsetOf(link - 1)))
  }
  return cells.sort((a, b) => cellKey(a, 0).compare(cellKey(b, 0)))
}

describe('memtable', () => {
  testSeeds('memtable: random cells: as the model (40,000 operations)', 2, async (seed) => {
    const random = new KeyedRandom(seed, 'memtable')
    const { arena, memtable } = started()
    const model = new Model()
    for (let step = 0; step < 40_000; step += 1) {
      const key = `key-${random.below(12_000)}`
      const fields = { key, ms: 1_000 + random.below(10) }
      const cell = random.chance(0.2)
        ? makeCell({ ...fields, tombstone: true })
        : makeCell({ ...fields, value: random.bytes(random.below(30)) })
      const newer = put(arena, memtable, cell)
      const expected = model.write(cell)
      // `expect` at every step would take most of the time.
      if ((newer === NO_SLOT) !== (expected === undefined)) throw new Error(`step ${step} differs`)
      if (step % 50 === 0) {
        const other = `key-${random.below(12_000)}`
        expect(find(memtable, other)).toEqual(model.read(other))
      }
    }
    expect(memtable.keys).toBe(model.cells.size)
    expect(memtable.tombstones).toBe(model.tombstones)
    expect(memtable.cellBytes).toBe(model.cellBytes)
    expect(arena.usedBytes).toBeGreaterThan(model.cellBytes)
    expect(memtable.usedBytes).toBeGreaterThan(arena.usedBytes)
    expect(memtable.bytes).toBeGreaterThan(memtable.usedBytes - arena.usedBytes)
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const cells = cellsOf(memtable, partition)
      expect(describeCells(cells)).toEqual(describeCells(model.scan(partition)))
    }
  })

  test('memtable: grown in advance: no further for those keys, and finds what it has (10,000 keys)', () => {
    const { arena, memtable } = started()
    for (let i = 0; i < 100; i += 1) put(arena, memtable, makeCell({ key: `key-${i}`, ms: 1 }))
    memtable.reserve(10_000)
    const { bytes } = memtable
    memtable.reserve(5_000)
    memtable.prefetch(Float64Array.of(0, 1, 2 ** 52 - 1), 3)
    expect(memtable.bytes).toBe(bytes)
    for (let i = 100; i < 10_000; i += 1) put(arena, memtable, makeCell({ key: `key-${i}`, ms: 1 }))
    // Two pages of slots more, none of buckets.
    expect(memtable.bytes).toBe(bytes + 2 * 4_096 * 5 * 4)
    for (let i = 0; i < 10_000; i += 1) {
      if (find(memtable, `key-${i}`) === undefined) throw new Error(`key-${i} is not found`)
    }
    expect(find(memtable, 'key-10000')).toBeUndefined()
  })

  test('memtable: all keys with one hash: still told apart (300 keys)', () => {
    const { arena, memtable } = started()
    for (let i = 0; i < 300; i += 1) {
      put(arena, memtable, makeCell({ key: `key-${i}`, ms: 1, value: `${i}` }), 42)
    }
    for (let i = 0; i < 300; i += 1) {
      expect(find(memtable, `key-${i}`, 42)).toEqual(
        makeCell({ key: `key-${i}`, ms: 1, value: `${i}` }),
      )
    }
    expect(find(memtable, 'key-300', 42)).toBeUndefined()
  })

  test('memtable: hashes up to 2^52: found again', () => {
    const { arena, memtable } = started()
    const hashes = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 51, 2 ** 52 - 1, 2 ** 52]
    for (const hash of hashes) put(arena, memtable, makeCell({ key: `${hash}`, ms: 1 }), hash)
    for (const hash of hashes) expect(find(memtable, `${hash}`, hash)).toBeDefined()
    expect(memtable.keys).toBe(hashes.length)
  })

  test('memtable: keys that share a prefix or differ in their last byte: told apart', () => {
    const { arena, memtable } = started()
    for (const length of [1, 63, 64, 65, 66, 200]) {
      for (const last of ['a', 'b']) {
        put(arena, memtable, makeCell({ key: 'x'.repeat(length) + last, ms: 1 }), 5)
      }
    }
    expect(memtable.keys).toBe(12)
    expect(find(memtable, `${'x'.repeat(64)}c`, 5)).toBeUndefined()
    expect(find(memtable, `${'x'.repeat(65)}b`, 5)).toBeDefined()
  })

  test('memtable: stamp bounds: of all cells offered, those that were beaten too', () => {
    const { arena, memtable } = started()
    expect(memtable.minStamp()).toBeUndefined()
    expect(memtable.maxStamp()).toBeUndefined()
    expect(memtable.maxStampMs).toBe(-1)
    const given = [
      { key: 'a', ms: 5, counter: 3 },
      { key: 'a', ms: 5, counter: 1 },
      { key: 'b', ms: 5, counter: 9 },
      { key: 'b', ms: 2, counter: 7, tombstone: true },
      { key: 'c', ms: 2, counter: 8 },
    ]
    for (const fields of given) put(arena, memtable, makeCell(fields))
    expect(memtable.maxStampMs).toBe(5)
    expect(formatStamp(memtable.maxStamp()!, 0)).toMatch(/^5-9-/)
    expect(formatStamp(memtable.minStamp()!, 0)).toMatch(/^2-7-/)
  })

  testSeeds('memtable: stamp bounds: as sorting finds them (2,000 cells)', 3, async (seed) => {
    const random = new KeyedRandom(seed, 'bounds')
    const { arena, memtable } = started()
    const stamps: Buffer[] = []
    for (let i = 0; i < 2_000; i += 1) {
      const ms = 1_000_000 + random.below(500)
      const cell = makeCell({ key: `${random.below(50)}`, ms, counter: random.below(3) })
      put(arena, memtable, cell)
      stamps.push(cell.subarray(8, 24))
      if (i % 100 > 0) continue
      stamps.sort((a, b) => compareStamps(a, 0, b, 0))
      expect(memtable.minStamp()).toEqual(stamps[0])
      expect(memtable.maxStamp()).toEqual(stamps.at(-1))
    }
  })

  test('memtable: partitions: far apart, known as they come; none below is made up', () => {
    const { arena, memtable } = started()
    const cell = makeCell({ key: 'key', ms: 1 })
    const offset = arena.append(cell, 0, cell.length)
    memtable.apply(7, 70_000, arena.tailChunk, offset)
    expect(memtable.partitionsEnd).toBeGreaterThan(70_000)
    expect(memtable.firstLink(70_000)).toBe(1)
    expect(memtable.firstLink(69_999)).toBe(0)
    expect(memtable.firstLink(2 ** 23)).toBe(0)
    expect(() => memtable.apply(8, 2 ** 24, arena.tailChunk, offset)).toThrow(/below/)
  })
})

describe('arena', () => {
  test('arena: ranges: all that was appended since the last call, across chunks', () => {
    const arena = new Arena()
    const given: Buffer[] = []
    const taken: Buffer[] = []
    for (let i = 0; i < 50; i += 1) {
      const cell = Buffer.alloc(1 + ((i * 3_701) % 60_000), i)
      given.push(cell)
      const offset = arena.append(cell, 0, cell.length)
      // `toEqual` takes long over many bytes.
      const copy = arena.buffers[arena.tailChunk]!.subarray(offset, offset + cell.length)
      expect(copy.equals(cell)).toBe(true)
      if (i % 7 === 0) taken.push(...arena.takeRanges())
    }
    taken.push(...arena.takeRanges())
    expect(Buffer.concat(taken).equals(Buffer.concat(given))).toBe(true)
    expect(arena.takeRanges()).toEqual([])
    expect(arena.buffers.length).toBeGreaterThan(3)
    const used = arena.buffers.map((_, index) => arena.chunk(index))
    expect(Buffer.concat(used).equals(Buffer.concat(given))).toBe(true)
  })

  test('arena: chunks: double up to their largest, and fit a cell that is larger still', () => {
    const arena = new Arena()
    const piece = Buffer.alloc(64 * 1_024)
    expect(arena.roomBytes).toBe(0)
    for (let i = 0; i < 200; i += 1) arena.append(piece, 0, piece.length)
    const sizes = arena.buffers.map(({ length }) => length / 1_024)
    expect(sizes.slice(0, 8)).toEqual([64, 128, 256, 512, 1_024, 2_048, 4_096, 4_096])
    expect(arena.roomBytes).toBe(arena.bytes - arena.usedBytes)
    const huge = Buffer.alloc(5_000_000, 1)
    expect(arena.append(huge, 0, huge.length)).toBe(0)
    expect(arena.buffers.at(-1)!.length).toBe(huge.length)
    expect(arena.bytes).toBe(arena.buffers.reduce((sum, { length }) => sum + length, 0))
    expect(arena.usedBytes).toBe(200 * piece.length + huge.length)
  })
})
