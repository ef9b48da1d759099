import type { CrashMode, DiskFault, DiskFile, SimProcess, Simulation } from '@cassiopeia/env'
import {
  type CassioError,
  CELL_STAMP_AT,
  cellKey,
  isTombstone,
  stampMs,
} from '@cassiopeia/protocol'
import { MeteredDisk } from '../src/jobs/metered-disk'
import { testPoints } from './crash-points'
import { CrashWorkload, expectIntact, TINY } from './crash-workload'
import { makeCell, openClient, recordingDisk, simulate, testSeeds } from './support'

/** Beyond the last call, for the calls of openings that retries and waiting make longer. */
const CALLS_MORE = 20

function newRun(seed: number): { sim: Simulation; node: SimProcess; run: CrashWorkload } {
  const { sim, node } = simulate(seed)
  return { sim, node, run: new CrashWorkload(sim, node) }
}

async function callsOfWorkload(): Promise<number> {
  const { node, run } = newRun(1)
  await run.runToEnd()
  return node.disk.ioCalls + CALLS_MORE
}

/** Lets the workload go on up to an I/O call, and then ends the process. */
async function crashAt(call: number, seed: number, crash: CrashMode | 'kill' | undefined) {
  const world = newRun(seed)
  const { sim, node, run } = world
  void run.run()
  await sim.runUntil(() => node.disk.ioCalls >= call || run.finished)
  end(node, crash)
  return world
}

/** @param crash Undefined: a power cut whose mode is drawn. */
function end(node: SimProcess, crash: CrashMode | 'kill' | undefined): void {
  if (crash === 'kill') node.kill()
  else node.powerCut(crash)
  node.restart()
}

describe('crash', () => {
  test('crash: the workload: does all that a store does to its disk', async () => {
    const { node, run } = newRun(1)
    await run.runToEnd()
    expect(run.problems).toEqual([])
    expect(run.snapshots).toHaveLength(2)
    expect(node.disk.ioCalls).toBeGreaterThan(1_000)
    const [first, second] = run.stats
    expect(first!.flushes).toBeGreaterThan(3)
    expect(first!.compactions).toBeGreaterThan(2)
    expect(first!.tables).toBeGreaterThan(2)
    expect(first!.bytesCompacted).toBeGreaterThan(3 * 4_096)
    expect(first!.tombstonesForgotten).toBeGreaterThan(0)
    expect(second!.recovered.cells).toBeGreaterThan(0)
    expect(second!.recovered.tables).toBeGreaterThan(2)
    expect(second!.tombstonesForgotten).toBeGreaterThan(0)
    expect(second!.logSegments).toBeGreaterThan(1)
    expect(node.disk.paths().some((path) => path.endsWith('0000001.log'))).toBe(false)
    expect(first!.writes + second!.writes).toBeGreaterThan(150)
    node.kill()
    node.restart()
    await expectIntact(run)
  })

  for (const [crash, seeds] of [
    ['kill', 1],
    ['keep', 1],
    ['drop', 1],
    ['mixed', 3],
  ] as const) {
    testPoints(
      `crash: at each I/O call: opens with all that was acknowledged (${crash})`,
      { calls: callsOfWorkload, sample: 45, seeds },
      async (call, seed) => {
        const { run } = await crashAt(call, seed, crash)
        expect(run.problems).toEqual([])
        await expectIntact(run)
      },
    )
  }

  testPoints(
    'crash: again during the opening after a crash: opens the next time',
    { calls: callsOfWorkload, sample: 45 },
    async (call, seed) => {
      const { sim, node, run } = await crashAt(call, seed, undefined)
      for (const calls of [1 + (seed % 7), 1 + (call % 61)]) {
        const limit = node.disk.ioCalls + calls
        let opened = false
        void openClient(node.ports).then(() => {
          opened = true
        })
        await sim.runUntil(() => node.disk.ioCalls >= limit || opened)
        end(node, call % 3 === 0 ? 'kill' : undefined)
      }
      await expectIntact(run)
    },
  )

  testSeeds(
    'crash: at any moment of writes, flushes and compactions all at once: nothing is lost',
    60,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const random = sim.random('moment')
      const given: Buffer[] = []
      const acknowledged = new Map<string, number>()
      const client = await sim.run(openClient(node.ports, TINY))
      for (let i = 0; i < 150; i += 1) {
        const key = `key-${(i * 7) % 23}`
        const ms = 1_000 + i
        const cell = makeCell({ key, ms, value: random.bytes(90), tombstone: i % 4 === 3 })
        given.push(cell)
        void client.write(cell).then(() => acknowledged.set(key, ms))
        if (random.chance(0.08)) void client.store.flush()
        if (random.chance(0.03)) void client.store.compact()
        if (random.chance(0.4)) await sim.advance(random.between(0, 2))
      }
      end(node, random.chance(0.3) ? 'kill' : undefined)
      await sim.run(async () => {
        const again = await openClient(node.ports, TINY)
        for (const [key, ms] of acknowledged) {
          const found = again.read(key)
          const right = given.filter((cell) => keyOf(cell) === key && cellMs(cell) >= ms)
          if (found === undefined) expect(right.some((cell) => isTombstone(cell, 0))).toBe(true)
          else expect(right).toContainEqual(found)
        }
        await again.store.close()
      })
    },
  )
})

