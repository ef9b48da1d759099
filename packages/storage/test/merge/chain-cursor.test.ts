import { type Disk, type DiskFile, KeyedRandom } from '@cassiopeia/env'
import type { TableRef } from '../../src/jobs/job'
import { ChainCursor } from '../../src/merge/chain-cursor'
import { comparePlaces, type Place } from '../../src/table/place'
import { ReadAhead } from '../../src/table/read-ahead'
import { makeCell, simulate, testSeeds } from '../support'
import {
  collect,
  describeEntries,
  type Entry,
  entry,
  pathOf,
  placeOf,
  randomEntries,
  sorted,
  writeTable,
} from '../table/table-support'

const SHAPES = [
  { cells: 150, partitions: 1, keyBytesMax: 20, valueBytesMax: 300 },
  { cells: 150, partitions: 100, keyBytesMax: 20, valueBytesMax: 50 },
  { cells: 30, partitions: 5, keyBytesMax: 10_000, valueBytesMax: 20_000 },
]

interface Chain {
  readonly refs: TableRef[]
  /** The cells that count. */
  readonly entries: Entry[]
}

/** Deals sorted cells out to tables, some of which have dead cells at their beginning, or only such. */
async function writeChain(disk: Disk, random: KeyedRandom, all: readonly Entry[]): Promise<Chain> {
  const chain: Chain = { refs: [], entries: [] }
  const tableCells = 1 + random.below(all.length)
  for (let from = 0; from < all.length; ) {
    const to = Math.min(all.length, from + 1 + random.below(tableCells))
    // As a merge that was broken off leaves it: it begins below the last cell of the table before.
    const begin = random.chance(0.3) ? Math.max(0, from - 3) : from
    const deadTo = random.chance(0.3) ? from + random.below(to - from + 1) : from
    const info = await writeTable(disk, chain.refs.length + 1, all.slice(begin, to), {
      blockBytes: 512,
    })
    const after = deadTo === begin ? undefined : placeOf(all[deadTo - 1]!)
    chain.refs.push({ info, after })
    chain.entries.push(...all.slice(deadTo, to))
    from = to
  }
  return chain
}

/** Counts open files, and notes the memory that is read into besides that of footers and indexes. */
function watchingDisk(disk: Disk): { disk: Disk; open: number; openMax: number; into: Buffer[] } {
  const watch = { disk, open: 0, openMax: 0, into: [] as Buffer[] }
  const open = async (path: string): Promise<DiskFile> => {
    const file = await disk.open(path, 'read')
    watch.open += 1
    watch.openMax = Math.max(watch.openMax, watch.open)
    let reads = 0
    return {
      size: () => file.size(),
      read: (target: Buffer, position: number) => {
        reads += 1
        if (reads > 2) watch.into.push(target)
        return file.read(target, position)
      },
      close: () => {
        watch.open -= 1
        return file.close()
      },
    } as unknown as DiskFile
  }
  watch.disk = { open } as unknown as Disk
  return watch
}

function numbered(count: number): Entry[] {
  return sorted(
    Array.from({ length: count }, (_, i) =>
      entry(0, makeCell({ key: `key-${1_000 + i}`, ms: 1, value: 'v'.repeat(400) })),
    ),
  )
}

