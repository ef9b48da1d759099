import type { CassioError } from '@cassiopeia/protocol'
import { NEVER_PROVEN } from '../src'
import {
  describeCells,
  expectSame,
  Model,
  makeCell,
  openClient,
  simulate,
  type TestClient,
  testSeeds,
} from './support'

const asError = (error: unknown) => error as CassioError

const OPTIONS = {
  memtableBytes: 4_096,
  tableBytes: 4_096,
  blockBytes: 512,
  segmentBytes: 2_048,
  // Tombstones stay, so that all cells can be compared.
  proof: NEVER_PROVEN,
}

function cellsOf(count: number, ms: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const key = `key-${i}`
    return i % 5 === ms % 5
      ? makeCell({ key, ms, tombstone: true })
      : makeCell({ key, ms, value: Buffer.alloc(100, ms) })
  })
}

async function writeAll(client: TestClient, cells: readonly Buffer[], model: Model): Promise<void> {
  await Promise.all(cells.map((cell) => client.write(cell)))
  for (const cell of cells) model.write(cell)
}

describe('snapshot', () => {
  test('snapshot: cells in log and tables: the copy has them, each goes its own way', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const model = new Model()
      const client = await openClient(node.ports, OPTIONS)
      await writeAll(client, cellsOf(100, 1), model)
      await client.store.flush()
      await writeAll(client, cellsOf(50, 2), model)
      await client.store.snapshot('/copies/first')
      const copied = model.copy()
      await writeAll(client, cellsOf(100, 3), model)
      await client.store.compact()
      await expectSame(client, model)
      await client.store.close()
      // The copy is a store like any other: what it does is not seen by the original.
      const copy = await openClient(node.ports, { ...OPTIONS, directory: '/copies/first' })
      await expectSame(copy, copied)
      expect((await copy.store.verify()).damages).toEqual([])
      await writeAll(copy, cellsOf(70, 9), copied)
      await copy.store.compact()
      await copy.store.close()
      const again = await openClient(node.ports, { ...OPTIONS, directory: '/copies/first' })
      await expectSame(again, copied)
      await expectSame(await openClient(node.ports, OPTIONS), model)
    })
  })

  test('snapshot: of an empty store, and of a copy: open', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      await client.store.snapshot('/a')
      const copy = await openClient(node.ports, { directory: '/a' })
      expect(await copy.all()).toEqual([])
      const cell = makeCell({ key: 'key', ms: 1 })
      await copy.write(cell)
      await copy.store.snapshot('/b')
      const second = await openClient(node.ports, { directory: '/b' })
      expect(second.read('key')).toEqual(cell)
      expect(client.read('key')).toBeUndefined()
    })
  })

  test('snapshot: a place that is not empty, or the same again: refused, nothing touched', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const cell = makeCell({ key: 'key', ms: 1 })
      await client.write(cell)
      await client.store.snapshot('/copy')
      await node.ports.disk.makeDirectory('/full/of/things')
      const before = node.disk.paths()
      for (const directory of ['/copy', '/data', '/full']) {
        const refused = await client.store.snapshot(directory).catch(asError)
        expect(refused).toMatchObject({ code: 'CASSIO_STORAGE' })
        expect((refused as CassioError).message).toContain(directory)
      }
      expect(node.disk.paths()).toEqual(before)
      await client.write(makeCell({ key: 'other', ms: 1 }))
      expect((await openClient(node.ports, { directory: '/copy' })).read('key')).toEqual(cell)
      await node.ports.disk.makeDirectory('/empty')
      await client.store.snapshot('/empty')
    })
  })

  test('snapshot: closed: refused', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      await client.store.close()
      const refused = await client.store.snapshot('/copy').catch(asError)
      expect(refused).toMatchObject({ code: 'CASSIO_CLOSED' })
      expect(node.disk.paths()).not.toContain('/copy/MANIFEST')
    })
  })

  testSeeds(
    'snapshot: amid writes, flushes and merges: all that was acknowledged before, and a prefix',
    25,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const random = sim.random('snapshot')
      await sim.run(async () => {
        const client = await openClient(node.ports, OPTIONS)
        const given: Buffer[] = []
        let acknowledged = 0
        let asked = 0
        const snapshots: Promise<void>[] = []
        const wanted = Array.from({ length: 4 }, () => random.below(120))
        for (let step = 0; step < 120; step += 1) {
          for (const [index, at] of wanted.entries()) {
            if (at !== step) continue
            const floor = acknowledged
            const directory = `/copy-${index}`
            snapshots.push(
              client.store
                .snapshot(directory)
                .then(() => expectPrefix(node.ports, directory, given, floor)),
            )
            asked += 1
          }
          const cell = makeCell({
            key: `key-${step}`,
            ms: 1 + step,
            value: random.bytes(random.below(300)),
          })
          given.push(cell)
          void client.write(cell).then(() => {
            acknowledged += 1
          })
          if (random.chance(0.3)) await sim.sleep(random.between(0, 3))
          if (random.chance(0.02)) void client.store.compact()
        }
        await Promise.all(snapshots)
        expect(asked).toBe(4)
        await client.store.flush()
        expect(await client.all()).toHaveLength(120)
      })
    },
  )

  for (const end of ['kill', 'power'] as const) {
    test(`snapshot: crash at each I/O call: the original is whole, the copy too if it opens (${end})`, async () => {
      const model = new Model()
      const prepare = async (seed: number) => {
        const world = simulate(seed)
        const client = await world.sim.run(async () => {
          const opened = await openClient(world.node.ports, OPTIONS)
          await writeAll(opened, cellsOf(40, 1), model)
          await opened.store.flush()
          await writeAll(opened, cellsOf(10, 2), model)
          await opened.store.compact()
          await writeAll(opened, cellsOf(5, 3), model)
          return opened
        })
        return { ...world, client }
      }
      for (let calls = 1; ; calls += 1) {
        const { sim, node, client } = await prepare(calls)
        const limit = node.disk.ioCalls + calls
        let done = false
        void client.store.snapshot('/copy').then(() => {
          done = true
        })
        await sim.runUntil(() => node.disk.ioCalls >= limit || done)
        if (end === 'kill') node.kill()
        else node.powerCut()
        node.restart()
        await sim.run(async () => {
          await expectSame(await openClient(node.ports, OPTIONS), model)
          const opened = await openClient(node.ports, { ...OPTIONS, directory: '/copy' }).catch(
            asError,
          )
          const whole = node.disk.paths().includes('/copy/MANIFEST')
          if (done) expect(whole).toBe(true)
          if (opened instanceof Error) expect(opened.code).toBe('CASSIO_CORRUPT')
          else if (done) await expectSame(opened, model)
        })
        if (done) return
      }
    })
  }
})

/** The copy has the first of the cells, at least so many. */
async function expectPrefix(
  ports: Parameters<typeof openClient>[0],
  directory: string,
  given: readonly Buffer[],
  floor: number,
): Promise<void> {
  const copy = await openClient(ports, { ...OPTIONS, directory })
  const cells = await copy.all()
  cells.sort((a, b) => a.readUIntBE(8, 6) - b.readUIntBE(8, 6))
  expect(cells.length).toBeGreaterThanOrEqual(floor)
  expect(describeCells(cells)).toEqual(describeCells(given.slice(0, cells.length)))
  await copy.store.close()
}
