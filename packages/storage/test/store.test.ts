import { type CassioError, cellKey, keyHash } from '@cassiopeia/protocol'
import { NEVER_PROVEN, openStore } from '../src'
import {
  describeCells,
  logFile,
  Model,
  makeCell,
  openClient,
  recordingDisk,
  simulate,
  storeOptions,
  type TestClient,
} from './support'

const asError = (error: unknown) => error as CassioError

describe('store: writing and reading', () => {
  test('store: read: missing key, empty value, tombstone and expired cell are told apart', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const empty = makeCell({ key: 'empty', ms: 1 })
      const deleted = makeCell({ key: 'deleted', ms: 1, tombstone: true })
      const expired = makeCell({ key: 'expired', ms: 1, value: 'old', expiryMs: 2 })
      await Promise.all([empty, deleted, expired].map((cell) => client.write(cell)))
      expect(client.read('empty')).toEqual(empty)
      expect(client.read('deleted')).toEqual(deleted)
      expect(client.read('expired')).toEqual(expired)
      expect(client.read('missing')).toBeUndefined()
    })
  })

  test('store: write: the bytes are copied before it returns', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const cell = makeCell({ key: 'key', ms: 1, value: 'value' })
      const copy = Buffer.from(cell)
      const written = client.write(cell)
      cell.fill(0)
      await written
      expect(client.read('key')).toEqual(copy)
    })
  })

  test('store: write: invisible until it is durable, and seen in the order given', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const older = makeCell({ key: 'key', ms: 1, value: 'older' })
      const newer = makeCell({ key: 'key', ms: 2, value: 'newer' })
      const written = [client.write(newer), client.write(older), client.write(newer)]
      expect(client.read('key')).toBeUndefined()
      // The second is dominated by the first; the third is what stands there already.
      expect(await Promise.all(written)).toEqual([undefined, newer, undefined])
      expect(client.read('key')).toEqual(newer)
    })
  })

  test('store: write: an unsound cell breaks an invariant and never reaches the log', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const cell = makeCell({ key: 'key', ms: 1 })
      cell.writeUInt32BE(cell.length + 1, 0)
      await expect(client.write(cell)).rejects.toMatchObject({ code: 'CASSIO_INTERNAL' })
      await client.store.close()
      expect((await openClient(node.ports)).store.stats().cells).toBe(0)
    })
  })

  test('store: cells larger than a chunk and than the pending limit: written and recovered', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const options = { segmentBytes: 4_096, pendingBytesMax: 1_024 }
      const client = await openClient(node.ports, options)
      const large = makeCell({ key: 'large', ms: 1, value: Buffer.alloc(200_000, 'x') })
      const longKey = makeCell({ key: Buffer.alloc(65_535, 'k'), ms: 1, value: 'v' })
      await client.write(large)
      await client.write(longKey)
      await client.store.close()
      const again = await openClient(node.ports, options)
      expect(again.read('large')).toEqual(large)
      expect(again.read(Buffer.alloc(65_535, 'k'))).toEqual(longKey)
      expect(again.read(Buffer.alloc(65_534, 'k'))).toBeUndefined()
    })
  })

  test('store: many writes in one turn: one append and one sync', async () => {
    const { sim, node } = simulate(1)
    const calls: string[] = []
    await sim.run(async () => {
      const ports = { ...node.ports, disk: recordingDisk(node.ports.disk, calls) }
      const client = await openClient(ports)
      await client.write(makeCell({ key: 'first', ms: 1 }))
      calls.length = 0
      const syncs = client.store.stats().syncs
      await Promise.all(
        Array.from({ length: 1_000 }, (_, i) => client.write(makeCell({ key: `${i}`, ms: 1 }))),
      )
      expect(calls).toEqual([`append ${logFile(1)}`, `sync ${logFile(1)}`])
      expect(client.store.stats().syncs).toBe(syncs + 1)
    })
  })
})

