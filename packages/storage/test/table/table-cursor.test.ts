import { type Disk, KeyedRandom } from '@cassiopeia/env'
import { comparePlaces } from '../../src/table/place'
import { ReadAhead } from '../../src/table/read-ahead'
import { TableCursor } from '../../src/table/table-cursor'
import { makeCell, simulate, testSeeds } from '../support'
import {
  collect,
  describeEntries,
  entry,
  pathOf,
  placeOf,
  randomEntries,
  sorted,
  writeTable,
} from './table-support'

const SHAPES = [
  { cells: 300, partitions: 1, keyBytesMax: 20, valueBytesMax: 300 },
  { cells: 300, partitions: 200, keyBytesMax: 20, valueBytesMax: 50 },
  { cells: 60, partitions: 5, keyBytesMax: 65_535, valueBytesMax: 100_000 },
  { cells: 1, partitions: 1, keyBytesMax: 20, valueBytesMax: 20 },
]

describe('table cursor', () => {
  testSeeds('table cursor: random cells: as a sorted array has them', 8, async (seed) => {
    for (const shape of SHAPES) {
      const { sim, node } = simulate(seed)
      const random = new KeyedRandom(seed, 'cells')
      const { disk } = node.ports
      const entries = randomEntries(random, shape)
      const settings = {
        blockBytes: [512, 4096, 32_768][random.below(3)]!,
        compression: random.chance(0.5) ? ('none' as const) : ('deflate' as const),
        filterBitsPerKey: random.below(3) * 5,
      }
      await sim.run(async () => {
        const info = await writeTable(disk, 7, entries, settings)
        expect(info).toMatchObject({
          cells: entries.length,
          cellBytes: entries.reduce((sum, { cell }) => sum + cell.length, 0),
          first: placeOf(entries[0]!),
          last: placeOf(entries.at(-1)!),
          bytes: (await disk.readFile(pathOf(7))).length,
        })
        const aheadMax = [1, 10_000, 256 * 1024][random.below(3)]!
        const pick = () =>
          random.chance(0.5)
            ? placeOf(entries[random.below(entries.length)]!)
            : { partition: random.below(700), key: random.bytes(3) }
        const starts = [undefined, placeOf(entries.at(-1)!), pick(), pick(), pick(), pick()]
        const ref = { info, after: random.chance(0.5) ? pick() : undefined }
        const cursor = new TableCursor(disk, pathOf(7), ref, new ReadAhead(aheadMax))
        expect(cursor.ended).toBe(true)
        for (const after of starts) {
          const expected = entries.filter(
            (each) =>
              (after === undefined || comparePlaces(each, after) > 0) &&
              (ref.after === undefined || comparePlaces(each, ref.after) > 0),
          )
          expect(await collect(cursor, after)).toEqual(describeEntries(expected))
        }
        await cursor.close()
        await cursor.close()
      })
    }
  })

  test('table cursor: reading ahead: one block at first, then twice as much up to the limit', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const entries = sorted(
      Array.from({ length: 600 }, (_, i) =>
        entry(0, makeCell({ key: `key-${1000 + i}`, ms: 1, value: 'v'.repeat(400) })),
      ),
    )
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries)
      const reads: number[] = []
      const watching = {
        ...disk,
        open: async (path: string) => {
          const file = await disk.open(path, 'read')
          return {
            size: () => file.size(),
            close: () => file.close(),
            read: (target: Buffer, position: number) => {
              reads.push(target.length)
              return file.read(target, position)
            },
          }
        },
      } as unknown as Disk
      const readAhead = new ReadAhead(64 * 1024)
      const cursor = new TableCursor(watching, pathOf(1), { info, after: undefined }, readAhead)
      expect(await collect(cursor)).toEqual(describeEntries(entries))
      // The footer and the index come first.
      const chunks = reads.slice(2)
      expect(chunks[0]).toBeLessThan(4_500)
      expect(chunks[1]).toBeGreaterThan(chunks[0]! * 1.4)
      expect(chunks[2]).toBeGreaterThan(chunks[1]! * 1.4)
      expect(Math.max(...chunks)).toBeLessThanOrEqual(64 * 1024)
      expect(Math.max(...chunks)).toBeGreaterThan(58 * 1024)
      await cursor.close()
    })
  })
})
