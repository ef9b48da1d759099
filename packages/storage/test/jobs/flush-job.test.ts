import { type DiskFault, Simulation } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKeyLength, isTombstone, keyHash } from '@cassiopeia/protocol'
import type { FlushJob, JobResult, MemtableImage } from '../../src/jobs/job'
import { Arena } from '../../src/memtable/arena'
import { Memtable } from '../../src/memtable/memtable'
import { comparePlaces } from '../../src/table/place'
import { makeCell, testSeeds } from '../support'
import { described, type Entry, entry, JobWorld, newestOf, TableKind } from './job-world'

function randomEntries(seed: number, count: number): Entry[] {
  const random = new Simulation({ seed }).random('cells')
  return Array.from({ length: count }, (_, i) => {
    const key = `key-${random.below(count)}`
    const tombstone = random.chance(0.2)
    const value = tombstone ? '' : random.bytes(random.below(random.chance(0.05) ? 3_000 : 50))
    return entry(makeCell({ key, ms: 1 + i, value, tombstone }))
  })
}

function imageOf(entries: readonly Entry[]): MemtableImage {
  const arena = new Arena()
  const memtable = new Memtable(arena)
  for (const { partition, cell } of entries) {
    const hash = keyHash(cell, CELL_HEADER_BYTES, CELL_HEADER_BYTES + cellKeyLength(cell, 0))
    const offset = arena.append(cell, 0, cell.length)
    memtable.apply(hash, partition, arena.tailChunk, offset)
  }
  const { slots, heads } = memtable.pages
  const chunks = arena.buffers.map((_, i) => new Uint8Array(arena.chunk(i)))
  return { keys: memtable.keys, chunks, slotPages: slots, partitionHeads: heads }
}

describe('flush job', () => {
  testSeeds('flush job: any memtable: values and tombstones in a table each', 20, async (seed) => {
    const world = new JobWorld(seed)
    const entries = randomEntries(seed, [0, 1, 40, 2_500][seed % 4]!)
    const job: FlushJob = { type: 'flush', ...world.writing, memtable: imageOf(entries) }
    await world.sim.run(async () => {
      await world.node.ports.disk.makeDirectory(job.directory)
      const { tables, bytesRead, bytesWritten } = await world.run<JobResult>(job)
      const newest = [...newestOf([entries]).values()].sort(comparePlaces)
      for (const kind of [TableKind.data, TableKind.tombstones]) {
        const dead = kind === TableKind.tombstones
        const expected = newest.filter(({ cell }) => isTombstone(cell, 0) === dead)
        expect(described(await world.readAll(tables, kind))).toEqual(described(expected))
        const count = tables.filter((table) => table.kind === kind).length
        expect(count).toBe(expected.length === 0 ? 0 : 1)
      }
      expect(bytesRead).toBe(0)
      expect(bytesWritten).toBe(tables.reduce((sum, { bytes }) => sum + bytes, 0))
    })
  })

  for (const fault of ['EIO', 'ENOSPC', 'short-write'] as const satisfies DiskFault[]) {
    test(`flush job: each I/O call fails: nothing is reported, nothing left (${fault})`, async () => {
      const memtable = imageOf(randomEntries(1, 200))
      for (let call = 1; ; call += 1) {
        const world = new JobWorld(call)
        const { sim, node } = world
        const job: FlushJob = { type: 'flush', ...world.writing, memtable }
        await sim.run(node.ports.disk.makeDirectory(job.directory))
        const last = node.disk.ioCalls + call
        node.disk.faults.failCall(last, fault)
        const code = await sim.run(
          world.run(job).then(
            () => undefined,
            (error) => (error as { code?: string }).code,
          ),
        )
        expect(world.tableFiles()).toHaveLength(code === undefined ? 2 : 0)
        if (node.disk.ioCalls < last) {
          expect(code).toBeUndefined()
          expect(call).toBeGreaterThan(8)
          break
        }
        expect([undefined, 'EIO', 'ENOSPC', 'ESYNC']).toContain(code)
      }
    })
  }

  test('flush job: cancelled: no file is left', async () => {
    const world = new JobWorld(1)
    const job: FlushJob = {
      type: 'flush',
      ...world.writing,
      memtable: imageOf(randomEntries(1, 10_000)),
    }
    await world.sim.run(world.node.ports.disk.makeDirectory(job.directory))
    const running = world.run(job)
    const outcome = running.catch((error) => error as { code?: string })
    await world.sim.runUntil(() => world.tableFiles().length > 0)
    world.worker.cancel()
    expect(await world.sim.run(outcome)).toMatchObject({ code: 'ECANCELED' })
    expect(world.tableFiles()).toEqual([])
  })
})