describe('store: sync modes', () => {
  test('store: periodic: acknowledged before the sync, synced within the interval', async () => {
    const { sim, node } = simulate(1)
    const calls: string[] = []
    await sim.run(async () => {
      const ports = { ...node.ports, disk: recordingDisk(node.ports.disk, calls) }
      const client = await openClient(ports, { sync: 'periodic', syncIntervalMs: 100 })
      await client.write(makeCell({ key: 'a', ms: 1 }))
      calls.length = 0
      for (let i = 0; i < 5; i += 1) await client.write(makeCell({ key: 'b', ms: i }))
      expect(calls.filter((call) => call.startsWith('sync'))).toEqual([])
      await sim.sleep(150)
      expect(calls.filter((call) => call.startsWith('sync'))).toHaveLength(1)
      // Nothing new: nothing to sync.
      await sim.sleep(1_000)
      expect(calls.filter((call) => call.startsWith('sync'))).toHaveLength(1)
    })
  })

  test('store: periodic: a power cut loses no more than the interval, a kill nothing', async () => {
    for (const end of ['power', 'kill'] as const) {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const client = await openClient(node.ports, { sync: 'periodic', syncIntervalMs: 100 })
        await client.write(makeCell({ key: 'early', ms: 1 }))
        await sim.sleep(150)
        await client.write(makeCell({ key: 'late', ms: 1 }))
      })
      if (end === 'power') node.powerCut('drop')
      else node.kill()
      node.restart()
      await sim.run(async () => {
        const again = await openClient(node.ports)
        expect(again.read('early')).toBeDefined()
        expect(again.read('late') === undefined).toBe(end === 'power')
      })
    }
  })

  test('store: periodic: a failed sync in the background is fatal, writes fail from then on', async () => {
    const { sim, node } = simulate(1)
    const fatal: CassioError[] = []
    await sim.run(async () => {
      const client = await openClient(node.ports, {
        sync: 'periodic',
        syncIntervalMs: 100,
        onFatal: (error) => fatal.push(error),
      })
      await client.write(makeCell({ key: 'a', ms: 1 }))
      node.disk.faults.syncFailProbability = 1
      await sim.sleep(200)
      expect(fatal).toMatchObject([{ code: 'CASSIO_STORAGE' }])
      const failed = await client.write(makeCell({ key: 'b', ms: 1 })).catch(asError)
      expect(failed).toMatchObject({ code: 'CASSIO_STORAGE', applied: 'none' })
      await client.store.close()
      expect(fatal).toHaveLength(1)
    })
  })

  test('store: none: a sync that fails for a snapshot: fatal, writes fail from then on', async () => {
    const { sim, node } = simulate(1)
    const fatal: CassioError[] = []
    await sim.run(async () => {
      const onFatal = (error: CassioError) => fatal.push(error)
      const client = await openClient(node.ports, { sync: 'none', onFatal })
      await client.write(makeCell({ key: 'a', ms: 1 }))
      const { disk } = node
      const failing = client.store.snapshot('/copy').catch(asError)
      disk.faults.syncFailProbability = 1
      expect(await failing).toMatchObject({ code: 'CASSIO_STORAGE' })
      disk.faults.clear()
      expect(fatal).toMatchObject([{ code: 'CASSIO_STORAGE' }])
      const failed = await client.write(makeCell({ key: 'b', ms: 1 })).catch(asError)
      expect(failed).toMatchObject({ code: 'CASSIO_STORAGE', applied: 'none' })
      expect(client.read('a')).toBeDefined()
      await client.store.close()
    })
  })

  test('store: none: synced when a segment is full and at close only', async () => {
    const { sim, node } = simulate(1)
    const calls: string[] = []
    await sim.run(async () => {
      const ports = { ...node.ports, disk: recordingDisk(node.ports.disk, calls) }
      const client = await openClient(ports, { sync: 'none', segmentBytes: 1_024 })
      for (let i = 0; i < 20; i += 1) {
        await client.write(makeCell({ key: `${i}`, ms: 1, value: Buffer.alloc(100) }))
      }
      // Of segment 1: its header when it was made, its batches before segment 2 was.
      expect(calls.filter((call) => call === `sync ${logFile(1)}`)).toHaveLength(2)
      await client.store.close()
      node.powerCut('drop')
      node.restart()
      expect((await openClient(node.ports)).store.stats().cells).toBe(20)
    })
  })
})

