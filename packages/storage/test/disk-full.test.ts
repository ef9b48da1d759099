import type { Disk, DiskFile, SimProcess, Simulation } from '@cassiopeia/env'
import { type CassioError, cellKey } from '@cassiopeia/protocol'
import { type KeyValueStore, openStore, type StorePorts } from '../src'
import { testPoints } from './crash-points'
import {
  describeCells,
  makeCell,
  openClient,
  simulate,
  storeOptions,
  type TestClient,
  type TestOptions,
} from './support'

const KIB = 1024
const MIB = 1024 * KIB
const TINY: TestOptions = {
  memoryBytesMax: MIB,
  memtableBytes: 4 * KIB,
  segmentBytes: 4 * KIB,
  blockBytes: 512,
  tableBytes: 4 * KIB,
  diskReserveBytes: 0,
}
/** A full store looks for room every second. */
const RECOVERY_MS = 3_000

interface World {
  readonly sim: Simulation
  readonly node: SimProcess
}

/** What was acknowledged, what was refused, and what may be there or not after a failed sync. */
interface Written {
  readonly acknowledged: Map<string, Buffer>
  readonly refused: Map<string, CassioError>
  readonly unknown: Set<string>
}

function usedBytes({ disk }: SimProcess): number {
  return disk.paths().reduce((sum, path) => sum + disk.peek(path).length, 0)
}

function leaveFree(node: SimProcess, bytes: number): void {
  node.disk.faults.quotaBytes = usedBytes(node) + bytes
}

function newWritten(): Written {
  return { acknowledged: new Map(), refused: new Map(), unknown: new Set() }
}

/** Cells of new keys, given in one turn. */
async function write(client: TestClient, written: Written, keys: string[], size = 100) {
  await Promise.all(
    keys.map(async (key) => {
      const cell = makeCell({ key, ms: 1_000, value: Buffer.alloc(size, key) })
      try {
        await client.write(cell)
        written.acknowledged.set(key, cell)
      } catch (error) {
        if ((error as CassioError).applied === 'unknown') written.unknown.add(key)
        else written.refused.set(key, error as CassioError)
      }
    }),
  )
}

/** Writes until some are refused. @returns how many were taken. */
async function writeUntilRefused(client: TestClient, written: Written, size = 100) {
  for (let i = 0; i < 5_000; i += 1) {
    await write(client, written, [`${size}-${i}-a`, `${size}-${i}-b`], size)
    if (written.refused.size > 0) return
  }
  throw new Error('the disk never filled up')
}

function expectDiskFull({ refused }: Written): void {
  expect(refused.size).toBeGreaterThan(0)
  for (const error of refused.values()) {
    expect(error).toMatchObject({ code: 'CASSIO_DISK_FULL', applied: 'none' })
  }
}

/** All that was acknowledged is there, in every way of reading, and nothing that was refused. */
async function expectContents(client: TestClient, { acknowledged, refused, unknown }: Written) {
  for (const [key, cell] of acknowledged) {
    expect([key, client.read(key)?.equals(cell)]).toEqual([key, true])
    expect([key, (await client.readLater(key))?.equals(cell)]).toEqual([key, true])
  }
  for (const key of refused.keys()) expect(client.read(key)).toBeUndefined()
  const known = (await client.all()).filter((cell) => !unknown.has(cellKey(cell, 0).toString()))
  expect(describeCells(known).sort()).toEqual(describeCells([...acknowledged.values()]).sort())
}

async function expectAfterRestart({ sim, node }: World, written: Written, options = TINY) {
  node.disk.faults.clear()
  node.restart()
  await sim.run(async () => {
    const client = await openClient(node.ports, options)
    await expectContents(client, written)
    await write(client, written, ['after the restart'])
    expect(written.acknowledged.has('after the restart')).toBe(true)
    await client.store.close()
  })
}

