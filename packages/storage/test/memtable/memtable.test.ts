import { KeyedRandom } from '@cassiopeia/env'
import { cellKey } from '@cassiopeia/protocol'
import { Arena } from '../../src/memtable/arena'
import { Memtable, NO_SLOT } from '../../src/memtable/memtable'
import {
  copyCell,
  describeCells,
  keyHash,
  Model,
  makeCell,
  PARTITIONS,
  partitionOf,
  testSeeds,
} from '../support'

function put(arena: Arena, memtable: Memtable, cell: Buffer, hash = hashOf(cell)): number {
  const offset = arena.append(cell, 0, cell.length)
  return memtable.apply(hash, partitionOf(hash), arena.tailChunk, offset)
}

function hashOf(cell: Buffer): number {
  const key = cellKey(cell, 0)
  return keyHash(key, 0, key.length)
}

function find(memtable: Memtable, key: string, hash?: number): Buffer | undefined {
  const bytes = Buffer.from(key)
  const slot = memtable.find(hash ?? keyHash(bytes, 0, bytes.length), bytes, 0, bytes.length)
  if (slot === NO_SLOT) return undefined
  return copyCell(memtable.cellOf(slot), memtable.offsetOf(slot))
}

function started(chunkBytes: number): { arena: Arena; memtable: Memtable } {
  const arena = new Arena(chunkBytes)
  arena.startSegment(1)
  return { arena, memtable: new Memtable(arena) }
}

describe('memtable', () => {
  testSeeds('memtable: random cells: as the model (40,000 operations)', 2, async (seed) => {
    const random = new KeyedRandom(seed, 'memtable')
    const { arena, memtable } = started(10_000)
    arena.startSegment(2)
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
    // What is not current has been retired, all of it and once.
    expect(arena.liveBytes).toBe(model.cellBytes)
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const cells = memtable
        .slotsOf(partition, undefined)
        .map((slot) => copyCell(memtable.cellOf(slot), memtable.offsetOf(slot)))
      expect(describeCells(cells)).toEqual(describeCells(model.scan(partition)))
    }
  })

  test('memtable: all keys with one hash: still told apart (300 keys)', () => {
    const { arena, memtable } = started(1_000)
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
    const { arena, memtable } = started(1_000)
    const hashes = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 51, 2 ** 52 - 1, 2 ** 52]
    for (const hash of hashes) put(arena, memtable, makeCell({ key: `${hash}`, ms: 1 }), hash)
    for (const hash of hashes) expect(find(memtable, `${hash}`, hash)).toBeDefined()
    expect(memtable.keys).toBe(hashes.length)
  })

  test('memtable: keys that share a prefix or differ in their last byte: told apart', () => {
    const { arena, memtable } = started(1_000)
    for (const length of [1, 63, 64, 65, 66, 200]) {
      for (const last of ['a', 'b']) {
        put(arena, memtable, makeCell({ key: 'x'.repeat(length) + last, ms: 1 }), 5)
      }
    }
    expect(memtable.keys).toBe(12)
    expect(find(memtable, `${'x'.repeat(64)}c`, 5)).toBeUndefined()
    expect(find(memtable, `${'x'.repeat(65)}b`, 5)).toBeDefined()
  })
})

describe('arena', () => {
  test('arena: ranges: all that was appended since the last call, across chunks', () => {
    const arena = new Arena(100)
    arena.startSegment(1)
    const given: Buffer[] = []
    const taken: Buffer[] = []
    for (let i = 0; i < 50; i += 1) {
      const cell = Buffer.alloc(1 + ((i * 37) % 160), i)
      given.push(cell)
      const offset = arena.append(cell, 0, cell.length)
      expect(arena.buffers[arena.tailChunk]!.subarray(offset, offset + cell.length)).toEqual(cell)
      if (i % 7 === 0) taken.push(...arena.takeRanges())
      if (i % 20 === 19) {
        taken.push(...arena.takeRanges())
        arena.startSegment(1 + i)
      }
    }
    taken.push(...arena.takeRanges())
    expect(Buffer.concat(taken)).toEqual(Buffer.concat(given))
    expect(arena.takeRanges()).toEqual([])
  })

  test('arena: retired: a chunk is freed with its last live cell, unless it is the tail', () => {
    const arena = new Arena(100)
    arena.startSegment(1)
    const chunks = Array.from({ length: 6 }, () => {
      arena.append(Buffer.alloc(50), 0, 50)
      return arena.tailChunk
    })
    expect(chunks).toEqual([0, 0, 1, 1, 2, 2])
    expect(arena.bytes).toBe(300)
    arena.retire(0, 50)
    expect(arena.bytes).toBe(300)
    arena.retire(0, 50)
    expect(arena.bytes).toBe(200)
    arena.retire(2, 50)
    arena.retire(2, 50)
    expect(arena.bytes).toBe(200)
    arena.startSegment(2)
    expect(arena.bytes).toBe(100)
    expect(arena.segmentsInUse().map(({ number }) => number)).toEqual([1, 2])
    arena.retire(1, 50)
    arena.retire(1, 50)
    expect(arena.bytes).toBe(0)
    expect(arena.segmentsInUse().map(({ number }) => number)).toEqual([2])
    expect(() => arena.retire(1, 50)).toThrow(/retired twice/)
    arena.append(Buffer.alloc(300), 0, 300)
    expect([0, 1, 2]).toContain(arena.tailChunk)
    expect(arena.bytes).toBe(300)
  })

  test('arena: memory: known before a cell is appended', () => {
    const arena = new Arena(100)
    arena.startSegment(1)
    for (let i = 0; i < 30; i += 1) {
      const size = 1 + ((i * 61) % 250)
      const expected = arena.bytesWith(size)
      arena.append(Buffer.alloc(size), 0, size)
      expect(arena.bytes).toBe(expected)
    }
  })
})
