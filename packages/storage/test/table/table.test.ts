import { KeyedRandom } from '@cassiopeia/env'
import { BlockCache } from '../../src/table/block-cache'
import { Find } from '../../src/table/table'
import { openTableFile } from '../../src/table/table-file'
import { makeCell, simulate, testSeeds } from '../support'
import {
  type Entry,
  entry,
  findAsync,
  findSync,
  isCell,
  openTable,
  pathOf,
  randomEntries,
  sorted,
  writeTable,
} from './table-support'

const SHAPES = [
  { cells: 300, partitions: 1, keyBytesMax: 20, valueBytesMax: 300 },
  { cells: 400, partitions: 300, keyBytesMax: 20, valueBytesMax: 50 },
  { cells: 60, partitions: 5, keyBytesMax: 65_535, valueBytesMax: 100_000 },
  { cells: 1, partitions: 1, keyBytesMax: 20, valueBytesMax: 20 },
  { cells: 2_000, partitions: 4, keyBytesMax: 20, valueBytesMax: 0, tombstones: 1 },
  { cells: 60, partitions: 5, keyBytesMax: 65_535, valueBytesMax: 0, tombstones: 1 },
  { cells: 1, partitions: 1, keyBytesMax: 20, valueBytesMax: 0, tombstones: 1 },
]

function numbered(count: number, valueBytes = 100): Entry[] {
  return sorted(
    Array.from({ length: count }, (_, i) =>
      entry(i % 4, makeCell({ key: `key-${i}`, ms: 1, value: 'v'.repeat(valueBytes) })),
    ),
  )
}

function tombstones(count: number): Entry[] {
  return sorted(
    Array.from({ length: count }, (_, i) =>
      entry(i % 4, makeCell({ key: `key-${i}`, ms: 1, tombstone: true })),
    ),
  )
}

/** Something that the table does not hold: near a cell that it holds, or anywhere. */
function absentee(random: KeyedRandom, entries: readonly Entry[]): Entry | undefined {
  const near = entries[random.below(entries.length)]!
  const key = random.chance(0.5)
    ? Buffer.concat([near.key, Buffer.from('!')]).subarray(-65_535)
    : random.bytes(1 + random.below(6))
  const partition = random.chance(0.8) ? near.partition : random.below(1_000)
  const isThere = entries.some((each) => each.key.equals(key))
  return isThere ? undefined : entry(partition, makeCell({ key, ms: 1 }))
}