describe('store: scanning', () => {
  test('store: scan: key order, from above a key, until told to stop', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { partitionOf: () => 3 })
      const keys = ['b', 'a', 'ab', 'zz', Buffer.from([0]), Buffer.from([255, 0]), 'B'.repeat(300)]
      const model = new Model()
      for (const key of keys) {
        const cell = makeCell({ key, ms: 1, value: key })
        model.cells.set(key.toString(), cell)
        await writeTo(client, cell, 3)
      }
      const sorted = [...model.cells.values()].sort((x, y) => x.compare(y, 32, undefined, 32))
      expect(describeCells(await client.scan(3))).toEqual(describeCells(sorted))
      expect(await client.scan(3, Buffer.from('ab'))).toHaveLength(3)
      expect(await client.scan(2)).toEqual([])
      expect(await client.scan(10_000)).toEqual([])
      let visits = 0
      await client.store.scan(3, 3, undefined, () => {
        visits += 1
        return visits < 2
      })
      expect(visits).toBe(2)
    })
  })

  test('store: scan: writes while it runs: no key is lost or seen twice, cells are the newest', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const { timers } = node.ports
      // Turns that last, so that writes come to an end between them.
      const slow = {
        after: timers.after.bind(timers),
        soon: (run: () => void) => void timers.after(2, run),
      }
      const client = await openClient({ ...node.ports, timers: slow })
      const count = 5_000
      const write = (i: number, ms: number) =>
        writeTo(client, makeCell({ key: `key-${String(i).padStart(6, '0')}`, ms }), 1)
      await Promise.all(Array.from({ length: count }, (_, i) => write(i, 1)))
      const seen: string[] = []
      const stamps: number[] = []
      await client.store.scan(1, 1, undefined, (cell, at) => {
        seen.push(cell.toString('latin1', at + 32, at + 42))
        stamps.push(cell.readUIntBE(at + 8, 6))
        if (seen.length === 1) {
          for (let i = count - 10; i < count; i += 1) void write(i, 2)
          for (let i = count; i < count + 500; i += 1) void write(i, 1)
        }
        return true
      })
      expect(seen.slice(0, count)).toEqual([...new Set(seen)].sort().slice(0, count))
      expect(stamps[count - 1]).toBe(2)
      const partitions: number[] = []
      await client.store.scan(0, 20, undefined, (_cell, _at, partition) => {
        partitions.push(partition)
        return true
      })
      expect(new Set(partitions)).toEqual(new Set([1]))
    })
  })
})

describe('store: limits', () => {
  test('store: pending bytes over the limit: refused before any effect, later writes go on', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { pendingBytesMax: 1_024 })
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          client
            .write(makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(100) }))
            .catch(asError),
        ),
      )
      const refused = results.filter((result) => result instanceof Error)
      expect(refused).toHaveLength(20 - 7)
      for (const error of refused) {
        expect(error).toMatchObject({ code: 'CASSIO_OVERLOADED', applied: 'none' })
      }
      expect(client.store.stats().cells).toBe(7)
      await client.write(makeCell({ key: 'after', ms: 1 }))
      await client.store.close()
      expect((await openClient(node.ports)).store.stats().cells).toBe(8)
    })
  })

  test('store: group: all of it or nothing, which is said before anything is given', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { pendingBytesMax: 1_024 })
      const cells = Array.from({ length: 20 }, (_, i) =>
        makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(100) }),
      )
      const bytes = cells.reduce((sum, cell) => sum + cell.length, 0)
      const written: Promise<Buffer | undefined>[] = []
      const give = () => {
        for (const cell of cells) written.push(client.write(cell))
      }
      // Alone it may be larger than the limit.
      expect(client.store.group(bytes, give)).toBeUndefined()
      expect(written).toHaveLength(20)
      const refused = client.store.group(1, () => {
        throw new Error('called')
      })
      expect(refused).toMatchObject({ code: 'CASSIO_OVERLOADED', applied: 'none' })
      expect(await Promise.all(written)).toEqual(cells.map(() => undefined))
      expect(client.store.group(bytes, give)).toBeUndefined()
      await client.store.close()
      const closed = client.store.group(1, give)
      expect(closed).toMatchObject({ code: 'CASSIO_CLOSED' })
    })
  })

  test('store: more than memory holds: writes are slowed, never refused, all are read back', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const options = { memoryBytesMax: 1_024 * 1_024, memtableBytes: 64 * 1_024 }
      const client = await openClient(node.ports, options)
      const cells = Array.from({ length: 600 }, (_, i) =>
        makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(10_000, i) }),
      )
      for (const cell of cells) await client.write(cell)
      const stats = client.store.stats()
      expect(stats.flushes).toBeGreaterThan(50)
      expect(stats.memoryBytes).toBeLessThanOrEqual(1_024 * 1_024)
      expect(stats.logBytes).toBeLessThan(8 * 64 * 1_024)
      for (let i = 0; i < cells.length; i += 37) {
        expect(client.read(`key-${i}`)?.equals(cells[i]!)).toBe(true)
        expect((await client.readLater(`key-${i}`))?.equals(cells[i]!)).toBe(true)
      }
      expect(client.store.stats().memoryBytes).toBeLessThanOrEqual(1_024 * 1_024)
      await client.store.close()
      const again = await openClient(node.ports, options)
      expect(await again.all()).toHaveLength(600)
    })
  })

  test('store: flushes cannot keep up: writes wait for memory, then go on', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { memtableBytes: 4_096, sync: 'none' })
      node.disk.faults.slowFactor = 200
      const write = (i: number) => makeCell({ key: `key-${i}`, ms: i, value: Buffer.alloc(1_000) })
      for (let i = 0; i < 40; i += 1) await client.write(write(i))
      expect(client.store.stats().throttledMs).toBeGreaterThan(100)
      // Three memtables exist at a time, each with the little more that its last batch brought.
      expect(client.store.stats().memory.memtables).toBeLessThan(3 * 170_000)
      node.disk.faults.clear()
      await client.store.flush()
      expect(await client.all()).toHaveLength(40)
    })
  })
})

