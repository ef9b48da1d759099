import type { ForgetJob, JobResult, TableRef } from '../../src/jobs/job'
import { openTableFile } from '../../src/table/table-file'
import {
  described,
  type Entry,
  entry,
  JobWorld,
  newestOf,
  TableKind,
  tablePath,
} from '../jobs/job-world'
import { makeCell, testSeeds } from '../support'

function stamp(ms: number, counter = 0): Buffer {
  return makeCell({ key: 'k', ms, counter }).subarray(8, 24)
}

function tombstone(key: string, ms: number, partition?: number): Entry {
  return entry(makeCell({ key, ms, tombstone: true }), partition)
}

function value(key: string, ms: number, partition?: number): Entry {
  return entry(makeCell({ key, ms, value: 'v' }), partition)
}

interface Case {
  readonly name: string
  readonly goes: boolean
  readonly proofs?: ForgetJob['proofs']
  readonly memory?: Buffer
  /** Cells of a data table, and from where on they count. */
  readonly data?: readonly Entry[]
  readonly after?: Entry
  readonly filter?: false
}

/** What decides on the tombstone of 'm' with the stamp 10 in partition 1. */
const CASES: readonly Case[] = [
  { name: 'no data, all proven', goes: true },
  { name: 'none proven', proofs: 'none', goes: false },
  { name: 'proof reaches its stamp', proofs: Buffer.concat([stamp(0), stamp(10)]), goes: true },
  { name: 'proof is just older', proofs: Buffer.concat([stamp(99), stamp(9, 9)]), goes: false },
  { name: 'no proof of its partition', proofs: stamp(99), goes: false },
  { name: 'memory is newer', memory: stamp(10, 1), goes: true },
  { name: 'memory has its stamp', memory: stamp(10), goes: false },
  { name: 'memory is older', memory: stamp(9), goes: false },
  { name: 'older cell of the key', data: [value('m', 9, 1)], goes: false },
  { name: 'cell with its stamp', data: [value('m', 10, 1)], goes: false },
  { name: 'newer cell of the key only', data: [value('m', 11, 1)], goes: true },
  {
    name: 'newer cell of the key, older ones of others',
    data: [value('a', 1, 1), value('m', 11, 1), value('z', 1, 1)],
    goes: false,
  },
  { name: 'older cells before it', data: [value('a', 1, 1), value('l', 1, 1)], goes: true },
  { name: 'older cells behind it', data: [value('n', 1, 1), value('z', 1, 1)], goes: true },
  { name: 'the key in another partition', data: [value('m', 1, 2)], goes: true },
  { name: 'older cells around it', data: [value('a', 1, 1), value('z', 1, 1)], goes: true },
  {
    name: 'older cells around it, no filter',
    data: [value('a', 1, 1), value('z', 1, 1)],
    filter: false,
    goes: false,
  },
  {
    name: 'older cell, dead already',
    data: [value('a', 1, 1), value('m', 1, 1), value('z', 1, 1)],
    after: value('m', 1, 1),
    goes: true,
  },
  {
    name: 'older cell, alive behind a dead part',
    data: [value('a', 1, 1), value('m', 1, 1), value('z', 1, 1)],
    after: value('l', 1, 1),
    goes: false,
  },
]

async function damageFilter(world: JobWorld, { info }: TableRef): Promise<void> {
  const opening = await openTableFile(world.node.ports.disk, tablePath(info.number), info)
  const { filterAt, filterBytes } = opening.layout!
  await opening.file!.close()
  await world.flipByte(info.number, filterAt + filterBytes - 1)
}

