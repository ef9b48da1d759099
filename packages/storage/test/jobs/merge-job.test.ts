import type { DiskFault, KeyedRandom } from '@cassiopeia/env'
import type { JobResult, MergeJob, MergeProgress, TableRef } from '../../src/jobs/job'
import { comparePlaces, type Place } from '../../src/table/place'
import type { TableInfo } from '../../src/table/table-info'
import { makeCell, testSeeds } from '../support'
import {
  described,
  type Entry,
  entry,
  JobWorld,
  mergeModel,
  newestOf,
  TableKind,
  tablePath,
} from './job-world'

const NOW_MS = 1_000

function randomCells(random: KeyedRandom, count: number, keys: number, kind: TableKind): Entry[] {
  const entries: Entry[] = []
  for (let i = 0; i < count; i += 1) {
    const key = `key-${random.below(keys)}`
    const ms = 1 + random.below(20)
    const tombstone = kind === TableKind.tombstones
    const value = tombstone ? '' : random.bytes(random.below(60))
    const expires = random.chance(0.2) ? { expiryMs: NOW_MS - 2 + random.below(5) } : {}
    entries.push(entry(makeCell({ key, ms, value, tombstone, ...expires })))
  }
  return [...newestOf([entries]).values()]
}

interface Setting {
  readonly job: MergeJob
  readonly inputs: Entry[][]
  readonly covers: Entry[][]
}

async function randomSetting(world: JobWorld, random: KeyedRandom, size = 200): Promise<Setting> {
  const keys = 1 + random.below(size)
  const setting = { inputs: [] as Entry[][], covers: [] as Entry[][] }
  const refs = { inputs: [] as TableRef[], covers: [] as TableRef[] }
  for (const [role, kind, most] of [
    ['inputs', TableKind.data, 5],
    ['covers', TableKind.tombstones, 3],
  ] as const) {
    for (let i = role === 'inputs' ? 0 : 1; i <= random.below(most); i += 1) {
      const entries = randomCells(random, 1 + random.below(size), keys, kind)
      const ref = await world.writeTable(kind, entries)
      const after = random.chance(0.3) ? entries[random.below(entries.length)]! : undefined
      const left = after && { partition: after.partition, key: after.key }
      refs[role].push({ ...ref, after: left })
      setting[role].push(
        entries.filter((each) => after === undefined || comparePlaces(each, after) > 0),
      )
    }
  }
  const job: MergeJob = {
    type: 'merge',
    ...world.writing,
    ...refs,
    nowMs: NOW_MS,
    bytesPerSecondMax: 0,
  }
  return { job, ...setting }
}

