import { KeyedRandom } from '@cassiopeia/env'
import { keyHash } from '@cassiopeia/protocol'
import { DigestBuilder } from '../../src/digest/digest-builder'
import type { DigestJob, DigestResult, TableRef } from '../../src/jobs/job'
import { BlockReader } from '../../src/table/block'
import { OpenedBlock, openTableFile, readIndex } from '../../src/table/table-file'
import { makeCell, testSeeds } from '../support'
import { DIRECTORY, type Entry, entry, JobWorld, newestOf, TableKind, tablePath } from './job-world'

const CUTOFF_MS = 1_000

function job(tables: readonly TableRef[], partitions: readonly number[]): DigestJob {
  const provenMs = partitions.map(() => 0)
  const asked = { partitions, cutoffMs: CUTOFF_MS, provenMs }
  return { type: 'digest', directory: DIRECTORY, tables, bytesPerSecondMax: 0, ...asked }
}

function expected(lists: readonly (readonly Entry[])[], partitions: readonly number[]) {
  const newest = [...newestOf(lists).values()]
  return partitions.map((partition) => {
    const builder = new DigestBuilder(CUTOFF_MS)
    builder.begin(0)
    for (const each of newest) {
      if (each.partition !== partition) continue
      builder.add(each.cell, 0, keyHash(each.key, 0, each.key.length))
    }
    return builder.take(partition, false)
  })
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function values(partition: number, count: number, bytes: number, ms = 1): Entry[] {
  return range(0, count).map((i) => {
    const value = Buffer.alloc(bytes, i)
    return entry(makeCell({ key: `k${partition}-${1_000 + i}`, ms, value }), partition)
  })
}

interface Block {
  readonly at: number
  readonly bytes: number
  /** Of its cells. */
  readonly partitions: ReadonlySet<number>
}

async function blocksOf(world: JobWorld, { info }: TableRef): Promise<Block[]> {
  const { disk } = world.node.ports
  const path = tablePath(info.number)
  const { file, layout } = await openTableFile(disk, path, info)
  const index = await readIndex(file!, layout!)
  if (typeof index === 'string') throw new Error(index)
  await file!.close()
  const whole = await disk.readFile(path)
  return range(0, index.blocks).map((block) => {
    const at = index.position(block)
    const bytes = index.bytesOf(block)
    const opened = new OpenedBlock()
    expect(opened.open(whole, at, at + bytes, layout!.seed, at)).toBeUndefined()
    const reader = new BlockReader()
    reader.open(opened.bytes, opened.base, opened.length)
    const partitions = new Set<number>()
    do partitions.add(reader.partition)
    while (reader.next())
    return { at, bytes, partitions }
  })
}

describe('digest job', () => {
  testSeeds('digest job: random tables and partitions: as one by one', 60, async (seed) => {
    const world = new JobWorld(seed)
    const random = new KeyedRandom(seed, 'digest job')
    await world.sim.run(async () => {
      const lists: Entry[][] = []
      const tables: TableRef[] = []
      const partitions = 1 + random.below(40)
      const valueBytes = [10, 200, 6_000][random.below(3)]!
      for (let table = 0; table < 1 + random.below(6); table += 1) {
        const tombstone = random.chance(0.3)
        const made = range(0, 1 + random.below(120)).map(() => {
          const key = `k${random.below(200)}`
          const value = tombstone ? '' : Buffer.alloc(random.below(valueBytes), 1)
          const ms = 1 + random.below(1_100)
          const cell = makeCell({ key, ms, counter: table, value, tombstone })
          return entry(cell, keyHash(Buffer.from(key), 0, key.length) % partitions)
        })
        const list = [...newestOf([made]).values()]
        lists.push(list)
        const kind = tombstone ? TableKind.tombstones : TableKind.data
        const ref = await world.writeTable(kind, list)
        const dead = random.chance(0.2) ? list[random.below(list.length)] : undefined
        tables.push({ ...ref, after: dead })
        if (dead !== undefined) lists[table] = list.filter((each) => isAbove(each, dead))
      }
      const share = random.below(101) / 100
      const asked = range(0, partitions + 3).filter(() => random.chance(share))
      const { digests, damages } = await world.run<DigestResult>(job(tables, asked))
      expect(digests).toEqual(expected(lists, asked))
      expect(damages).toEqual([])
    })
  })

  test('digest job: 1,024 partitions, 3 with cells: reads no more than for these', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const cells = [3, 700, 1_000].flatMap((partition) => values(partition, 5, 20))
      const table = await world.writeTable(TableKind.data, cells)
      const before = world.node.disk.ioCalls
      await world.run<DigestResult>(job([table], [3, 700, 1_000]))
      const callsOfThree = world.node.disk.ioCalls - before
      const { digests } = await world.run<DigestResult>(job([table], range(0, 1_024)))
      expect(world.node.disk.ioCalls - before).toBe(2 * callsOfThree)
      expect(digests).toEqual(expected([cells], range(0, 1_024)))
      await world.run<DigestResult>(job([table], range(4, 700)))
      await world.run<DigestResult>(job([], range(4, 700)))
    })
  })

  test('digest job: some of many partitions: what lies between is not read', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const cells = range(0, 40).flatMap((partition) => values(partition, 100, 500))
      const table = await world.writeTable(TableKind.data, cells)
      const asked = [2, 20, 37]
      const { digests } = await world.run<DigestResult>(job([table], asked))
      expect(digests).toEqual(expected([cells], asked))
      // Within one budget of bytes it takes the longer the more it reads.
      const beganMs = world.sim.nowMs
      await world.run<DigestResult>({ ...job([table], asked), bytesPerSecondMax: 100_000 })
      expect(world.sim.nowMs - beganMs).toBeGreaterThan(1_500)
      expect(world.sim.nowMs - beganMs).toBeLessThan(6_000)
      expect(table.info.bytes).toBeGreaterThan(2_000_000)
    })
  })

  test('digest job: each block of a table damaged: those partitions that it has cells of', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      // Partitions that share blocks, that fill some, and one that ends where a block does.
      const sizes = [3, 30, 2, 1, 4, 9, 1, 1, 40, 2]
      const cells = sizes.flatMap((count, i) => values(i * 3, count, 90))
      const others = range(0, 30).flatMap((partition) => values(partition, 2, 10, 2))
      const other = await world.writeTable(TableKind.data, others)
      const asked = range(0, 30)
      const right = expected([cells, others], asked)
      const table = await world.writeTable(TableKind.data, cells)
      const blocks = await blocksOf(world, table)
      expect(blocks.length).toBeGreaterThan(10)
      // One of the cases: a partition ends where a block does.
      expect(
        blocks.some(
          ({ partitions }, i) => i > 0 && isDisjoint(partitions, blocks[i - 1]!.partitions),
        ),
      ).toBe(true)
      for (const { at, bytes, partitions } of blocks) {
        await world.flipByte(table.info.number, at + 40)
        const { digests, damages } = await world.run<DigestResult>(job([table, other], asked))
        expect(damages).toMatchObject([{ table: table.info.number, at, bytes }])
        for (const [i, digest] of digests.entries()) {
          const { partition, damaged, leaves } = digest
          if (partitions.has(partition)) expect([partition, damaged]).toEqual([partition, true])
          // Of one that has no cells at all in the table nobody can say.
          else if (sizes[partition / 3] !== undefined) expect(damaged).toBe(false)
          if (damaged) expect(leaves).toBeUndefined()
          else expect(digest).toEqual(right[i])
        }
        await world.flipByte(table.info.number, at + 40)
      }
      const sound = await world.run<DigestResult>(job([table, other], asked))
      expect(sound).toEqual({ digests: right, damages: [] })
    })
  })

  test('digest job: a table is lost: all partitions between its ends, no others', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const cells = range(5, 9).flatMap((partition) => values(partition, 9, 90))
      const others = range(0, 20).flatMap((partition) => values(partition, 2, 10))
      const lost = await world.writeTable(TableKind.data, cells)
      const other = await world.writeTable(TableKind.data, others)
      await world.node.ports.disk.unlink(tablePath(lost.info.number))
      const { digests, damages } = await world.run<DigestResult>(job([lost, other], range(0, 20)))
      const right = expected([others], range(0, 20))
      for (const digest of digests) {
        const isBetween = digest.partition >= 5 && digest.partition < 9
        if (isBetween) expect(digest.damaged).toBe(true)
        else expect(digest).toEqual(right[digest.partition])
      }
      const what = expect.stringContaining('missing')
      expect(damages).toMatchObject([{ table: lost.info.number, at: 0, what }])
    })
  })

  test('digest job: cancelled, or the disk fails: says so, and leaves no file open', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const table = await world.writeTable(TableKind.data, values(1, 200, 100))
      const running = world.run<DigestResult>(job([table], [1]))
      world.worker.cancel()
      await expect(running).rejects.toMatchObject({ code: 'ECANCELED' })
      world.node.disk.faults.failCall(world.node.disk.ioCalls + 3, 'EIO')
      await expect(world.run(job([table], [1]))).rejects.toMatchObject({ code: 'EIO' })
    })
  })
})

function isAbove(a: Entry, b: Entry): boolean {
  return a.partition - b.partition > 0 || (a.partition === b.partition && a.key.compare(b.key) > 0)
}

function isDisjoint(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return [...a].every((each) => !b.has(each))
}
