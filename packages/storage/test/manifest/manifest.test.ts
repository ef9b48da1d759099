import { KeyedRandom, type SimProcess, type Simulation } from '@cassiopeia/env'
import type { CassioError } from '@cassiopeia/protocol'
import {
  decodeManifest,
  encodeManifest,
  type ManifestState,
  type ManifestTable,
} from '../../src/manifest/format'
import { Manifest } from '../../src/manifest/manifest'
import { writeRecord } from '../../src/record-file'
import { TableKind, tableName } from '../../src/table/table-info'
import {
  expectSame,
  LOG_DIRECTORY,
  logFile,
  Model,
  makeCell,
  openClient,
  plant,
  simulate,
  type TestClient,
  testSeeds,
} from '../support'

const MANIFEST = '/data/MANIFEST'
const OPTIONS = { memtableBytes: 4_096, tableBytes: 4_096, segmentBytes: 1_024 }

const asError = (error: unknown) => error as CassioError

function randomState(random: KeyedRandom): ManifestState {
  const place = () => ({ partition: random.below(2 ** 24), key: random.bytes(random.below(40)) })
  const table = (): ManifestTable => ({
    info: {
      number: random.below(2 ** 31) * 2 ** 16,
      kind: random.chance(0.5) ? TableKind.data : TableKind.tombstones,
      bytes: random.u32() * 2,
      blocks: random.u32(),
      cells: random.u32() * 3,
      cellBytes: random.u32() * 4,
      first: place(),
      last: place(),
      minStamp: random.bytes(16),
      maxStamp: random.bytes(16),
      halfExpiredMs: random.chance(0.5) ? 0 : 1_735_689_600_000,
      footerCrc: random.u32(),
    },
    run: random.u32() * 5,
    after: random.chance(0.5) ? place() : undefined,
    applied: random.chance(0.5),
  })
  return {
    nextNumber: 2 ** 48 - 1 - random.below(1_000),
    nextRun: random.u32(),
    logFirst: 1 + random.u32(),
    partitions: 1 + random.below(2 ** 24),
    tables: Array.from({ length: random.below(20) }, table),
  }
}

describe('manifest format', () => {
  testSeeds('manifest format: any state: decoded as it was encoded', 20, async (seed) => {
    const state = randomState(new KeyedRandom(seed, 'manifest'))
    expect(decodeManifest(encodeManifest(state))).toEqual(state)
  })

  test('manifest format: an empty state: these bytes', () => {
    const state = { nextNumber: 0x0102, nextRun: 3, logFirst: 4, partitions: 5, tables: [] }
    expect(encodeManifest(state).toString('hex')).toBe(
      '0001' + '000000000102' + '000000000003' + '000000000004' + '00000005' + '00000000',
    )
  })

  test('manifest: opened with another number of partitions: CASSIO_CONFIG, nothing changed', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const { disk } = node.ports
      for (const name of ['commit-log', 'tables']) await disk.makeDirectory(`/data/${name}`)
      await Manifest.open(disk, '/data', 16)
      await expect(Manifest.open(disk, '/data', 1)).rejects.toMatchObject({ code: 'CASSIO_CONFIG' })
      expect((await Manifest.open(disk, '/data', 16)).state.partitions).toBe(16)
    })
  })

  test('manifest format: cut, longer, of another version or with an unknown kind: CASSIO_CORRUPT', () => {
    const random = new KeyedRandom(5, 'manifest')
    let state = randomState(random)
    while (state.tables.length === 0) state = randomState(random)
    const bytes = encodeManifest(state)
    const fault = (broken: Buffer) => {
      try {
        decodeManifest(broken)
      } catch (error) {
        expect(error).toMatchObject({ code: 'CASSIO_CORRUPT' })
        return (error as CassioError).message
      }
      throw new Error('taken')
    }
    for (let length = 0; length < bytes.length; length += 1) {
      expect(fault(bytes.subarray(0, length))).toMatch(/ends too early/)
    }
    expect(fault(Buffer.concat([bytes, Buffer.alloc(1)]))).toMatch(/left over/)
    const other = Buffer.from(bytes)
    other.writeUInt16BE(2, 0)
    expect(fault(other)).toMatch(/version 2 is unknown/)
    const kind = Buffer.from(bytes)
    kind.writeUInt8(7, 28 + 6)
    expect(fault(kind)).toMatch(/unknown kind/)
  })
})

interface World {
  readonly sim: Simulation
  readonly node: SimProcess
  readonly model: Model
}

async function writeSome(client: TestClient, model: Model, from: number): Promise<void> {
  for (let i = from; i < from + 20; i += 1) {
    const cell = makeCell({ key: `key-${i}`, ms: i + 1, value: Buffer.alloc(100, i) })
    await client.write(cell)
    model.write(cell)
  }
}

/** A store with tables and a log, closed. */
async function written(): Promise<World> {
  const { sim, node } = simulate(1)
  const model = new Model()
  await sim.run(async () => {
    const client = await openClient(node.ports, OPTIONS)
    await writeSome(client, model, 0)
    await client.store.flush()
    await writeSome(client, model, 15)
    await client.store.close()
  })
  return { sim, node, model }
}

