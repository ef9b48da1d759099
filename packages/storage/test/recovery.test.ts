import {
  type Disk,
  type DiskFile,
  KeyedRandom,
  type SimProcess,
  type Simulation,
} from '@cassiopeia/env'
import type { CassioError } from '@cassiopeia/protocol'
import type { RecoveryReport } from '../src'
import {
  BATCH_HEADER_BYTES,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from '../src/commit-log/format'
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
  type TestOptions,
  testSeeds,
} from './support'

interface World {
  readonly sim: Simulation
  readonly node: SimProcess
}

/** One batch per cell, then a kill: a log whose end no empty batch marks. */
async function writtenLog(
  cells: readonly Buffer[],
  options: TestOptions = {},
  end: 'kill' | 'close' = 'kill',
): Promise<World> {
  const world = simulate(1)
  await world.sim.run(async () => {
    const client = await openClient(world.node.ports, options)
    for (const cell of cells) await client.write(cell)
    if (end === 'close') await client.store.close()
  })
  world.node.kill()
  world.node.restart()
  return world
}

/** Opens, hands over the client, closes. @returns what opening found, or why it was refused. */
async function reopen(
  { sim, node }: World,
  use: (client: TestClient) => Promise<void> = async () => {},
): Promise<RecoveryReport | CassioError> {
  return sim.run(async () => {
    try {
      const client = await openClient(node.ports)
      await use(client)
      await client.store.close()
      return client.store.stats().recovered
    } catch (error) {
      if ((error as CassioError).code === undefined) throw error
      return error as CassioError
    } finally {
      node.kill()
      node.restart()
    }
  })
}

/** A store that was opened and closed, with this as its log. */
async function planted(log: Buffer): Promise<World> {
  const world = await writtenLog([], {}, 'close')
  await plant(world.sim, world.node, logFile(1), log)
  return world
}

function segmentsOf({ node }: World): number {
  return node.disk.paths().filter((path) => path.endsWith('.log')).length
}

function modelOf(cells: readonly Buffer[]): Model {
  const model = new Model()
  for (const cell of cells) model.write(cell)
  return model
}

const MANIFEST = '/data/MANIFEST'
const CELLS = Array.from({ length: 4 }, (_, i) =>
  makeCell({ key: `key-${i}`, ms: 1_000 + i, value: `value ${i}` }),
)
const BATCH_BYTES = BATCH_HEADER_BYTES + CELLS[0]!.length
const LOG_BYTES = SEGMENT_HEADER_BYTES + CELLS.length * BATCH_BYTES

function expectRefused(result: RecoveryReport | CassioError, ...words: (string | RegExp)[]): void {
  expect(result).toMatchObject({ code: 'CASSIO_CORRUPT' })
  for (const word of words) expect((result as CassioError).message).toMatch(word)
  expect((result as CassioError).message).toMatch(/Restore the file/)
}