describe('chain cursor', () => {
  testSeeds('chain cursor: random chains: as a sorted array has them', 30, async (seed) => {
    for (const shape of SHAPES) {
      const { sim, node } = simulate(seed)
      const random = new KeyedRandom(seed, 'chain')
      await sim.run(async () => {
        const all = randomEntries(random, shape)
        const { refs, entries } = await writeChain(node.ports.disk, random, all)
        const watch = watchingDisk(node.ports.disk)
        const growth = random.chance(0.5) ? 'full' : 'doubling'
        const readAhead = new ReadAhead([1, 10_000, 256 * 1024][random.below(3)]!, growth)
        const cursor = new ChainCursor(watch.disk, refs, pathOf, readAhead)
        expect(cursor.ended).toBe(true)
        const starts: (Place | undefined)[] = [undefined, placeOf(all.at(-1)!), undefined]
        for (const { info } of refs.slice(0, 6)) starts.push(info.first, info.last)
        for (let i = 0; i < 5; i += 1) {
          starts.push(placeOf(all[random.below(all.length)]!))
          starts.push({ partition: random.below(700), key: random.bytes(3) })
        }
        for (const after of starts) {
          const expected = entries.filter(
            (each) => after === undefined || comparePlaces(each, after) > 0,
          )
          expect(await collect(cursor, after)).toEqual(describeEntries(expected))
        }
        expect(watch.openMax).toBe(1)
        await cursor.close()
        await cursor.close()
        expect(watch.open).toBe(0)
        expect(cursor.ended).toBe(true)
      })
    }
  })

  test('chain cursor: no tables: ended, whatever is asked', async () => {
    const { sim, node } = simulate(1)
    const cursor = new ChainCursor(node.ports.disk, [], pathOf)
    await sim.run(async () => {
      for (const after of [undefined, { partition: 1, key: Buffer.from('k') }]) {
        await cursor.seek(after)
        expect(cursor.ended).toBe(true)
      }
      await cursor.close()
    })
  })

  test('chain cursor: many tables: one memory, and reading ahead goes on over their ends', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const all = numbered(400)
      const refs: TableRef[] = []
      for (let from = 0; from < all.length; from += 50) {
        const info = await writeTable(node.ports.disk, refs.length + 1, all.slice(from, from + 50))
        refs.push({ info, after: undefined })
      }
      const reading = async (growth: 'doubling' | 'full') => {
        const watch = watchingDisk(node.ports.disk)
        const cursor = new ChainCursor(watch.disk, refs, pathOf, new ReadAhead(64 * 1024, growth))
        expect(await collect(cursor)).toEqual(describeEntries(all))
        await cursor.close()
        return watch.into
      }
      const full = await reading('full')
      expect(full).toHaveLength(refs.length)
      expect(new Set(full.map(({ buffer }) => buffer)).size).toBe(1)
      const doubling = await reading('doubling')
      expect(doubling[0]!.length).toBeLessThan(4_500)
      expect(new Set(doubling.map(({ buffer }) => buffer)).size).toBeLessThan(7)
      // A table has 5 blocks: read by 1, 2 and 4 at first, and whole from the third table on.
      expect(doubling.slice(-6).every(({ length }) => length > 20_000)).toBe(true)
    })
  })

  test('chain cursor: damage in the second table: met there, and the error names it', async () => {
    for (const what of ['block', 'footer', 'missing']) {
      const { sim, node } = simulate(1)
      const { disk } = node.ports
      await sim.run(async () => {
        const all = numbered(60)
        const refs: TableRef[] = []
        for (const [from, to] of [
          [0, 20],
          [20, 40],
          [40, 60],
        ]) {
          const info = await writeTable(disk, refs.length + 1, all.slice(from, to))
          refs.push({ info, after: undefined })
        }
        const bytes = await disk.readFile(pathOf(2))
        await disk.unlink(pathOf(2))
        if (what !== 'missing') {
          bytes[what === 'block' ? 100 : bytes.length - 10]! ^= 1
          const file = await disk.open(pathOf(2), 'create')
          await file.append([bytes])
          await file.close()
        }
        const cursor = new ChainCursor(disk, refs, pathOf)
        const found: string[] = []
        const walking = async () => {
          await cursor.seek(undefined)
          while (!cursor.ended) {
            found.push(cursor.buffer.toString('latin1', cursor.at + 32, cursor.at + 40))
            if (!cursor.advance()) await cursor.load()
          }
        }
        await expect(walking()).rejects.toMatchObject({ code: 'CASSIO_CORRUPT', table: 2 })
        expect(found).toEqual(all.slice(0, 20).map(({ key }) => key.toString()))
        // What is not damaged can still be reached.
        expect(await collect(cursor, refs[1]!.info.last)).toEqual(describeEntries(all.slice(40)))
        await cursor.close()
      })
    }
  })
})