describe('forget job', () => {
  test.each(CASES)('forget job: $name: goes $goes', async (given) => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const subject = tombstone('m', 10, 1)
      const inputs = [await world.writeTable(TableKind.tombstones, [subject])]
      const data: TableRef[] = []
      if (given.data !== undefined) {
        const ref = await world.writeTable(TableKind.data, given.data)
        const { after } = given
        data.push({ ...ref, after: after && { partition: after.partition, key: after.key } })
        if (given.filter === false) await damageFilter(world, ref)
      }
      const job: ForgetJob = {
        ...world.writing,
        type: 'forget',
        inputs,
        data,
        proofs: given.proofs ?? 'all',
        memtableMinStamp: given.memory,
      }
      const result = await world.run<JobResult>(job)
      expect(result.forgotten).toBe(given.goes ? 1 : 0)
      const { forgottenMaxStamp } = result
      expect(forgottenMaxStamp && Buffer.from(forgottenMaxStamp)).toEqual(
        given.goes ? stamp(10) : undefined,
      )
      const kept = await world.readAll(result.tables, TableKind.tombstones)
      expect(described(kept)).toEqual(given.goes ? [] : described([subject]))
    })
  })

  testSeeds(
    'forget job: any tables: keeps what covers, forgets most of the rest',
    40,
    async (seed) => {
      const world = new JobWorld(seed)
      const random = world.sim.random('tables')
      await world.sim.run(async () => {
        const keys = 20 + random.below(400)
        const lists = Array.from({ length: 1 + random.below(4) }, () =>
          Array.from({ length: 1 + random.below(300) }, () =>
            tombstone(`key-${random.below(keys)}`, 1 + random.below(50)),
          ),
        ).map((list) => [...newestOf([list]).values()])
        const inputs: TableRef[] = []
        for (const list of lists) inputs.push(await world.writeTable(TableKind.tombstones, list))
        const data: TableRef[] = []
        const values: Entry[] = []
        for (let i = random.below(6); i > 0; i -= 1) {
          const floor = random.below(60)
          const made = Array.from({ length: 1 + random.below(100) }, () =>
            value(`key-${random.below(keys)}`, 1 + floor + random.below(20)),
          )
          const list = [...newestOf([made]).values()]
          values.push(...list)
          data.push(await world.writeTable(TableKind.data, list))
        }
        const job: ForgetJob = {
          ...world.writing,
          type: 'forget',
          inputs,
          data,
          proofs: 'all',
          memtableMinStamp: undefined,
        }
        const result = await world.run<JobResult>(job)
        const kept = await world.readAll(result.tables, TableKind.tombstones)
        const all = [...newestOf(lists).values()]
        const covers = ({ partition, key, cell }: Entry) =>
          values.some(
            (each) =>
              each.partition === partition &&
              each.key.equals(key) &&
              each.cell.readUIntBE(8, 6) <= cell.readUIntBE(8, 6),
          )
        const needed = all.filter(covers)
        const keptNow = new Set(described(kept))
        expect(described(needed).filter((each) => !keptNow.has(each))).toEqual([])
        expect(result.forgotten).toBe(all.length - kept.length)
        // A newer cell of the key in a table with older ones keeps a tombstone too, and filters err.
        const excusable = all.filter(({ partition, key }) =>
          values.some((each) => each.partition === partition && each.key.equals(key)),
        )
        expect(kept.length).toBeLessThanOrEqual(excusable.length + 4 + all.length * 0.1)
      })
    },
  )

  test('forget job: each I/O call fails: nothing is reported, nothing left', async () => {
    for (let call = 1; ; call += 1) {
      const world = new JobWorld(call)
      const { sim, node } = world
      const job = await sim.run(async (): Promise<ForgetJob> => {
        const some = Array.from({ length: 80 }, (_, i) => tombstone(`k${i}`, 5))
        const inputs = [await world.writeTable(TableKind.tombstones, some)]
        const data = [
          await world.writeTable(
            TableKind.data,
            some.map(({ key }) => value(`${key}`, 4)),
          ),
        ]
        const proofs = 'all'
        return {
          ...world.writing,
          type: 'forget',
          inputs,
          data,
          proofs,
          memtableMinStamp: undefined,
        }
      })
      const before = world.tableFiles()
      const last = node.disk.ioCalls + call
      node.disk.faults.failCall(last, 'EIO')
      const result = await sim.run(world.run<JobResult>(job).catch(() => undefined))
      const reported = (result?.tables ?? []).map(({ number }) => tablePath(number))
      expect(world.tableFiles().sort()).toEqual([...before, ...reported].sort())
      if (node.disk.ioCalls < last) {
        expect(reported.length).toBeGreaterThan(1)
        break
      }
    }
  })
})