describe('recovery', () => {
  test('recovery: clean stop: all cells, nothing torn, nothing rewritten', async () => {
    const world = await writtenLog(CELLS, {}, 'close')
    const before = world.node.disk.peek(logFile(1))
    const report = await reopen(world, (client) => expectSame(client, modelOf(CELLS)))
    expect(report).toMatchObject({ segments: 1, cells: 4, bytes: before.length, tornBytes: 0 })
    expect(world.node.disk.peek(logFile(1))).toEqual(before)
    expect(before.length).toBe(LOG_BYTES + BATCH_HEADER_BYTES)
  })

  test('recovery: opened and closed without a write: no file is added', async () => {
    const world = await writtenLog(CELLS, {}, 'close')
    for (let i = 0; i < 3; i += 1) await reopen(world)
    expect(world.node.disk.paths()).toEqual([MANIFEST, logFile(1)])
  })

  test('recovery: torn tail of every length: cut at the last whole batch', async () => {
    const log = (await writtenLog(CELLS)).node.disk.peek(logFile(1))
    expect(log).toHaveLength(LOG_BYTES)
    for (let length = 0; length <= log.length; length += 1) {
      const batches = Math.max(0, Math.floor((length - SEGMENT_HEADER_BYTES) / BATCH_BYTES))
      const whole = SEGMENT_HEADER_BYTES + batches * BATCH_BYTES
      const tornBytes = length < SEGMENT_HEADER_BYTES ? length : length - whole
      for (const tail of [Buffer.alloc(0), Buffer.alloc(100), Buffer.alloc(37, 0xa5)]) {
        // A header that is not whole is followed by nothing: batches come only once it is durable.
        if (tail.length > 0 && length < SEGMENT_HEADER_BYTES) continue
        const world = await planted(Buffer.concat([log.subarray(0, length), tail]))
        const model = modelOf(CELLS.slice(0, batches))
        const report = await reopen(world, (client) => expectSame(client, model))
        expect(report).toMatchObject({ cells: batches, tornBytes: tornBytes + tail.length })
        // The second opening finds nothing more to cut.
        const again = await reopen(world, (client) => expectSame(client, model))
        expect(again).toMatchObject({ cells: batches, tornBytes: 0 })
      }
    }
  })

  for (const end of ['kill', 'close'] as const) {
    test(`recovery: every bit of a log flipped: refused or cut, never a wrong value (${end})`, async () => {
      const cells = CELLS.slice(0, 2)
      const log = (await writtenLog(cells, {}, end)).node.disk.peek(logFile(1))
      const counts = { refused: 0, cut: 0 }
      for (let bit = 0; bit < log.length * 8; bit += 1) {
        const world = await planted(log)
        world.node.disk.flipBit(logFile(1), bit)
        const inLastBatch =
          bit >= 8 * (log.length - (end === 'kill' ? BATCH_BYTES : BATCH_HEADER_BYTES))
        const kept = end === 'kill' ? cells.slice(0, -1) : cells
        const result = await reopen(world, (client) => expectSame(client, modelOf(kept)))
        if (inLastBatch) {
          counts.cut += 1
          expect(result).toMatchObject({ cells: kept.length })
          expect((result as RecoveryReport).tornBytes).toBeGreaterThan(0)
        } else {
          counts.refused += 1
          expectRefused(result, logFile(1))
          // Refusing changes nothing: the file can still be examined or restored.
          world.node.disk.flipBit(logFile(1), bit)
          expect(world.node.disk.peek(logFile(1))).toEqual(log)
        }
      }
      expect(counts.refused + counts.cut).toBe(log.length * 8)
    })
  }

  test('recovery: un-synced batches torn out of order: cut before the first, later ones too', async () => {
    const { sim, node } = await writtenLog(CELLS, { sync: 'none' })
    const log = node.disk.peek(logFile(1))
    log.fill(0, SEGMENT_HEADER_BYTES + BATCH_BYTES, SEGMENT_HEADER_BYTES + BATCH_BYTES + 10)
    await plant(sim, node, logFile(1), log)
    const report = await reopen({ sim, node }, (client) =>
      expectSame(client, modelOf(CELLS.slice(0, 1))),
    )
    expect(report).toMatchObject({ cells: 1, tornBytes: 3 * BATCH_BYTES })
  })

  test('recovery: a value that holds a log: is not taken for one behind a torn batch', async () => {
    const inner = (await writtenLog(CELLS)).node.disk.peek(logFile(1))
    const trap = makeCell({ key: 'trap', ms: 1, value: Buffer.concat([inner, inner]) })
    const { sim, node } = await writtenLog([CELLS[0]!, trap])
    const log = node.disk.peek(logFile(1))
    await plant(sim, node, logFile(1), log.subarray(0, log.length - 1))
    const report = await reopen({ sim, node }, (client) =>
      expectSame(client, modelOf(CELLS.slice(0, 1))),
    )
    expect(report).toMatchObject({ cells: 1 })
  })

  test('recovery: damage far before the end: found behind values that look like batches', async () => {
    const decoy = makeCell({ key: 'decoy', ms: 1, value: Buffer.from('CLBT'.repeat(2_000)) })
    const { sim, node } = await writtenLog([CELLS[0]!, decoy, CELLS[1]!])
    node.disk.flipBit(logFile(1), 8 * (SEGMENT_HEADER_BYTES + BATCH_BYTES + 4_000))
    expectRefused(
      await reopen({ sim, node }),
      logFile(1),
      `byte ${SEGMENT_HEADER_BYTES + BATCH_BYTES}`,
    )
  })

  describe('of several segments', () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      makeCell({ key: `key-${10 + i}`, ms: 1_000 + i, value: Buffer.alloc(80, i) }),
    )
    const rolled = () => writtenLog(many, { segmentBytes: 1_024 })

    test('recovery: several segments: all cells', async () => {
      const world = await rolled()
      expect(segmentsOf(world)).toBeGreaterThan(6)
      const report = await reopen(world, (client) => expectSame(client, modelOf(many)))
      expect(report).toMatchObject({ cells: 60, tornBytes: 0 })
    })

    test('recovery: a segment that is not the last is damaged, cut or longer: refused', async () => {
      const whole = (await rolled()).node.disk.peek(logFile(2))
      const cases: [string, Buffer][] = [
        ['last byte flipped', Buffer.concat([whole.subarray(0, -1), Buffer.from([255])])],
        ['cut within a batch', whole.subarray(0, -1)],
        ['cut between batches', whole.subarray(0, -(BATCH_HEADER_BYTES + many[0]!.length))],
        ['only its header', whole.subarray(0, SEGMENT_HEADER_BYTES)],
        ['part of its header', whole.subarray(0, 10)],
        ['empty', Buffer.alloc(0)],
        ['a batch too many', Buffer.concat([whole, whole.subarray(SEGMENT_HEADER_BYTES)])],
      ]
      for (const [, bytes] of cases) {
        const world = await rolled()
        await plant(world.sim, world.node, logFile(2), bytes)
        expectRefused(await reopen(world), logFile(2))
        expect(world.node.disk.peek(logFile(2))).toEqual(bytes)
      }
    })

    test('recovery: a segment is missing: refused, also when it is the first', async () => {
      for (const number of [1, 3]) {
        const world = await rolled()
        await world.sim.run(() => world.node.ports.disk.unlink(logFile(number)))
        expectRefused(await reopen(world), logFile(number), /missing/)
      }
    })

    test('recovery: a segment under another number: refused', async () => {
      const world = await rolled()
      const { disk } = world.node.ports
      await world.sim.run(() => disk.rename(logFile(2), logFile(3)))
      expectRefused(await reopen(world), /says that it is segment 2|missing/)
    })

    test('recovery: batches of another segment at the same place: refused', async () => {
      const world = await rolled()
      const two = world.node.disk.peek(logFile(2))
      const three = world.node.disk.peek(logFile(3))
      expect(three).toHaveLength(two.length)
      const foreign = Buffer.concat([
        two.subarray(0, SEGMENT_HEADER_BYTES),
        three.subarray(SEGMENT_HEADER_BYTES),
      ])
      await plant(world.sim, world.node, logFile(2), foreign)
      expectRefused(await reopen(world), logFile(2), /checksum/)
    })

    test('recovery: the last segment has no whole header: removed, the others are read', async () => {
      for (const bytes of [
        Buffer.alloc(0),
        Buffer.alloc(17, 3),
        Buffer.alloc(SEGMENT_HEADER_BYTES),
      ]) {
        const world = await rolled()
        const next = segmentsOf(world) + 1
        await plant(world.sim, world.node, logFile(next), bytes)
        const report = await reopen(world, (client) => expectSame(client, modelOf(many)))
        expect(report).toMatchObject({ tornBytes: bytes.length })
        expect(world.node.disk.paths()).not.toContain(logFile(next))
      }
    })

    test('recovery: the last segment has a bad header and batches: refused', async () => {
      const world = await rolled()
      const last = logFile(segmentsOf(world))
      world.node.disk.flipBit(last, 8 * 20)
      expectRefused(await reopen(world), last, /header fails its checksum/)
    })
  })

  test('recovery: unknown format version: refused, whether or not it is the last', async () => {
    const world = await writtenLog(CELLS)
    const header = encodeSegmentHeader({ number: 1, first: 1, createdMs: 5, previousBytes: 0 }, 2)
    const log = world.node.disk.peek(logFile(1))
    for (const rest of [log.subarray(SEGMENT_HEADER_BYTES), Buffer.alloc(0)]) {
      await plant(world.sim, world.node, logFile(1), Buffer.concat([header, rest]))
      expectRefused(await reopen(world), /format version 2 is unknown/)
    }
  })

  test('recovery: other files in the directory: left alone', async () => {
    const world = await writtenLog(CELLS)
    await plant(world.sim, world.node, `${LOG_DIRECTORY}/notes.txt`, Buffer.from('mine'))
    await plant(world.sim, world.node, `${logFile(1)}.aside`, Buffer.from('left by a crash'))
    await reopen(world, (client) => expectSame(client, modelOf(CELLS)))
    expect(world.node.disk.paths()).toEqual([MANIFEST, logFile(1), `${LOG_DIRECTORY}/notes.txt`])
  })

  test('recovery: disk full: refused as a failure of the disk, and opens once there is room', async () => {
    const world = await writtenLog(CELLS)
    world.node.disk.faults.quotaBytes = LOG_BYTES + world.node.disk.peek(MANIFEST).length + 10
    expect(await reopen(world)).toMatchObject({ code: 'CASSIO_STORAGE' })
    world.node.disk.faults.clear()
    const report = await reopen(world, (client) => expectSame(client, modelOf(CELLS)))
    expect(report).toMatchObject({ cells: 4, tornBytes: 0 })
  })

  test('recovery: after it, writes go to a new segment and the old one is not touched', async () => {
    const world = await writtenLog(CELLS)
    await reopen(world)
    const before = world.node.disk.peek(logFile(1))
    const more = makeCell({ key: 'more', ms: 1 })
    await reopen(world, async (client) => {
      await client.write(more)
    })
    expect(world.node.disk.peek(logFile(1))).toEqual(before)
    await reopen(world, (client) => expectSame(client, modelOf([...CELLS, more])))
  })

  describe('after flushes', () => {
    const SMALL = { memtableBytes: 4_096, segmentBytes: 1_024, tableBytes: 4_096 }
    const many = Array.from({ length: 100 }, (_, i) =>
      makeCell({ key: `key-${i}`, ms: 1_000 + i, value: Buffer.alloc(200, i) }),
    )

    test('recovery: flushed: the log is let go of, nothing is replayed', async () => {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const client = await openClient(node.ports, { segmentBytes: 1_024 })
        for (const cell of many) await client.write(cell)
        expect(client.store.stats().logSegments).toBeGreaterThan(20)
        await client.store.flush()
        // The last one goes once there is another.
        expect(client.store.stats().logSegments).toBe(1)
        expect(segmentsOf({ sim, node })).toBe(1)
        await client.write(makeCell({ key: 'more', ms: 1 }))
        await client.store.flush()
        expect(segmentsOf({ sim, node })).toBe(1)
        expect(client.store.stats().logBytes).toBeLessThan(200)
      })
      node.kill()
      node.restart()
      const report = await reopen({ sim, node }, (client) =>
        expectSame(client, modelOf([...many, makeCell({ key: 'more', ms: 1 })])),
      )
      expect(report).toMatchObject({ segments: 0, cells: 0, tables: 2 })
      expect(segmentsOf({ sim, node })).toBe(0)
    })

    test('recovery: a flush with nothing in memory: no table, no change', async () => {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const client = await openClient(node.ports)
        await client.store.flush()
        await client.store.compact()
        expect(client.store.stats()).toMatchObject({ flushes: 0, tables: 0, logSegments: 0 })
        await client.write(makeCell({ key: 'key', ms: 1 }))
        await client.store.flush()
        await client.store.flush()
        expect(client.store.stats()).toMatchObject({ flushes: 1, tables: 1, cells: 1 })
      })
    })

    test('recovery: a log of several memtables: all there at once, and written to tables', async () => {
      const world = await writtenLog(many, { segmentBytes: 1_024 })
      const { sim, node } = world
      const model = modelOf(many)
      await sim.run(async () => {
        const client = await openClient(node.ports, SMALL)
        const { recovered } = client.store.stats()
        expect(recovered).toMatchObject({ cells: 100, tables: 0, tornBytes: 0 })
        await expectSame(client, model)
        // Writes go on meanwhile, in the order of their stamps wherever the others are.
        const older = makeCell({ key: 'key-0', ms: 1 })
        expect(await client.write(older)).toEqual(many[0])
        const newer = makeCell({ key: 'key-99', ms: 5_000 })
        expect(await client.write(newer)).toBeUndefined()
        model.write(newer)
        await expectSame(client, model)
        await sim.sleep(5_000)
        const stats = client.store.stats()
        expect(stats.flushes).toBeGreaterThan(3)
        expect(stats.logBytes).toBeLessThan(4 * 4_096)
        await expectSame(client, model)
      })
      node.kill()
      node.restart()
      const again = await reopen(world, (client) => expectSame(client, model))
      expect((again as RecoveryReport).cells).toBeLessThan(30)
    })

    testSeeds(
      'recovery: a log of several memtables, crashed while it is written to tables: all there',
      40,
      async (seed) => {
        const world = await writtenLog(many, { segmentBytes: 1_024 })
        const { sim, node } = world
        const random = new KeyedRandom(seed, 'moments')
        for (let round = 0; round < 4; round += 1) {
          void openClient(node.ports, SMALL)
          await sim.advance(random.between(0, 30))
          if (random.chance(0.5)) node.kill()
          else node.powerCut()
          node.restart()
        }
        await reopen(world, (client) => expectSame(client, modelOf(many)))
      },
    )

    test('recovery: a flush ends while the next memtable’s first batch is on its way: it is kept', async () => {
      const { sim, node } = simulate(1)
      const gate = new Gate()
      const flying = makeCell({ key: 'flying', ms: 2 })
      await sim.run(async () => {
        const disk = gate.wrap(node.ports.disk, logFile(2))
        const client = await openClient({ ...node.ports, disk }, SMALL)
        await client.write(makeCell({ key: 'large', ms: 1, value: Buffer.alloc(5_000) }))
        gate.close()
        const written = client.write(flying)
        await sim.sleep(1_000)
        expect(client.store.stats().flushes).toBe(1)
        gate.open()
        await written
      })
      node.kill()
      node.restart()
      await reopen({ sim, node }, async (client) => {
        expect(client.read('flying')).toEqual(flying)
      })
    })

    test('recovery: a memtable begins while another’s first batch is on its way: no shared segment', async () => {
      const { sim, node } = simulate(1)
      const gate = new Gate()
      await sim.run(async () => {
        const disk = gate.wrap(node.ports.disk, logFile(2))
        const options = { ...SMALL, segmentBytes: 1_024 * 1_024 }
        const client = await openClient({ ...node.ports, disk }, options)
        const large = (key: string, ms: number) => makeCell({ key, ms, value: Buffer.alloc(5_000) })
        await client.write(large('first', 1))
        gate.close()
        const written = [client.write(large('second', 2))]
        await sim.sleep(1)
        written.push(client.write(large('third', 3)))
        await sim.sleep(1)
        gate.open()
        await Promise.all(written)
        expect(node.disk.peek(logFile(2)).includes('third')).toBe(false)
        expect(node.disk.peek(logFile(3)).includes('third')).toBe(true)
      })
    })
  })
})

/** Holds back the batches of one file of the log while it is closed. */
class Gate {
  private opened: Promise<void> = Promise.resolve()
  private resolve = () => {}

  close(): void {
    this.opened = new Promise((resolve) => {
      this.resolve = resolve
    })
  }

  open(): void {
    this.resolve()
  }

  wrap(disk: Disk, path: string): Disk {
    const wrapped: Disk = Object.create(disk)
    wrapped.open = async (opened, mode) => {
      const file = await disk.open(opened, mode)
      if (opened !== path) return file
      let appends = 0
      const held: DiskFile = Object.create(file)
      held.append = async (buffers) => {
        appends += 1
        await file.append(buffers)
        // The first one is the header of the segment.
        if (appends > 1) await this.opened
      }
      held.sync = () => file.sync()
      held.truncate = (length) => file.truncate(length)
      held.close = () => file.close()
      return held
    }
    return wrapped
  }
}
