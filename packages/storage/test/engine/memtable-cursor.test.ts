import { KeyedRandom, type Timers } from '@cassiopeia/env'
import { cellKey } from '@cassiopeia/protocol'
import { MemtableCursor } from '../../src/engine/memtable-cursor'
import { Arena } from '../../src/memtable/arena'
import { Memtable } from '../../src/memtable/memtable'
import type { SortedSlots } from '../../src/memtable/sorted-slots'
import type { Place } from '../../src/table/place'
import { hashOf, put } from '../memtable/memtable-support'
import { copyCell, describeCells, makeCell, simulate, testSeeds } from '../support'

class World {
  readonly arena = new Arena()
  readonly memtable = new Memtable(this.arena)
  readonly orders = new Map<number, SortedSlots>()
  /** Newest cells by partition and key. */
  private readonly cells = new Map<string, { partition: number; cell: Buffer }>()
  private readonly timers: Timers

  /** @param onTurn Called whenever a cursor lets others run. */
  constructor(timers: Timers, onTurn: () => void = () => {}) {
    const soon = (run: () => void) =>
      timers.soon(() => {
        onTurn()
        run()
      })
    this.timers = { soon, after: timers.after.bind(timers) }
  }

  add(partition: number, key: string, ms = 1): void {
    const cell = makeCell({ key, ms, value: `${ms}` })
    // Keys are the same in many partitions here, which hashes are not.
    put(this.arena, this.memtable, cell, hashOf(cell) + partition, partition)
    this.cells.set(`${partition} ${key}`, { partition, cell })
  }

  cursor(from: number, to: number): MemtableCursor {
    return new MemtableCursor(this.memtable, this.orders, from, to, this.timers)
  }

  async read(from: number, to: number, after?: Place): Promise<Buffer[]> {
    const cursor = this.cursor(from, to)
    const cells: Buffer[] = []
    let partition = -1
    await cursor.seek(after)
    while (!cursor.ended) {
      expect(cursor.partition).toBeGreaterThanOrEqual(partition)
      partition = cursor.partition
      cells.push(copyCell(cursor.buffer, cursor.at))
      if (!cursor.advance()) await cursor.load()
    }
    await cursor.close()
    return cells
  }

  expected(from: number, to: number, after?: Place): Buffer[] {
    return [...this.cells.values()]
      .filter(({ partition, cell }) => {
        if (partition < from || partition > to) return false
        if (after === undefined || partition > after.partition) return true
        return partition === after.partition && cellKey(cell, 0).compare(after.key) > 0
      })
      .sort((a, b) => a.partition - b.partition || cellKey(a.cell, 0).compare(cellKey(b.cell, 0)))
      .map(({ cell }) => cell)
  }

  async expectSame(from: number, to: number, after?: Place): Promise<void> {
    const actual = describeCells(await this.read(from, to, after))
    expect(actual).toEqual(describeCells(this.expected(from, to, after)))
  }
}

function keyOf(cell: Buffer): string {
  return cellKey(cell, 0).toString()
}

describe('memtable cursor', () => {
  test('memtable cursor: empty memtable, ranges without cells, partitions beyond: ended', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const world = new World(node.ports.timers)
      await world.expectSame(0, 2 ** 24 - 1)
      world.add(5, 'key')
      await world.expectSame(0, 4)
      await world.expectSame(6, 2 ** 24 - 1)
      await world.expectSame(5, 5)
      await world.expectSame(3, 2, { partition: 2, key: Buffer.alloc(65_535, 0xff) })
      await world.expectSame(0, 9, { partition: 5, key: Buffer.from('key') })
    })
  })

  testSeeds('memtable cursor: random cells, ranges and places: in order', 4, async (seed) => {
    const { sim, node } = simulate(seed)
    const random = new KeyedRandom(seed, 'cursor')
    await sim.run(async () => {
      const world = new World(node.ports.timers)
      for (let round = 0; round < 25; round += 1) {
        // One of the partitions is large, the others are small.
        for (let i = random.below(300); i > 0; i -= 1) {
          const partition = random.chance(0.8) ? 3 : random.below(90)
          world.add(partition, `key-${random.below(4_000)}`, 1 + round)
        }
        const from = random.below(8)
        const partition = random.chance(0.5) ? 3 : random.below(10)
        const place = { partition, key: Buffer.from(`key-${random.below(4_000)}`) }
        await world.expectSame(
          from,
          from + random.below(100),
          random.chance(0.6) ? place : undefined,
        )
      }
      expect([...world.orders.keys()]).toEqual([3])
    })
  })

  test('memtable cursor: a large partition grows while several scans sort it: none is lost', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      let turns = 0
      const world: World = new World(node.ports.timers, () => {
        turns += 1
        world.add(0, `late-${turns}`)
      })
      for (let i = 0; i < 10_000; i += 1) world.add(0, `key-${(i * 7_919) % 10_007}`)
      const before = new Set(world.expected(0, 0).map(keyOf))
      const scans = await Promise.all(
        Array.from({ length: 5 }, async (_, i) => {
          await new Promise<void>((resolve) => node.ports.timers.after(i, resolve))
          const mine = new Set([...before, ...world.expected(0, 0).map(keyOf)])
          return { mine, cells: await world.read(0, 0) }
        }),
      )
      expect(turns).toBeGreaterThan(10)
      for (const { mine, cells } of scans) {
        const keys = cells.map(keyOf)
        expect(keys).toEqual([...new Set(keys)].sort())
        // What was there when the scan began; of what came later, some.
        const seen = new Set(keys)
        expect([...mine].filter((key) => !seen.has(key))).toEqual([])
      }
      await world.expectSame(0, 0)
    })
  })

  test('memtable cursor: cells written while it walks: the old or the new, whole, once', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      for (const count of [100, 2_000]) {
        const world = new World(node.ports.timers)
        const keys = Array.from({ length: count }, (_, i) => `key-${10_000 + i}`)
        for (const key of keys) world.add(1, key, 1)
        const cursor = world.cursor(0, 3)
        await cursor.seek(undefined)
        const seen: string[] = []
        while (!cursor.ended) {
          const cell = copyCell(cursor.buffer, cursor.at)
          seen.push(keyOf(cell))
          // Every key is overwritten, and others come between, before and behind.
          world.add(1, keys[(seen.length * 7) % count]!, 1 + seen.length)
          world.add(1, `key-${10_000 + seen.length}-between`)
          expect(['1', `${cell.readUIntBE(8, 6)}`]).toContain(
            cell.toString('latin1', 32 + keyOf(cell).length),
          )
          if (!cursor.advance()) await cursor.load()
        }
        expect(seen.filter((key) => !key.endsWith('between'))).toEqual(keys)
      }
    })
  })
})