describe('merge job', () => {
  testSeeds('merge job: any tables: as the model', 60, async (seed) => {
    const world = new JobWorld(seed)
    await world.sim.run(async () => {
      const setting = await randomSetting(world, world.sim.random('setting'))
      const tables: TableInfo[] = []
      const result = await world.run<JobResult>(setting.job, (message) => {
        tables.push(...(message as MergeProgress).tables)
      })
      tables.push(...result.tables)
      const expected = mergeModel(setting.inputs, setting.covers, NOW_MS)
      const data = await world.readAll(tables, TableKind.data)
      const tombstones = await world.readAll(tables, TableKind.tombstones)
      expect(described(data)).toEqual(described(expected.data))
      expect(described(tombstones)).toEqual(described(expected.tombstones))
      expect(result.bytesWritten).toBe(tables.reduce((sum, { bytes }) => sum + bytes, 0))
      expect(result.bytesRead).toBeGreaterThan(0)
      expect(new Set(tables.map(({ number }) => number)).size).toBe(tables.length)
    })
  })

  testSeeds(
    'merge job: a crash after any progress: nothing lost, nothing risen',
    60,
    async (seed) => {
      const world = new JobWorld(seed)
      await world.sim.run(async () => {
        const setting = await randomSetting(world, world.sim.random('setting'), 400)
        const reports: MergeProgress[] = []
        const result = await world.run<JobResult>(setting.job, (message) => {
          reports.push(message as MergeProgress)
        })
        const expected = mergeModel(setting.inputs, setting.covers, NOW_MS)
        const tables: TableInfo[] = []
        let upTo: Place | undefined
        for (const report of [...reports, result]) {
          tables.push(...report.tables)
          upTo = 'upTo' in report ? report.upTo : undefined
          const last = upTo
          const rest =
            'upTo' in report
              ? setting.inputs.map((list) => list.filter((each) => comparePlaces(each, last!) > 0))
              : []
          // All that a store would read then: what is left of the inputs, outputs and covers.
          const data = await world.readAll(tables, TableKind.data)
          const tombstones = await world.readAll(tables, TableKind.tombstones)
          const now = mergeModel([data, ...rest], [tombstones, ...setting.covers], NOW_MS)
          expect(described(now.data)).toEqual(described(expected.data))
        }
        for (const { tables } of reports) {
          expect(tables.filter(({ kind }) => kind === TableKind.data).length).toBe(1)
        }
      })
    },
  )

  test('merge job: nothing survives: no tables, covers far beyond the inputs unread', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const old = [1, 2, 3].map((i) => entry(makeCell({ key: `k${i}`, ms: 1 }), 5))
      const deleted = Array.from({ length: 900 }, (_, i) =>
        entry(makeCell({ key: `k${i}`, ms: 2, tombstone: true }), 5 + Math.floor(i / 4)),
      )
      const inputs = [await world.writeTable(TableKind.data, old)]
      const covers = [await world.writeTable(TableKind.tombstones, deleted)]
      const job: MergeJob = {
        ...world.writing,
        type: 'merge',
        inputs,
        covers,
        nowMs: 0,
        bytesPerSecondMax: 0,
      }
      const result = await world.run<JobResult>(job)
      expect(result).toMatchObject({ tables: [], bytesWritten: 0 })
      expect(result.bytesRead).toBeLessThan(covers[0]!.info.bytes / 2)
    })
  })

  test('merge job: bytes per second: it takes as long as that', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const { job } = await randomSetting(world, world.sim.random('setting'), 3_000)
      const beganMs = world.sim.nowMs
      const result = await world.run<JobResult>({ ...job, bytesPerSecondMax: 20_000 })
      const seconds = (world.sim.nowMs - beganMs) / 1_000
      const expected = (result.bytesRead + result.bytesWritten) / 20_000
      // What comes after the last pause is not waited for.
      expect(seconds).toBeGreaterThan(expected * 0.5)
      expect(seconds).toBeLessThan(expected * 1.2)
    })
  })

  test('merge job: cancelled at any moment: no file is left but those reported', async () => {
    for (let delay = 0; delay < 60; delay += 1) {
      const world = new JobWorld(7)
      const { job } = await world.sim.run(randomSetting(world, world.sim.random('setting'), 400))
      const before = world.tableFiles()
      const reported: string[] = []
      let settled = false
      const running = world
        .run<JobResult>(job, (message) => {
          reported.push(...(message as MergeProgress).tables.map(({ number }) => tablePath(number)))
        })
        .then(
          ({ tables }) => {
            reported.push(...tables.map(({ number }) => tablePath(number)))
            return undefined
          },
          (error) => error as { code?: string },
        )
        .finally(() => {
          settled = true
        })
      const calls = world.node.disk.ioCalls
      await world.sim.runUntil(() => settled || world.node.disk.ioCalls >= calls + delay)
      world.worker.cancel()
      const error = await world.sim.run(running)
      if (error !== undefined) expect(error.code).toBe('ECANCELED')
      expect(world.tableFiles().sort()).toEqual([...before, ...reported].sort())
    }
  })

  for (const fault of ['EIO', 'ENOSPC', 'short-write'] as const satisfies DiskFault[]) {
    test(`merge job: each I/O call fails: reported tables are whole, others gone (${fault})`, async () => {
      let failures = 0
      for (let call = 1; ; call += 1) {
        const world = new JobWorld(11)
        const { sim, node } = world
        const setting = await sim.run(randomSetting(world, sim.random('setting'), 150))
        const before = world.tableFiles()
        const tables: TableInfo[] = []
        node.disk.faults.failCall(node.disk.ioCalls + call, fault)
        const last = node.disk.ioCalls + call
        const error = await sim.run(
          world
            .run<JobResult>(setting.job, (message) => {
              tables.push(...(message as MergeProgress).tables)
            })
            .then(
              (result) => {
                tables.push(...result.tables)
                return undefined
              },
              (reason) => reason as { code?: string },
            ),
        )
        const met = node.disk.ioCalls >= last
        node.disk.faults.clear()
        expect(world.tableFiles().sort()).toEqual(
          [...before, ...tables.map(({ number }) => tablePath(number))].sort(),
        )
        // A power cut shows whether what was reported is durable.
        node.powerCut('drop')
        node.restart()
        const data = await sim.run(world.readAll(tables, TableKind.data))
        const expected = described(mergeModel(setting.inputs, setting.covers, NOW_MS).data)
        if (error === undefined) expect(described(data)).toEqual(expected)
        else {
          failures += 1
          expect(['EIO', 'ENOSPC', 'ESYNC']).toContain(error.code)
          expect(described(data)).toEqual(expected.slice(0, data.length))
        }
        if (!met) break
      }
      expect(failures).toBeGreaterThan(20)
    })
  }

  test('merge job: a damaged input or cover: CASSIO_CORRUPT names its table', async () => {
    for (const role of ['inputs', 'covers'] as const) {
      const world = new JobWorld(3)
      await world.sim.run(async () => {
        const made = [1, 2, 3].map((i) => entry(makeCell({ key: `k${i}`, ms: 1, value: 'v' })))
        const gone = [2, 3].map((i) => entry(makeCell({ key: `k${i}`, ms: 2, tombstone: true })))
        const inputs = [await world.writeTable(TableKind.data, made)]
        const covers = [await world.writeTable(TableKind.tombstones, gone)]
        const { number } = { inputs, covers }[role][0]!.info
        await world.flipByte(number, 80)
        const job: MergeJob = {
          ...world.writing,
          type: 'merge',
          inputs,
          covers,
          nowMs: 0,
          bytesPerSecondMax: 0,
        }
        await expect(world.run(job)).rejects.toMatchObject({
          code: 'CASSIO_CORRUPT',
          table: number,
        })
        expect(world.tableFiles()).toHaveLength(2)
      })
    }
  })
})