function openRefused({ sim, node }: World): Promise<CassioError> {
  return sim.run(openClient(node.ports, OPTIONS).then(() => asError(undefined), asError))
}

describe('manifest', () => {
  test('manifest: missing beside tables or a log: refused, nothing touched, fine once restored', async () => {
    const world = await written()
    const { sim, node, model } = world
    const bytes = node.disk.peek(MANIFEST)
    await sim.run(() => node.ports.disk.unlink(MANIFEST))
    const before = node.disk.paths()
    const refused = await openRefused(world)
    expect(refused).toMatchObject({ code: 'CASSIO_CORRUPT' })
    expect(refused.message).toMatch(/MANIFEST is missing/)
    expect(node.disk.paths()).toEqual(before)
    await plant(sim, node, MANIFEST, bytes)
    await sim.run(async () => expectSame(await openClient(node.ports, OPTIONS), model))
  })

  test('manifest: missing beside a log alone, or a table alone: refused', async () => {
    for (const path of [logFile(1), `/data/tables/${tableName(1)}`]) {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        await node.ports.disk.makeDirectory(LOG_DIRECTORY)
        await node.ports.disk.makeDirectory('/data/tables')
      })
      await plant(sim, node, path, Buffer.alloc(0))
      const refused = await openRefused({ sim, node, model: new Model() })
      expect(refused).toMatchObject({ code: 'CASSIO_CORRUPT' })
      expect(node.disk.paths()).toEqual([path])
    }
  })

  test('manifest: any bit flipped: refused, nothing touched', async () => {
    const world = await written()
    const { sim, node, model } = world
    const bits = node.disk.peek(MANIFEST).length * 8
    const before = node.disk.paths()
    for (let bit = 0; bit < bits; bit += 3) {
      node.disk.flipBit(MANIFEST, bit)
      expect(await openRefused(world)).toMatchObject({ code: 'CASSIO_CORRUPT' })
      node.disk.flipBit(MANIFEST, bit)
      expect(node.disk.paths()).toEqual(before)
    }
    await sim.run(async () => expectSame(await openClient(node.ports, OPTIONS), model))
  })

  test('manifest: from another version: refused, which it says', async () => {
    const world = await written()
    const { sim, node } = world
    const payload = Buffer.from(node.disk.peek(MANIFEST).subarray(16))
    payload.writeUInt16BE(2, 0)
    await sim.run(() => writeRecord(node.ports.disk, MANIFEST, payload))
    const refused = await openRefused(world)
    expect(refused).toMatchObject({ code: 'CASSIO_CORRUPT' })
    expect(refused.message).toMatch(/version 2 is unknown/)
  })

  test('manifest: tables that it does not name: removed at open, other files left alone', async () => {
    const { sim, node, model } = await written()
    const orphan = `/data/tables/${tableName(123_456)}`
    await plant(sim, node, orphan, Buffer.from('left by a crash'))
    await plant(sim, node, '/data/tables/notes.txt', Buffer.from('mine'))
    await plant(sim, node, `${MANIFEST}.aside`, Buffer.from('left by a crash'))
    await sim.run(async () => {
      const client = await openClient(node.ports, OPTIONS)
      expect(node.disk.paths()).not.toContain(orphan)
      expect(node.disk.paths()).toContain('/data/tables/notes.txt')
      await client.store.compact()
      expect(node.disk.paths()).not.toContain(`${MANIFEST}.aside`)
      await expectSame(client, model)
    })
  })

  test('manifest: numbers of tables: never given twice, not even those of removed orphans', async () => {
    const { sim, node, model } = await written()
    await sim.run(async () => {
      const seen = new Set<string>()
      for (let round = 0; round < 5; round += 1) {
        const client = await openClient(node.ports, OPTIONS)
        await writeSome(client, model, round * 7)
        await client.store.compact()
        const names = node.disk.paths().filter((path) => path.endsWith('.table'))
        for (const name of names) expect(seen.has(name)).toBe(false)
        for (const name of names) seen.add(name)
        await client.store.close()
      }
    })
  })

  test('manifest: killed at each I/O call of a write, opened, then no power: what was opened stands', async () => {
    const state = { nextNumber: 9, nextRun: 9, logFirst: 5, partitions: 1, tables: [] }
    for (let calls = 1; ; calls += 1) {
      const { sim, node } = simulate(calls)
      const manifest = await sim.run(async () => {
        await node.ports.disk.makeDirectory(LOG_DIRECTORY)
        await node.ports.disk.makeDirectory('/data/tables')
        return Manifest.open(node.ports.disk, '/data', 1)
      })
      const limit = node.disk.ioCalls + calls
      let done = false
      void manifest.write(state).then(() => {
        done = true
      })
      await sim.runUntil(() => node.disk.ioCalls >= limit || done)
      node.kill()
      node.restart()
      // By now files may be removed that only the older state names.
      const opened = await sim.run(Manifest.open(node.ports.disk, '/data', 1))
      node.powerCut('drop')
      node.restart()
      const again = await sim.run(Manifest.open(node.ports.disk, '/data', 1))
      expect(again.state).toEqual(opened.state)
      if (done) return
    }
  })
})