describe('store: newer versions', () => {
  /** Where the newer cell of 'key' is when an older one is written. */
  const places: [string, (client: TestClient) => Promise<void>][] = [
    ['the same memtable', async () => {}],
    ['an older memtable', async () => {}],
    ['a table', (client) => client.store.flush()],
    ['merged tables', (client) => client.store.compact()],
  ]
  for (const tombstone of [false, true]) {
    for (const [place, move] of places) {
      const what = tombstone ? 'a tombstone' : 'a value'
      test(`store: write: the newer version is ${what} in ${place}: the sink is told of it`, async () => {
        const { sim, node } = simulate(1)
        await sim.run(async () => {
          const options = { memtableBytes: 4_096, proof: NEVER_PROVEN }
          const client = await openClient(node.ports, options)
          const newer = makeCell({ key: 'key', ms: 20, value: tombstone ? '' : 'newer', tombstone })
          await client.write(newer)
          await move(client)
          if (place === 'an older memtable') {
            // Its flush takes long: it waits while another one takes cells.
            node.disk.faults.slowFactor = 1_000
            await client.write(makeCell({ key: 'other', ms: 1, value: Buffer.alloc(5_000) }))
            await client.write(makeCell({ key: 'another', ms: 2 }))
            expect(client.store.stats().flushes).toBe(0)
          }
          const older = makeCell({ key: 'key', ms: 10, value: 'older' })
          expect(await client.write(older)).toEqual(newer)
          // Now that the older one is in a memtable too, that is not where to stop.
          expect(await client.write(older)).toEqual(newer)
          const wins = tombstone ? 'tombstone' : 'largest value'
          const equal = makeCell({ key: 'key', ms: 20, value: 'm' })
          expect([wins, await client.write(equal)]).toEqual([wins, newer])
          expect(await client.write(newer)).toBeUndefined()
          expect(client.read('key')).toEqual(newer)
          expect(await client.readLater('key')).toEqual(newer)
          const newest = makeCell({ key: 'key', ms: 21, value: 'newest' })
          expect(await client.write(newest)).toBeUndefined()
          expect(client.read('key')).toEqual(newest)
          node.disk.faults.clear()
          await client.store.compact()
          expect(await client.write(newer)).toEqual(newest)
          expect(await client.all()).toHaveLength(place === 'an older memtable' ? 3 : 1)
        })
      })
    }
  }

  test('store: newestStamp: of all that is held, wherever it is', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const newest = () => client.store.newestStamp()?.readUIntBE(0, 6)
      expect(newest()).toBeUndefined()
      await client.write(makeCell({ key: 'a', ms: 7 }))
      await client.write(makeCell({ key: 'b', ms: 5 }))
      expect(newest()).toBe(7)
      await client.store.flush()
      expect(newest()).toBe(7)
      await client.write(makeCell({ key: 'c', ms: 6 }))
      expect(newest()).toBe(7)
      await client.write(makeCell({ key: 'c', ms: 9, tombstone: true }))
      expect(newest()).toBe(9)
      await client.store.close()
      const again = await openClient(node.ports)
      expect(again.store.newestStamp()?.readUIntBE(0, 6)).toBe(9)
      await again.store.flush()
      // A copy, which is the caller's.
      again.store.newestStamp()!.fill(0)
      expect(again.store.newestStamp()?.readUIntBE(0, 6)).toBe(9)
    })
  })
})