describe('disk full: the log', () => {
  const WAYS: [string, TestOptions][] = [
    ['kill', {}],
    ['power cut', {}],
    ['close', {}],
    ['kill', { sync: 'none', inlineWriteBytesMax: 64 * KIB }],
    ['close', { sync: 'periodic', inlineWriteBytesMax: 64 * KIB }],
    ['power cut', { sync: 'group', inlineWriteBytesMax: 64 * KIB }],
  ]
  for (const [end, options] of WAYS) {
    const way = `${end}, ${JSON.stringify(options)}`
    test(`disk full: the log meets it: refused, reads go on, recovers by itself (${way})`, async () => {
      const { sim, node } = simulate(1)
      const written = newWritten()
      await sim.run(async () => {
        // No flush comes in between.
        const tiny = { ...TINY, ...options, memtableBytes: 64 * KIB }
        const client = await openClient(node.ports, tiny)
        await write(client, written, ['first'])
        leaveFree(node, 3_000)
        await writeUntilRefused(client, written)
        expectDiskFull(written)
        expect(client.store.stats().diskFull).toBe(true)
        await expectContents(client, written)
        // Also while it is known to be full, and at once.
        await write(client, written, ['refused at the door'])
        expectDiskFull(written)

        node.disk.faults.quotaBytes += 2 * MIB
        await sim.sleep(RECOVERY_MS)
        expect(client.store.stats().diskFull).toBe(false)
        await write(client, written, ['there is room'])
        expect(written.acknowledged.has('there is room')).toBe(true)
        await expectContents(client, written)
        if (end === 'close') await client.store.close()
      })
      if (end === 'power cut') node.powerCut('mixed')
      else node.kill()
      await expectAfterRestart({ sim, node }, written)
    })
  }

  test('disk full: crash while it is full, at each free byte: nothing refused appears', async () => {
    for (let free = 0; free < 400; free += 7) {
      const { sim, node } = simulate(free + 1)
      const written = newWritten()
      await sim.run(async () => {
        const client = await openClient(node.ports, TINY)
        await write(client, written, ['first'])
        leaveFree(node, free)
        await write(client, written, ['second', 'third'])
        await write(client, written, ['fourth'])
      })
      expect(written.acknowledged.size + written.refused.size).toBe(4)
      if (free % 2 === 0) node.kill()
      else node.powerCut()
      await expectAfterRestart({ sim, node }, written)
    }
  })

  for (const options of [{}, { sync: 'none', inlineWriteBytesMax: 64 * KIB }] as TestOptions[])
    test(`disk full: the log cannot be cut back: fails for good, nothing acknowledged is lost (${JSON.stringify(options)})`, async () => {
      const { sim, node } = simulate(1)
      const written = newWritten()
      const fatal: CassioError[] = []
      const onFatal = (error: CassioError) => fatal.push(error)
      await sim.run(async () => {
        const client = await openClient(node.ports, { ...TINY, ...options, onFatal })
        await write(client, written, ['first'])
        // A part of the batch is written; then it cannot be removed, as on a file system that copies.
        leaveFree(node, 60)
        node.disk.faults.failCall(node.disk.ioCalls + 2, 'ENOSPC')
        await write(client, written, ['second', 'third'])
        node.disk.faults.clear()
        await sim.sleep(RECOVERY_MS)
        await write(client, written, ['behind the remains'])
      })
      node.kill()
      await expectAfterRestart({ sim, node }, written)
      expect(fatal).toHaveLength(1)
      expect([...written.acknowledged.keys()]).toEqual(['first', 'after the restart'])
    })

  test('disk full: a batch: refused as a whole', async () => {
    const { sim, node } = simulate(1)
    const open = (): Promise<KeyValueStore> => openStore(storeOptions(TINY), node.ports)
    const operations = Array.from({ length: 20 }, (_, i) => ({
      type: 'set' as const,
      key: `batch-${i}`,
      value: Buffer.alloc(50, i),
    }))
    await sim.run(async () => {
      const store = await open()
      await store.set('before', 'here')
      leaveFree(node, 1_000)
      const refused = await store.batch(operations).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'CASSIO_DISK_FULL', applied: 'none' })
      const again = await store.batch(operations).catch((error: unknown) => error)
      expect(again).toMatchObject({ code: 'CASSIO_DISK_FULL', applied: 'none' })
    })
    node.kill()
    node.restart()
    node.disk.faults.clear()
    await sim.run(async () => {
      const store = await open()
      expect(await store.get('before')).toEqual(Buffer.from('here'))
      for (const { key } of operations) expect(await store.has(key)).toBe(false)
      await store.batch(operations)
      for (const { key, value } of operations) expect(await store.get(key)).toEqual(value)
      await store.close()
    })
  })
})