describe('table', () => {
  testSeeds('table: random cells: found as a model has them, sync and async', 8, async (seed) => {
    for (const shape of SHAPES) {
      const { sim, node } = simulate(seed)
      const random = new KeyedRandom(seed, 'cells')
      const { disk } = node.ports
      const entries = randomEntries(random, shape)
      await sim.run(async () => {
        const info = await writeTable(disk, 3, entries, {
          blockBytes: [512, 4096, 32_768][random.below(3)]!,
          compression: random.chance(0.5) ? 'none' : 'deflate',
          filterBitsPerKey: random.below(3) * 5,
        })
        const cache = new BlockCache([0, 20_000, 200_000, 10_000_000][random.below(4)]!, 512)
        const { table, damages } = await openTable(disk, info, cache)
        for (let i = 0; i < 200; i += 1) {
          const wanted = entries[random.below(entries.length)]!
          expect(isCell(findSync(table, wanted), wanted)).toBe(true)
          const missing = absentee(random, entries)
          if (missing !== undefined) expect(findSync(table, missing)).toBeUndefined()
        }
        // Many at once, in an order that the disk decides.
        await Promise.all(
          Array.from({ length: 100 }, async () => {
            const wanted = entries[random.below(entries.length)]!
            expect(isCell(await findAsync(table, wanted), wanted)).toBe(true)
            const missing = absentee(random, entries)
            if (missing !== undefined) expect(await findAsync(table, missing)).toBeUndefined()
          }),
        )
        expect(damages).toEqual([])
        table.release()
        expect(cache.bytes - cache.blockBytes).toBe(0)
      })
    }
  })

  test('table: many tables and a small cache: within its budget but for one lookup', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const random = new KeyedRandom(1, 'lookups')
    const cache = new BlockCache(300_000)
    await sim.run(async () => {
      const tables = []
      for (let number = 1; number <= 8; number += 1) {
        const entries = numbered(1_500, number === 8 ? 9_000 : 100)
        const info = await writeTable(disk, number, entries)
        tables.push({ entries, ...(await openTable(disk, info, cache)) })
      }
      let wrong = 0
      let most = 0
      for (let i = 0; i < 20_000; i += 1) {
        const { entries, table } = tables[random.below(tables.length)]!
        const wanted = entries[random.below(entries.length)]!
        if (!isCell(findSync(table, wanted), wanted)) wrong += 1
        most = Math.max(most, cache.bytes)
      }
      expect(wrong).toBe(0)
      // One lookup's filter takes 2 KB, its index up to 30 KB, its block 9 KB or a slab.
      expect(most).toBeLessThan(300_000 + 45_000)
      expect(cache.bytes).toBeGreaterThan(200_000)
      cache.resize(100_000)
      expect(cache.bytes).toBeLessThanOrEqual(100_000)
      for (const { table } of tables) table.release()
      expect([cache.filterBytes, cache.indexBytes]).toEqual([0, 0])
      cache.resize(0)
      expect(cache.bytes).toBe(0)
    })
  })

  test('table: a delete table: its block is read once, other blocks for few absent keys', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = tombstones(3_000)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, cache, damages } = await openTable(disk, info)
      for (const wanted of [...entries, ...entries]) {
        expect(isCell(findSync(table, wanted), wanted)).toBe(true)
      }
      expect(cache).toMatchObject({ reads: info.blocks, lookups: 6_000, filterMisleads: 0 })
      expect(cache.hits).toBe(6_000 - info.blocks)
      // 4,096 slots.
      expect(cache.filterBytes).toBe(16 + 4 * 4_096)
      for (let i = 0; i < 10_000; i += 1) {
        const absent = entry(0, makeCell({ key: `absent-${i}`, ms: 1 }))
        expect(findSync(table, absent)).toBeUndefined()
      }
      expect(cache.lookups).toBe(16_000)
      expect(cache.filterMisleads).toBeGreaterThan(0)
      expect(cache.filterMisleads).toBeLessThan(400)
      expect(damages).toEqual([])
    })
  })

  testSeeds('table: keys whose hashes agree: each is found, none in vain', 5, async (seed) => {
    const { sim, node } = simulate(seed)
    const { disk } = node.ports
    const random = new KeyedRandom(seed, 'keys')
    const hashes = Array.from({ length: 1 + random.below(4) }, () => random.below(2 ** 31))
    const alike = (each: Entry) => ({ ...each, hash: hashes[each.key.length % hashes.length]! })
    for (const make of [tombstones, (count: number) => numbered(count, 0)]) {
      const entries = make(400).map(alike)
      await sim.run(async () => {
        const info = await writeTable(disk, 1, entries, { blockBytes: 512 })
        // Where only one block fits at a time, a lookup that needs two of them would never end.
        for (const bytesMax of [0, 1_000_000]) {
          const { table } = await openTable(disk, info, new BlockCache(bytesMax, 512))
          for (let i = 0; i < 500; i += 1) {
            const wanted = entries[random.below(entries.length)]!
            expect(isCell(findSync(table, wanted), wanted)).toBe(true)
            expect(isCell(await findAsync(table, wanted), wanted)).toBe(true)
            const missing = absentee(random, entries)
            if (missing !== undefined) expect(findSync(table, alike(missing))).toBeUndefined()
          }
          table.release()
        }
        await disk.unlink(pathOf(1))
      })
    }
  })

  test('table: a delete table in memory: its index counts with what searches need', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = tombstones(3_000)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, cache } = await openTable(disk, info)
      const notes = cache.indexBytes
      expect(findSync(table, entries[0]!)).toEqual(entries[0]!.cell)
      const { file, layout } = await openTableFile(disk, pathOf(1), info)
      await file!.close()
      // A number for each block; three for each of the 4 partitions, one of them a short one.
      const extra = info.blocks * 4 + 4 * 10
      expect(cache.indexBytes - notes).toBe(layout!.indexBytes + extra)
      expect(cache.filterBytes).toBe(layout!.filterBytes)
    })
  })

  test('table: loads of one piece at once: one read, and all are told', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = numbered(200)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, cache } = await openTable(disk, info)
      const before = node.disk.ioCalls
      const found = await Promise.all(
        Array.from({ length: 50 }, () => findAsync(table, entries[17]!)),
      )
      expect(found).toEqual(Array.from({ length: 50 }, () => entries[17]!.cell))
      // The filter with the index, and one block.
      expect(node.disk.ioCalls - before).toBe(2)
      expect(cache).toMatchObject({ reads: 1, lookups: 50, filterMisleads: 0 })
    })
  })

  test('table: a synchronous lookup while the same block is on its way: both are right', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = numbered(200)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, cache } = await openTable(disk, info)
      const later = findAsync(table, entries[17]!)
      expect(findSync(table, entries[17]!)).toEqual(entries[17]!.cell)
      expect(await later).toEqual(entries[17]!.cell)
      expect(cache.reads).toBe(1)
    })
  })

  test('table: what the disk refuses: thrown or told, and tried again with the next lookup', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = numbered(200)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, damages } = await openTable(disk, info)
      node.disk.faults.failCall(node.disk.ioCalls + 1, 'EIO')
      await expect(findAsync(table, entries[17]!)).rejects.toMatchObject({ code: 'EIO' })
      node.disk.faults.failCall(node.disk.ioCalls + 1, 'EIO')
      expect(() => findSync(table, entries[17]!)).toThrow(expect.objectContaining({ code: 'EIO' }))
      expect(findSync(table, entries[17]!)).toEqual(entries[17]!.cell)
      expect(damages).toEqual([])
    })
  })

  test('table: the file is missing: all of its range is damaged, nothing else', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = numbered(20)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      await disk.unlink(pathOf(1))
      const { table, damages } = await openTable(disk, info)
      expect(damages).toEqual([{ table: 1, at: 0, bytes: info.bytes, what: 'the file is missing' }])
      expect(findSync(table, entries[3]!)).toBe('damaged')
      expect(findSync(table, entry(9, makeCell({ key: 'a', ms: 1 })))).toBeUndefined()
      await expect(table.cursor().seek(undefined)).rejects.toMatchObject({
        code: 'CASSIO_CORRUPT',
        table: 1,
      })
      table.release()
    })
  })

  test('table: released while a block is on its way: the file stays open until it is there', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = numbered(20)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, cache } = await openTable(disk, info)
      const { partition, hash, key } = entries[3]!
      expect(table.find(partition, hash, key, 0, key.length)).toBe(Find.load)
      const loaded = new Promise<Error | undefined>((resolve) => {
        table.load({ onLoaded: resolve })
      })
      table.release()
      expect(await loaded).toBeUndefined()
      expect([cache.filterBytes, cache.indexBytes]).toEqual([0, 0])
      expect(() => table.release()).toThrow(/released too often/)
    })
  })

  test('table: damage that others met: fenced off, reported once, the rest is found', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = numbered(200)
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const { table, damages } = await openTable(disk, info)
      for (const each of entries) expect(findSync(table, each)).toEqual(each.cell)
      const damage = { table: 1, at: 24, bytes: 4_000, what: 'said so' }
      table.fence(damage)
      table.fence(damage)
      expect(damages).toEqual([damage])
      const answers = entries.map((each) => findSync(table, each))
      expect(answers[0]).toBe('damaged')
      expect(answers.at(-1)).toEqual(entries.at(-1)!.cell)
      expect(answers.filter((answer) => answer === 'damaged').length).toBeLessThan(50)
    })
  })
})
