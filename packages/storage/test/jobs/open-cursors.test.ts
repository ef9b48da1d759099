import type { TableRef } from '../../src/jobs/job'
import { openCursors } from '../../src/jobs/open-cursors'
import { MergeIterator } from '../../src/merge/merge-iterator'
import { makeCell, testSeeds } from '../support'
import { DIRECTORY, entry, JobWorld, newestOf, TableKind } from './job-world'

describe('open cursors', () => {
  testSeeds('open cursors: tables of a few runs: a cursor for each run', 10, async (seed) => {
    const world = new JobWorld(seed)
    const random = world.sim.random('runs')
    await world.sim.run(async () => {
      const lists = []
      const refs: TableRef[] = []
      const runs = 1 + random.below(4)
      for (let run = 0; run < runs; run += 1) {
        // The first and the last key are in every run, so that all runs overlap.
        for (let from = 0; from < 60; from += 20) {
          const cells = Array.from({ length: 20 }, (_, i) => from + i)
            .filter((i) => i % 20 === 0 || i % 20 === 19 || random.chance(0.5))
            .map((i) => entry(makeCell({ key: `key-${100 + i}`, ms: 1 + run }), 0))
          lists.push(cells)
          refs.push(await world.writeTable(TableKind.data, cells))
        }
      }
      const shuffled = refs
        .map((ref) => ({ ref, order: random.below(1_000) }))
        .sort((a, b) => a.order - b.order)
        .map(({ ref }) => ref)
      const cursors = openCursors(world.node.ports.disk, DIRECTORY, shuffled, 'full')
      expect(cursors).toHaveLength(runs)
      const merge = new MergeIterator(cursors)
      let cells = 0
      for (await merge.seek(undefined); !merge.ended; cells += 1) {
        if (!merge.advance()) await merge.load()
      }
      expect(cells).toBe(newestOf(lists).size)
      await merge.close()
    })
  })
})