describe('disk full: tables', () => {
  test('disk full: a flush meets it: its caller is told, it is done once there is room', async () => {
    const { sim, node } = simulate(1)
    const written = newWritten()
    await sim.run(async () => {
      const client = await openClient(node.ports, TINY)
      await write(client, written, ['a', 'b', 'c'], 500)
      leaveFree(node, 700)
      const failure = await client.store.flush().catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'CASSIO_DISK_FULL' })
      await sim.sleep(10_000)
      expect(client.store.stats()).toMatchObject({ diskFull: true, tables: 0 })
      await write(client, written, ['refused'])
      expectDiskFull(written)
      await expectContents(client, written)
      node.disk.faults.quotaBytes += 2 * MIB
      await sim.sleep(RECOVERY_MS)
      expect(client.store.stats()).toMatchObject({ diskFull: false, tables: 1, flushes: 1 })
      await expectContents(client, written)
      await client.store.close()
    })
    node.kill()
    await expectAfterRestart({ sim, node }, written)
  })

  test('disk full: closed while a flush waits for room: settles, at each free byte', async () => {
    // Room for its table, for parts of it, or not for the manifest.
    for (let free = 0; free < 2_600; free += 13) {
      const { sim, node } = simulate(free + 1)
      const written = newWritten()
      await sim.run(
        async () => {
          const client = await openClient(node.ports, TINY)
          await write(client, written, ['a', 'b', 'c'], 500)
          leaveFree(node, free)
          const flush = client.store.flush().catch((error: unknown) => error)
          await sim.sleep(100)
          await client.store.close()
          await flush
        },
        { limitMs: 60_000 },
      )
      await expectAfterRestart({ sim, node }, written)
    }
  })

  test('disk full: compaction meets it: its caller is told, nothing is lost, it works later', async () => {
    const { sim, node } = simulate(1)
    const written = newWritten()
    await sim.run(async () => {
      const client = await openClient(node.ports, TINY)
      for (let i = 0; i < 3; i += 1) {
        await write(client, written, [`${i}-a`, `${i}-b`, `${i}-c`], 700)
        await client.store.flush()
      }
      await sim.sleep(1_000)
      leaveFree(node, 1_500)
      const failure = await client.store.compact().catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'CASSIO_DISK_FULL' })
      await expectContents(client, written)
      const files = node.disk.paths().filter((path) => path.endsWith('.table'))
      expect(files).toHaveLength(client.store.stats().tables)
      node.disk.faults.quotaBytes += 2 * MIB
      await sim.sleep(RECOVERY_MS)
      await client.store.compact()
      await expectContents(client, written)
      await client.store.close()
    })
    node.kill()
    await expectAfterRestart({ sim, node }, written)
  })
})

