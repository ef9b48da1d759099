import type { CassioError } from '@cassiopeia/protocol'
import { openStore } from '../src'
import {
  describeCells,
  logFile,
  Model,
  makeCell,
  openClient,
  PARTITIONS,
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
      expect((await openClient(node.ports)).store.stats().keys).toBe(0)
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
      expect((await openClient(node.ports)).store.stats().keys).toBe(20)
    })
  })
})

describe('store: scanning', () => {
  test('store: scan: key order, from above a key, until told to stop', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { partitionOf: () => 3, keyHash: () => 7 })
      const keys = ['b', 'a', 'ab', 'zz', Buffer.from([0]), Buffer.from([255, 0]), 'B'.repeat(300)]
      const model = new Model()
      for (const key of keys) {
        const cell = makeCell({ key, ms: 1, value: key })
        model.cells.set(key.toString(), cell)
        await writeTo(client, cell, 3, 7)
      }
      const sorted = [...model.cells.values()].sort((x, y) => x.compare(y, 32, undefined, 32))
      expect(describeCells(await client.scan(3))).toEqual(describeCells(sorted))
      expect(await client.scan(3, Buffer.from('ab'))).toHaveLength(3)
      expect(await client.scan(2)).toEqual([])
      expect(await client.scan(10_000)).toEqual([])
      let visits = 0
      await client.store.scan(3, undefined, () => {
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
      await client.store.scan(1, undefined, (cell, at) => {
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
      expect(client.store.stats().keys).toBe(7)
      await client.write(makeCell({ key: 'after', ms: 1 }))
      await client.store.close()
      expect((await openClient(node.ports)).store.stats().keys).toBe(8)
    })
  })

  test('store: memory over the limit: writes are refused, reads go on', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { memoryBytesMax: 1_024 * 1_024 })
      let refusal: CassioError | undefined
      let written = 0
      while (refusal === undefined && written < 1_000) {
        const cell = makeCell({ key: `key-${written}`, ms: 1, value: Buffer.alloc(10_000) })
        refusal = await client.write(cell).then(() => undefined, asError)
        if (refusal === undefined) written += 1
      }
      expect(refusal).toMatchObject({ code: 'CASSIO_OVERLOADED', applied: 'none' })
      expect(written).toBeGreaterThan(40)
      expect(client.store.stats().memoryBytes).toBeLessThanOrEqual(1_024 * 1_024)
      expect(client.read('key-7')).toBeDefined()
      // The limit bounds writing only: what is there can always be opened.
      await client.store.close()
      const again = await openClient(node.ports, { memoryBytesMax: 1_024 * 1_024 })
      expect(again.store.stats().keys).toBe(written)
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
      expect(await disk.list('/data')).toEqual(['commit-log'])
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
      expect(again.store.stats().keys).toBe(1)
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
        keys: 2,
        tombstones: 1,
        cellBytes: cell.length + 36,
        logSegments: 1,
        logBytes: node.disk.peek(logFile(1)).length,
        writes: 2,
        reads: 1,
      })
      expect(stats.memoryBytes).toBeGreaterThan(stats.cellBytes)
      await client.store.close()
      const { recovered } = (await openClient(node.ports)).store.stats()
      expect(recovered).toMatchObject({ segments: 1, cells: 2, tornBytes: 0 })
    })
  })
})

function writeTo(
  client: TestClient,
  cell: Buffer,
  partition: number,
  hash?: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = {
      onWritten: () => resolve(),
      onWriteFailed: (_: number, error: Error) => reject(error),
    }
    const keyNumber = Number(cell.toString('latin1', 36, 42))
    expect(partition).toBeLessThan(PARTITIONS)
    client.store.write(cell, 0, partition, hash ?? keyNumber, sink, 0)
  })
}
