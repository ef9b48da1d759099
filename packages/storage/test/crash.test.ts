import type { CrashMode, DiskFault, SimProcess, Simulation } from '@cassiopeia/env'
import type { CassioError } from '@cassiopeia/protocol'
import { testPoints } from './crash-points'
import { CrashWorkload, expectIntact } from './crash-workload'
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
    ['kill', 2],
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
    { calls: callsOfWorkload, sample: 45, seeds: 2 },
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

function asError(error: unknown): CassioError {
  return error as CassioError
}