describe('disk full: the reserve', () => {
  /** Notes how often the disk itself said that it is full. */
  function countingPorts(ports: StorePorts, counts: { full: number }): StorePorts {
    const disk: Disk = new Proxy(ports.disk, {
      get: (target, name: keyof Disk) => {
        if (name !== 'open') return target[name].bind(target)
        return async (path: string, mode: 'read' | 'append' | 'create') =>
          countingFile(await target.open(path, mode), counts)
      },
    })
    return { ...ports, disk }
  }

  function countingFile(file: DiskFile, counts: { full: number }): DiskFile {
    return new Proxy(file, {
      get: (target, name: keyof DiskFile) => {
        // Whoever awaits a file asks it whether it is a promise.
        if (name !== 'append') return target[name]?.bind(target)
        return (buffers: readonly Buffer[]) =>
          target.append(buffers).catch((error: { code?: string }) => {
            if (error.code === 'ENOSPC') counts.full += 1
            throw error
          })
      },
    })
  }

  for (const reserveMib of [1, 16]) {
    test(`disk full: a reserve of ${reserveMib} MiB: refuses before the disk is full`, async () => {
      const { sim, node } = simulate(1)
      const written = newWritten()
      const counts = { full: 0 }
      const diskReserveBytes = reserveMib * MIB
      node.disk.faults.quotaBytes = (reserveMib + 6) * MIB
      await sim.run(async () => {
        const options = { diskReserveBytes, memoryBytesMax: 128 * MIB }
        const client = await openClient(countingPorts(node.ports, counts), options)
        await writeUntilRefused(client, written, 20_000)
        expectDiskFull(written)
        expect(node.disk.freeBytes()).toBeLessThan(diskReserveBytes)
        expect(node.disk.freeBytes()).toBeGreaterThan(diskReserveBytes * 0.8)
        // It is there for flushes and compaction.
        if (reserveMib > 6) await client.store.flush()
        await expectContents(client, written)
        await client.store.close()
      })
      expect(counts.full).toBe(0)
    })
  }

  test('disk full: overwritten data is compacted: writes are taken again by themselves', async () => {
    const { sim, node } = simulate(1)
    const counts = { full: 0 }
    const options = {
      memoryBytesMax: 64 * MIB,
      memtableBytes: 512 * KIB,
      segmentBytes: 256 * KIB,
      diskReserveBytes: 4 * MIB,
      // Too slow to keep up.
      compactionBytesPerSecondMax: 64 * KIB,
    }
    await sim.run(async () => {
      const client = await openClient(countingPorts(node.ports, counts), options)
      let ms = 0
      const overwrite = async (times: number) => {
        for (let i = 0; i < times; i += 1) {
          ms += 1
          const value = Buffer.alloc(10_000, ms)
          await client.write(makeCell({ key: `key-${ms % 100}`, ms, value }))
        }
      }
      await overwrite(100)
      await client.store.compact()
      leaveFree(node, 6 * MIB)
      const refused = await overwrite(1_000).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'CASSIO_DISK_FULL', applied: 'none' })
      await sim.sleep(300_000)
      expect(client.store.stats().diskFull).toBe(false)
      await overwrite(1)
      await client.store.close()
      expect(counts.full).toBe(0)
    })
  })

  test('disk full: at opening: refused from the first write on, reads go on', async () => {
    const { sim, node } = simulate(1)
    const written = newWritten()
    await sim.run(async () => {
      const first = await openClient(node.ports, TINY)
      await write(first, written, ['a', 'b'])
      await first.store.close()
      leaveFree(node, 2 * MIB)
      const client = await openClient(node.ports, { ...TINY, diskReserveBytes: 4 * MIB })
      await write(client, written, ['c'])
      expectDiskFull(written)
      await expectContents(client, written)
      await client.store.close()
    })
  })
})

describe('disk full: at any call', () => {
  /** Some fifty writes with flushes and a compaction; goes on whatever is refused. */
  async function workload(client: TestClient, written: Written, sim: Simulation): Promise<void> {
    for (let i = 0; i < 24; i += 1) {
      await write(client, written, [`${i}-a`, `${i}-b`], 100 + 10 * i)
      const flush = i % 6 === 5 ? client.store.flush() : undefined
      const compact = i === 17 ? client.store.compact() : undefined
      const work = Promise.allSettled([flush, compact])
      await Promise.race([work, sim.sleep(5_000)])
    }
  }

  async function callsOfWorkload(): Promise<number> {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, TINY)
      await workload(client, newWritten(), sim)
    })
    return node.disk.ioCalls
  }

  testPoints(
    'disk full: ENOSPC from an I/O call on, then room: recovers by itself, or failed for good',
    { calls: callsOfWorkload, sample: 60 },
    async (call, seed) => {
      const { sim, node } = simulate(seed)
      const written = newWritten()
      const fatal: CassioError[] = []
      const onFatal = (error: CassioError) => fatal.push(error)
      await sim.run(
        async () => {
          const client = await openClient(node.ports, { ...TINY, onFatal }).catch(() => undefined)
          if (client === undefined) return
          node.disk.faults.failCall(node.disk.ioCalls + call, 'ENOSPC', { permanent: true })
          await workload(client, written, sim)
          node.disk.faults.clear()
          await sim.sleep(RECOVERY_MS)
          await write(client, written, ['there is room'])
          // A sync that fails is final, whatever the reason.
          expect(written.acknowledged.has('there is room')).toBe(fatal.length === 0)
          if (fatal.length === 0) {
            expectOnlyDiskFull(written)
            await client.store.flush()
            await expectContents(client, written)
          }
          await client.store.close()
        },
        { limitMs: 600_000 },
      )
      expect(fatal.length).toBeLessThanOrEqual(1)
      node.kill()
      await expectAfterRestart({ sim, node }, written)
    },
  )

  function expectOnlyDiskFull(written: Written): void {
    if (written.refused.size > 0) expectDiskFull(written)
  }
})