describe('store: opening and closing', () => {
  test('store: the directory is in use: CASSIO_LOCKED, free again after close', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const refused = await openStore(storeOptions(), node.ports).catch(asError)
      expect(refused).toMatchObject({ code: 'CASSIO_LOCKED' })
      expect((refused as CassioError).message).toMatch(/\/data is in use/)
      await client.store.close()
      await (await openClient(node.ports)).store.close()
    })
  })

  test('store: a refused opening: releases the directory', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const { disk } = node.ports
      const fine = await openClient(node.ports)
      await fine.write(makeCell({ key: 'key', ms: 1 }))
      await fine.store.close()
      node.disk.flipBit(logFile(1), 100)
      await expect(openClient(node.ports)).rejects.toMatchObject({ code: 'CASSIO_CORRUPT' })
      node.disk.flipBit(logFile(1), 100)
      expect(await disk.list('/data')).toEqual(['MANIFEST', 'commit-log', 'tables'])
      await openClient(node.ports)
    })
  })

  test('store: close: what is pending is written first, later calls fail, twice is fine', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const first = client.write(makeCell({ key: 'first', ms: 1 }))
      const closing = client.store.close()
      const late = client.write(makeCell({ key: 'late', ms: 1 })).catch(asError)
      await first
      expect(await late).toMatchObject({ code: 'CASSIO_CLOSED' })
      await closing
      await client.store.close()
      expect(() => client.read('first')).toThrow(/closed/)
      await expect(client.scan(1)).rejects.toMatchObject({ code: 'CASSIO_CLOSED' })
      const afterwards = await client.write(makeCell({ key: 'late', ms: 1 })).catch(asError)
      expect(afterwards).toMatchObject({ code: 'CASSIO_CLOSED' })
      const again = await openClient(node.ports)
      expect(again.store.stats().cells).toBe(1)
    })
  })

  for (const [what, begin] of [
    ['a flush', (client) => client.store.flush()],
    ['a compaction', (client) => client.store.compact()],
    ['a scan', (client) => client.all()],
    ['reads', (client) => Promise.all(KEYS.map((key) => client.readLater(key)))],
    ['a verification', (client) => client.store.verify()],
    ['a snapshot', (client) => client.store.snapshot('/snapshot')],
  ] satisfies [string, (client: TestClient) => Promise<unknown>][]) {
    test(`store: close during ${what}, at any moment: it ends or says closed, nothing is lost`, async () => {
      for (let moment = 0; moment < 30; moment += 1) {
        const { sim, node } = simulate(moment)
        await sim.run(async () => {
          const options = { memtableBytes: 4_096, tableBytes: 4_096, blockBytes: 512 }
          const client = await openClient(node.ports, options)
          await writeKeys(client, 1)
          await client.store.flush()
          await writeKeys(client, 2)
          const outcome = begin(client).then(
            () => undefined,
            (error: CassioError) => error.code,
          )
          await sim.sleep(moment / 5)
          const late = client.write(makeCell({ key: 'late', ms: 3 }))
          await client.store.close()
          await late
          expect([undefined, 'CASSIO_CLOSED']).toContain(await outcome)
          const again = await openClient(node.ports, options)
          const stamps = (await again.all()).map((cell) => cell.readUIntBE(8, 6))
          expect(stamps.sort()).toEqual([...KEYS.map(() => 2), 3])
          await again.store.close()
          // Not even now does anything of the first one stir.
          await sim.sleep(10_000)
        })
      }
    })
  }

  test('store: flush under load: ends though writes never pause', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      let running = true
      let written = 0
      const load = Array.from({ length: 4 }, async (_, worker) => {
        while (running) {
          written += 1
          await client.write(makeCell({ key: `key-${worker}-${written}`, ms: written }))
        }
      })
      await sim.sleep(10)
      const before = written
      await client.store.flush()
      await client.store.compact()
      expect(written).toBeGreaterThan(before)
      expect(client.store.stats().flushes).toBe(2)
      running = false
      await Promise.all(load)
    })
  })

  test('store: a sink that throws: fatal, no other write is left without an answer', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const fatal: CassioError[] = []
      const client = await openClient(node.ports, { onFatal: (error) => fatal.push(error) })
      const sink = {
        onWritten() {
          throw new Error('a defect of the caller')
        },
        onWriteFailed() {},
      }
      client.store.write(makeCell({ key: 'bad', ms: 1 }), 0, 1, 1, sink, 1)
      const other = await client.write(makeCell({ key: 'other', ms: 1 })).catch(asError)
      expect(other).toMatchObject({ code: 'CASSIO_STORAGE', applied: 'unknown' })
      expect(fatal).toHaveLength(1)
    })
  })

  test('store: verify: every byte of every table; what is damaged is told and fenced off', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const options = { tableBytes: 4_096, blockBytes: 512 }
      const client = await openClient(node.ports, options)
      expect(await client.store.verify()).toEqual({ bytes: 0, damages: [] })
      await writeKeys(client, 1)
      await client.store.compact()
      const sound = await client.store.verify()
      expect(sound.damages).toEqual([])
      expect(sound.bytes).toBeGreaterThanOrEqual(client.store.stats().tableBytes)
      const path = node.disk.paths().find((each) => each.endsWith('.table'))!
      node.disk.flipBit(path, 8 * 200)
      const { damages } = await client.store.verify()
      expect(damages).toHaveLength(1)
      expect(client.store.stats().damages).toEqual(damages)
      // A key there may be or not: nobody can say. All others are found.
      const outcomes = KEYS.map((key) => {
        try {
          return client.read(key) === undefined ? 'missing' : 'found'
        } catch (error) {
          return asError(error).code
        }
      })
      expect(new Set(outcomes)).toEqual(new Set(['found', 'CASSIO_CORRUPT']))
      expect(outcomes.filter((outcome) => outcome === 'found').length).toBeGreaterThan(50)
    })
  })

  test('store: stats: what is there and what was done', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const cell = makeCell({ key: 'key', ms: 1, value: 'value' })
      await client.write(cell)
      await client.write(makeCell({ key: 'gone', ms: 1, tombstone: true }))
      client.read('key')
      const stats = client.store.stats()
      expect(stats).toMatchObject({
        cells: 2,
        tombstones: 1,
        cellBytes: cell.length + 36,
        logSegments: 1,
        logBytes: node.disk.peek(logFile(1)).length,
        writes: 2,
        reads: 1,
        tables: 0,
        runs: 0,
        flushes: 0,
        diskFull: false,
        damages: [],
      })
      expect(stats.memoryBytes).toBeGreaterThan(stats.cellBytes)
      await client.store.flush()
      client.read('key')
      const flushed = client.store.stats()
      expect(flushed).toMatchObject({
        cells: 2,
        tombstones: 1,
        cellBytes: cell.length + 36,
        tables: 1,
        deleteTables: 1,
        runs: 2,
        flushes: 1,
        // The delete log is asked first.
        tableLookups: 2,
        blockReads: 1,
        bytesTaken: cell.length + 36,
      })
      expect(flushed.bytesFlushed).toBe(flushed.tableBytes + flushed.deleteTableBytes)
      expect(Object.values(flushed.memory).reduce((a, b) => a + b)).toBe(flushed.memoryBytes)
      await client.write(makeCell({ key: 'more', ms: 1 }))
      await client.store.close()
      const { recovered } = (await openClient(node.ports)).store.stats()
      expect(recovered).toMatchObject({ segments: 1, cells: 1, tables: 2, tornBytes: 0 })
    })
  })
})

const KEYS = Array.from({ length: 60 }, (_, i) => `key-${i}`)

async function writeKeys(client: TestClient, ms: number): Promise<void> {
  await Promise.all(
    KEYS.map((key) => client.write(makeCell({ key, ms, value: Buffer.alloc(100, ms) }))),
  )
}

function writeTo(client: TestClient, cell: Buffer, partition: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = {
      onWritten: () => resolve(),
      onWriteFailed: (_: number, error: Error) => reject(error),
    }
    const key = cellKey(cell, 0)
    client.store.write(cell, 0, partition, keyHash(key, 0, key.length), sink, 0)
  })
}
