import type { WorkerHandle, WorkerPorts, Workers } from '@cassiopeia/env'
import { cellKey, keyHash } from '@cassiopeia/protocol'
import { NEVER_PROVEN, PROVEN_ALONE, type StorePorts } from '../../src'
import { tableName } from '../../src/table/table-info'
import {
  Model,
  makeCell,
  openClient,
  partitionOf,
  plant,
  simulate,
  type TestClient,
} from '../support'
import { ALL, digestsOf, leavesOf, request } from './digest-support'

const CUTOFF_MS = 10_000

/** Counts workers, threads in the real world, and knows how many are alive. */
class CountingWorkers implements Workers {
  started = 0
  alive = 0

  constructor(private readonly workers: Workers) {}

  start(entry: Parameters<Workers['start']>[0]): WorkerHandle {
    const handle = this.workers.start(entry)
    this.started += 1
    this.alive += 1
    let isAlive = true
    return {
      run: (job, options) => handle.run(job, options),
      cancel: () => handle.cancel(),
      close: () => {
        if (isAlive) this.alive -= 1
        isAlive = false
        return handle.close()
      },
    }
  }

  allocate(bytes: number): Uint8Array {
    return this.workers.allocate(bytes)
  }
}

function counting(ports: StorePorts & WorkerPorts): StorePorts & { workers: CountingWorkers } {
  return { ...ports, workers: new CountingWorkers(ports.workers) }
}

async function fill(client: TestClient, model: Model, count: number, ms = 1): Promise<void> {
  const cells = Array.from({ length: count }, (_, i) =>
    makeCell({ key: `key-${i}`, ms, value: Buffer.alloc(100, i), tombstone: i % 5 === 4 }),
  )
  await Promise.all(cells.map((cell) => client.write(cell)))
  for (const cell of cells) model.write(cell)
}

function partitionOfKey(key: string): number {
  const bytes = Buffer.from(key)
  return partitionOf(keyHash(bytes, 0, bytes.length))
}

