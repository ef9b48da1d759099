import { type KeyedRandom, Simulation } from '@cassiopeia/env'
import { cellKey, reconcile } from '@cassiopeia/protocol'
import type { CellCursor } from '../../src/merge/cell-cursor'
import { MergeIterator } from '../../src/merge/merge-iterator'
import { comparePlaces, type Place } from '../../src/table/place'
import { makeCell, testSeeds } from '../support'

interface Entry extends Place {
  readonly cell: Buffer
}

/** Sorted cells in memory, some of which must be loaded. */
class ListCursor implements CellCursor {
  ended = true
  loads = 0
  closed = false
  failsAt = -1
  private index = -1

  constructor(
    private readonly entries: readonly Entry[],
    private readonly mustLoad: (index: number) => boolean,
  ) {}

  get buffer(): Buffer {
    return Buffer.concat([Buffer.from('---'), this.entries[this.index]!.cell])
  }

  get at(): number {
    return 3
  }

  get partition(): number {
    return this.entries[this.index]!.partition
  }

  async seek(after: Place | undefined): Promise<void> {
    const found = this.entries.findIndex(
      (entry) => after === undefined || comparePlaces(entry, after) > 0,
    )
    this.stand(found < 0 ? this.entries.length : found)
  }

  advance(): boolean {
    expect(this.ended).toBe(false)
    if (this.mustLoad(this.index + 1)) return false
    this.stand(this.index + 1)
    return true
  }

  async load(): Promise<void> {
    this.loads += 1
    await undefined
    this.stand(this.index + 1)
  }

  async close(): Promise<void> {
    this.closed = true
  }

  private stand(index: number): void {
    if (index === this.failsAt) throw new Error(`cell ${index} is damaged`)
    this.index = index
    this.ended = index >= this.entries.length
  }
}

function entry(partition: number, cell: Buffer): Entry {
  return { partition, key: Buffer.from(cellKey(cell, 0)), cell }
}

function randomEntries(random: KeyedRandom, count: number, keys: number): Entry[] {
  const byPlace = new Map<string, Entry>()
  for (let i = 0; i < count; i += 1) {
    const number = random.below(keys)
    const key = number % 5 === 0 ? Buffer.alloc(1 + number, 7) : `key-${number}`
    const value = String(random.below(2))
    const made = entry(number % 3, makeCell({ key, ms: 1 + random.below(4), value }))
    byPlace.set(`${made.partition} ${made.key.toString('hex')}`, made)
  }
  return [...byPlace.values()].sort(comparePlaces)
}

/** The winners and the first input that has each. */
function model(lists: readonly (readonly Entry[])[]): { entry: Entry; input: number }[] {
  const newest = new Map<string, { entry: Entry; input: number }>()
  lists.forEach((list, input) => {
    for (const entry of list) {
      const name = `${entry.partition} ${entry.key.toString('hex')}`
      const held = newest.get(name)
      if (held === undefined || reconcile(entry.cell, 0, held.entry.cell, 0) > 0) {
        newest.set(name, { entry, input })
      }
    }
  })
  return [...newest.values()].sort((a, b) => comparePlaces(a.entry, b.entry))
}

async function walk(merge: MergeIterator): Promise<string[]> {
  const seen: string[] = []
  while (!merge.ended) {
    const { buffer, at, partition, winnerIndex } = merge
    seen.push(`${winnerIndex}: ${partition} ${buffer.toString('hex', at)}`)
    if (!merge.advance()) await merge.load()
  }
  expect(merge.winnerIndex).toBe(-1)
  return seen
}

function expected(
  lists: readonly (readonly Entry[])[],
  after: Place | undefined = undefined,
): string[] {
  return model(lists)
    .filter(({ entry }) => after === undefined || comparePlaces(entry, after) > 0)
    .map(({ entry, input }) => `${input}: ${entry.partition} ${entry.cell.toString('hex')}`)
}

describe('merge iterator', () => {
  testSeeds('merge iterator: any inputs: each key once, its newest cell', 200, async (seed) => {
    const random = new Simulation({ seed }).random('inputs')
    const keys = 1 + random.below(60)
    const lists = Array.from({ length: random.below(12) }, (_, i) =>
      randomEntries(random, random.below(i === 0 ? 200 : 30), keys),
    )
    const chance = random.below(3) * 0.3
    const cursors = lists.map((list) => new ListCursor(list, () => random.chance(chance)))
    const merge = new MergeIterator(cursors)
    expect(merge.ended).toBe(true)
    await merge.seek(undefined)
    expect(await walk(merge)).toEqual(expected(lists))
    const places = model(lists).map((each) => each.entry)
    if (places.length > 0) {
      const after = places[random.below(places.length)]!
      await merge.seek(after)
      expect(await walk(merge)).toEqual(expected(lists, after))
      // Back again, from the middle of a walk.
      await merge.seek(undefined)
      merge.advance()
      await merge.seek(undefined)
      expect(await walk(merge)).toEqual(expected(lists))
    }
    await merge.close()
    expect(cursors.every(({ closed }) => closed)).toBe(true)
  })

  test('merge iterator: no inputs: ended', async () => {
    const merge = new MergeIterator([])
    await merge.seek(undefined)
    expect(merge.ended).toBe(true)
    await merge.close()
  })

  test('merge iterator: the same cells in all inputs: shown once, from the first', async () => {
    const list = [1, 2, 3].map((i) => entry(i, makeCell({ key: `k${i}`, ms: i })))
    const merge = new MergeIterator([0, 1, 2].map((i) => new ListCursor(list, () => i === 1)))
    await merge.seek(undefined)
    expect(await walk(merge)).toEqual(expected([list]))
  })

  test('merge iterator: an input fails: the error passes, the others can be closed', async () => {
    const list = [1, 2, 3].map((i) => entry(0, makeCell({ key: `k${i}`, ms: i })))
    for (const mustLoad of [true, false]) {
      for (const failsAt of [0, 2]) {
        const failing = new ListCursor(list, () => mustLoad)
        failing.failsAt = failsAt
        const cursors = [new ListCursor(list, () => false), failing]
        const merge = new MergeIterator(cursors)
        const run = async () => {
          await merge.seek(undefined)
          await walk(merge)
        }
        await expect(run()).rejects.toThrow(`cell ${failsAt} is damaged`)
        await merge.close()
        expect(cursors.map(({ closed }) => closed)).toEqual([true, true])
      }
    }
  })
})