describe('disk faults', () => {
  for (const fault of ['EIO', 'ENOSPC', 'short-write'] satisfies DiskFault[]) {
    for (const permanent of [false, true]) {
      testPoints(
        `disk faults: ${fault} at each I/O call ${permanent ? 'and all later ones' : 'once'}: ` +
          'no hang, no false answer, nothing acknowledged is lost',
        { calls: callsOfWorkload, sample: 40 },
        async (call, seed) => {
          const { node, run } = newRun(seed)
          node.disk.faults.failCall(call, fault, { permanent })
          await run.runToEnd()
          expect(run.problems).toEqual([])
          node.disk.faults.clear()
          end(node, call % 2 === 0 ? 'kill' : undefined)
          await expectIntact(run)
        },
      )
    }
  }

  test('disk faults: an opening that fails at any call: leaves no file open, and can be done again', async () => {
    const { sim, node, run } = newRun(1)
    await run.runToEnd()
    const before = node.disk.ioCalls
    await sim.run(async () => (await openClient(node.ports, TINY)).store.close())
    const calls = node.disk.ioCalls - before
    expect(calls).toBeGreaterThan(20)
    for (let call = 1; call <= calls; call += 1) {
      const disk = new HandleCount(node.ports.disk)
      node.disk.faults.failCall(node.disk.ioCalls + call, 'EIO')
      await sim.run(async () => {
        const client = await openClient({ ...node.ports, disk }, TINY).catch(() => undefined)
        await client?.store.close().catch(() => {})
        node.disk.faults.clear()
        await sim.sleep(100)
      })
      expect([call, disk.openFiles]).toEqual([call, 0])
    }
    await expectIntact(run)
  })

  for (const work of ['flush', 'compact'] as const) {
    test(`disk faults: nobody knows which manifest stands: what either names stays (${work})`, async () => {
      for (const crash of ['kill', 'drop'] as const) {
        const { sim, node } = simulate(1)
        const fatal: CassioError[] = []
        const cells = ['a', 'b', 'c'].map((key) => makeCell({ key, ms: 1, value: 'value' }))
        await sim.run(async () => {
          const ports = { ...node.ports, disk: new ManifestFault(node.ports.disk) }
          const client = await openClient(ports, { onFatal: (error) => fatal.push(error) })
          for (const cell of cells) {
            await client.write(cell)
            if (work === 'compact') await client.store.flush()
          }
          ports.disk.isArmed = true
          await expect(client.store[work]()).rejects.toMatchObject({ code: 'CASSIO_STORAGE' })
          await client.store.close()
        })
        expect(fatal).toHaveLength(1)
        end(node, crash)
        await sim.run(async () => {
          const client = await openClient(node.ports)
          for (const cell of cells) expect(client.read(cellKey(cell, 0))).toEqual(cell)
          await client.store.close()
        })
      }
    })
  }

  test('disk faults: fsync fails: fatal once, never tried again, reads go on', async () => {
    const { sim, node } = simulate(1)
    const calls: string[] = []
    const fatal: CassioError[] = []
    await sim.run(async () => {
      const ports = { ...node.ports, disk: recordingDisk(node.ports.disk, calls) }
      const client = await openClient(ports, { onFatal: (error) => fatal.push(error) })
      const before = makeCell({ key: 'before', ms: 1 })
      await client.write(before)
      node.disk.faults.syncFailProbability = 1
      const flying = client.write(makeCell({ key: 'flying', ms: 1 }))
      const failed = await flying.catch(asError)
      expect(failed).toMatchObject({ code: 'CASSIO_STORAGE', applied: 'unknown' })
      node.disk.faults.clear()
      calls.length = 0
      const later = await client.write(makeCell({ key: 'later', ms: 1 })).catch(asError)
      expect(later).toMatchObject({ code: 'CASSIO_STORAGE', applied: 'none' })
      expect(client.read('before')).toEqual(before)
      expect(client.read('flying')).toBeUndefined()
      await client.store.close()
    })
    expect(fatal).toHaveLength(1)
    expect(calls).toEqual([])
  })

  testSeeds(
    'disk faults: fsync failed, restarted, then power lost: what was read stays',
    20,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const cell = makeCell({ key: 'unlucky', ms: 5 })
      await sim.run(async () => {
        const client = await openClient(node.ports, { onFatal: () => {} })
        await client.write(makeCell({ key: 'first', ms: 1 }))
        node.disk.faults.syncFailProbability = 1
        await client.write(cell).catch(() => {})
        node.disk.faults.clear()
      })
      node.kill()
      node.restart()
      // The file shows the cell, yet the medium never got it: only a store that writes it anew may
      // serve it.
      const found = await sim.run(async () => {
        const client = await openClient(node.ports)
        const read = client.read('unlucky')
        await client.write(makeCell({ key: 'second', ms: 1 }))
        return read
      })
      node.powerCut()
      node.restart()
      await sim.run(async () => {
        const client = await openClient(node.ports)
        expect(client.read('unlucky')).toEqual(found)
        expect(client.read('first')).toBeDefined()
        expect(client.read('second')).toBeDefined()
      })
    },
  )
})

function keyOf(cell: Buffer): string {
  return cellKey(cell, 0).toString()
}

function cellMs(cell: Buffer): number {
  return stampMs(cell, CELL_STAMP_AT)
}

/** A disk that, once armed, cannot sync the directory in which a new manifest has been put. */
class ManifestFault extends MeteredDisk {
  isArmed = false

  override async syncDirectory(directory: string): Promise<void> {
    if (this.isArmed && directory === '/data') {
      throw Object.assign(new Error('EIO: the directory cannot be synced'), { code: 'EIO' })
    }
    await super.syncDirectory(directory)
  }
}

/** A disk that knows how many of its files are open. */
class HandleCount extends MeteredDisk {
  openFiles = 0

  override async open(path: string, mode: 'read' | 'append' | 'create'): Promise<DiskFile> {
    const file = await super.open(path, mode)
    this.openFiles += 1
    let isOpen = true
    const close = file.close.bind(file)
    file.close = () => {
      if (isOpen) this.openFiles -= 1
      isOpen = false
      return close()
    }
    return file
  }
}

function asError(error: unknown): CassioError {
  return error as CassioError
}