describe('digest', () => {
  test('digest: an empty store, and no partitions: nothing counts', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const { store } = await openClient(node.ports)
      expect(await store.digest(request(CUTOFF_MS))).toEqual(digestsOf([], request(CUTOFF_MS)))
      expect(await store.digest(request(CUTOFF_MS, 0, []))).toEqual([])
      expect(store.stats().flushes).toBe(0)
      await store.close()
    })
  })

  test('digest: all that was given counts, though it is not yet visible', async () => {
    for (const sync of ['group', 'periodic', 'none'] as const) {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const client = await openClient(node.ports, { sync, proof: NEVER_PROVEN })
        const model = new Model()
        await fill(client, model, 50)
        const late = ['late', 'later'].map((key) => makeCell({ key, ms: 2 }))
        const written = late.map((cell) => client.write(cell))
        const digests = await client.store.digest(request(CUTOFF_MS))
        for (const cell of late) model.write(cell)
        expect(digests).toEqual(digestsOf(model.cells.values(), request(CUTOFF_MS)))
        await Promise.all(written)
        await client.store.close()
      })
    }
  })

  test('digest: memory has no cell of the partitions asked for: no flush', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      const cell = makeCell({ key: 'k', ms: 1 })
      await client.write(cell)
      const own = partitionOfKey('k')
      const others = ALL.filter((partition) => partition !== own)
      await client.store.digest(request(CUTOFF_MS, 0, others))
      expect(client.store.stats().flushes).toBe(0)
      const [digest] = await client.store.digest(request(CUTOFF_MS, 0, [own]))
      expect(digest).toMatchObject({ partition: own, cells: 1, dead: 0 })
      expect(client.store.stats().flushes).toBe(1)
      await client.store.close()
    })
  })

  test('digest: equal before and after a compaction, and after opening again', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const model = new Model()
      let client = await openClient(node.ports, { proof: PROVEN_ALONE })
      const asked = request(CUTOFF_MS, CUTOFF_MS)
      const digests: string[][] = []
      for (let round = 1; round <= 3; round += 1) {
        await fill(client, model, 100 * round, round)
        await client.store.flush()
      }
      digests.push(leavesOf(await client.store.digest(asked)))
      await client.store.compact()
      expect(client.store.stats().tombstonesForgotten).toBeGreaterThan(0)
      digests.push(leavesOf(await client.store.digest(asked)))
      await client.store.close()
      client = await openClient(node.ports)
      digests.push(leavesOf(await client.store.digest(asked)))
      await client.store.close()
      const right = leavesOf(digestsOf(model.cells.values(), asked))
      for (const each of digests) expect(each).toEqual(right)
    })
  })

  test('digest: during writes, flushes and compactions: what was there before counts', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { memtableBytes: 8_192, proof: NEVER_PROVEN })
      const model = new Model()
      await fill(client, model, 200)
      const right = leavesOf(digestsOf(model.cells.values(), request(CUTOFF_MS)))
      const work: Promise<unknown>[] = []
      const found: string[][] = []
      for (let round = 0; round < 20; round += 1) {
        // Above the cutoff, and of other keys.
        const key = `other-${round}`
        work.push(client.write(makeCell({ key, ms: CUTOFF_MS + 1, value: Buffer.alloc(900) })))
        if (round % 7 === 3) work.push(client.store.flush())
        if (round % 9 === 5) work.push(client.store.compact())
        const digested = client.store.digest(request(CUTOFF_MS))
        work.push(digested.then((digests) => found.push(leavesOf(digests))))
        await sim.sleep(1)
      }
      await Promise.all(work)
      expect(found).toHaveLength(20)
      for (const each of found) expect(each).toEqual(right)
      await client.store.close()
    })
  })

  test('digest: a damaged block: its partition says so, and the block is fenced off', async () => {
    const { sim, node } = simulate(1)
    const model = new Model()
    const damagedPath = `/data/tables/${tableName(1)}`
    await sim.run(async () => {
      const client = await openClient(node.ports, { blockBytes: 512 })
      for (let i = 0; i < 200; i += 1) {
        model.write(makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(100, i) }))
      }
      await Promise.all([...model.cells.values()].map((cell) => client.write(cell)))
      await client.store.flush()
      await client.store.close()
    })
    const bytes = await sim.run(node.ports.disk.readFile(damagedPath))
    bytes[bytes.length >> 1]! ^= 1
    await plant(sim, node, damagedPath, bytes)
    await sim.run(async () => {
      const client = await openClient(node.ports, { blockBytes: 512 })
      const digests = await client.store.digest(request(CUTOFF_MS))
      const damaged = digests.filter((digest) => digest.damaged)
      expect(damaged.length).toBeGreaterThan(0)
      expect(damaged.length).toBeLessThan(3)
      const right = digestsOf(model.cells.values(), request(CUTOFF_MS))
      for (const digest of digests) {
        if (!digest.damaged) expect(digest).toEqual(right[digest.partition])
      }
      expect(client.store.stats().damages).toMatchObject([{ table: 1 }])
      // Reads find it fenced, and so does the next digest.
      const failed = [...model.cells.values()].filter((cell) => {
        try {
          return client.read(cellKey(cell, 0)) === undefined
        } catch (error) {
          expect(error).toMatchObject({ code: 'CASSIO_CORRUPT' })
          return true
        }
      })
      expect(failed.length).toBeGreaterThan(0)
      const hidden = new Set(damaged.map(({ partition }) => partition))
      for (const cell of failed) {
        expect(hidden).toContain(partitionOfKey(cellKey(cell, 0).toString()))
      }
      expect(await client.store.digest(request(CUTOFF_MS))).toEqual(digests)
      expect(client.store.stats().damages).toHaveLength(1)
      await client.store.close()
    })
  })

  test('digest: the disk fails: the call does, and the next one does not', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports)
      await fill(client, new Model(), 20)
      await client.store.flush()
      node.disk.faults.failCall(node.disk.ioCalls + 3, 'EIO')
      const failed = client.store.digest(request(CUTOFF_MS))
      await expect(failed).rejects.toMatchObject({ code: 'CASSIO_STORAGE' })
      expect(await client.store.digest(request(CUTOFF_MS))).toHaveLength(ALL.length)
      await client.store.close()
    })
  })

  test('digest: wrong arguments: refused', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const { store } = await openClient(node.ports)
      for (const partitions of [[2, 1], [1, 1], [-1], [0, ALL.length]]) {
        await expect(store.digest(request(1, 0, partitions))).rejects.toThrow(RangeError)
      }
      const short = { partitions: [1, 2], cutoffMs: 1, provenMs: [0] }
      await expect(store.digest(short)).rejects.toThrow(RangeError)
      await store.close()
    })
  })

  test('digest: close meanwhile: calls end, and so does the worker', async () => {
    for (let waitMs = 0; waitMs < 4; waitMs += 0.1) {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const ports = counting(node.ports)
        const client = await openClient(ports)
        await fill(client, new Model(), 100)
        const calls = [1, 2, 3].map(() => client.store.digest(request(CUTOFF_MS)))
        const outcomes = Promise.allSettled(calls)
        if (waitMs > 0) await sim.sleep(waitMs)
        await client.store.close()
        for (const outcome of await outcomes) {
          if (outcome.status === 'rejected') {
            expect(outcome.reason).toMatchObject({ code: 'CASSIO_CLOSED' })
          } else expect(outcome.value).toHaveLength(ALL.length)
        }
        expect(ports.workers.alive).toBe(0)
        const later = client.store.digest(request(CUTOFF_MS))
        await expect(later).rejects.toMatchObject({ code: 'CASSIO_CLOSED' })
      })
    }
  })

  test('digest: no calls for a minute: the worker is given back, and started anew at need', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const ports = counting(node.ports)
      const { store } = await openClient(ports)
      const { started, alive } = ports.workers
      for (let i = 0; i < 3; i += 1) {
        await store.digest(request(CUTOFF_MS))
        await sim.sleep(50_000)
      }
      expect(ports.workers).toMatchObject({ started: started + 1, alive: alive + 1 })
      await sim.sleep(11_000)
      expect(ports.workers).toMatchObject({ started: started + 1, alive })
      await store.digest(request(CUTOFF_MS))
      expect(ports.workers).toMatchObject({ started: started + 2, alive: alive + 1 })
      await store.close()
      expect(ports.workers.alive).toBe(0)
    })
  })
})
