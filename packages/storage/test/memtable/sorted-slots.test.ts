import { KeyedRandom } from '@cassiopeia/env'
import { cellKey } from '@cassiopeia/protocol'
import { Arena } from '../../src/memtable/arena'
import { Memtable } from '../../src/memtable/memtable'
import { SortedSlots } from '../../src/memtable/sorted-slots'
import { makeCell, testSeeds } from '../support'
import { hashOf, put } from './memtable-support'

class World {
  readonly arena = new Arena()
  readonly memtable = new Memtable(this.arena)
  readonly slots = new SortedSlots(this.memtable, 3)

  add(key: string, ms = 1, partition = 3): void {
    const cell = makeCell({ key, ms })
    put(this.arena, this.memtable, cell, hashOf(cell), partition)
  }

  /** @returns the steps that sorting took. */
  sort(): number {
    this.slots.begin()
    let steps = 1
    while (!this.slots.step()) steps += 1
    return steps
  }

  /** The keys of the runs, each of which must be in order. */
  keys(): string[] {
    const runs = this.slots.runs.map((run) =>
      [...run].map((slot) => {
        const cell = this.memtable.cellOf(slot)
        return cellKey(cell, this.memtable.offsetOf(slot)).toString()
      }),
    )
    for (const run of runs) expect(run).toEqual([...run].sort())
    return runs.flat().sort()
  }
}

function names(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `key-${((from + i) * 7_919) % 100_003}`)
}

describe('sorted slots', () => {
  test('sorted slots: nothing there, then a few, then the same again: each key once', () => {
    const world = new World()
    expect(world.sort()).toBe(1)
    expect(world.keys()).toEqual([])
    for (const key of ['b', 'a', 'c']) world.add(key)
    world.add('other', 1, 2)
    world.sort()
    expect(world.keys()).toEqual(['a', 'b', 'c'])
    const runs = world.slots.runs
    world.add('b', 2)
    // A newer cell of a key has the same slot: there is nothing to sort.
    expect(world.sort()).toBe(1)
    expect(world.slots.runs).toBe(runs)
  })

  test('sorted slots: many: sorted piece by piece into few runs (20,000 slots)', () => {
    const world = new World()
    const keys = names(20_000)
    for (const key of keys) world.add(key)
    expect(world.sort()).toBeGreaterThan(20)
    expect(world.keys()).toEqual([...keys].sort())
    expect(world.slots.runs.length).toBeLessThan(16)
    expect(world.slots.seen).toBe(20_000)
  })

  test('sorted slots: cells that come while it sorts: seen the next time', () => {
    const world = new World()
    for (const key of names(5_000)) world.add(key)
    world.slots.begin()
    world.slots.step()
    for (const key of names(1_000, 5_000)) world.add(key)
    // A second beginning changes nothing while the first is under way.
    world.slots.begin()
    while (!world.slots.step());
    expect(world.keys()).toEqual(names(5_000).sort())
    expect(world.slots.seen).toBe(5_000)
    world.sort()
    expect(world.keys()).toEqual(names(6_000).sort())
  })

  test('sorted slots: runs that were handed out: never change', () => {
    const world = new World()
    for (const key of names(3_000)) world.add(key)
    world.sort()
    const before = world.slots.runs
    const copy = before.map((run) => [...run])
    for (const key of names(3_000, 3_000)) world.add(key)
    world.sort()
    expect(before.map((run) => [...run])).toEqual(copy)
  })

  testSeeds('sorted slots: grown bit by bit: all slots, in few runs', 3, async (seed) => {
    const random = new KeyedRandom(seed, 'sorted-slots')
    const world = new World()
    let count = 0
    for (let round = 0; round < 20; round += 1) {
      const more = random.below(random.chance(0.2) ? 3_000 : 50)
      for (const key of names(more, count)) world.add(key)
      count += more
      world.sort()
      expect(world.keys()).toEqual(names(count).sort())
      const lengths = world.slots.runs.map((run) => run.length)
      for (let i = 1; i < lengths.length; i += 1) {
        expect(lengths[i - 1]).toBeGreaterThanOrEqual(lengths[i]! * 2)
      }
    }
  })
})
