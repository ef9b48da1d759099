import type { DiskFault, SimProcess, Simulation } from '@cassiopeia/env'
import type { CassioError } from '@cassiopeia/protocol'
import {
  describeCells,
  logFile,
  Model,
  makeCell,
  openClient,
  recordingDisk,
  simulate,
  type TestClient,
  testSeeds,
} from './support'

/** Small segments, so that the workload rolls several times. */
const segmentBytes = 1_024

interface Attempt {
  readonly cell: Buffer
  state: 'given' | 'acknowledged' | 'refused' | 'unknown'
}

interface Run {
  readonly attempts: Attempt[]
  readonly fatal: CassioError[]
  finished: boolean
}

/**
 * The fixed workload: opens, writes groups of cells over few keys, reopens in the middle, closes. It
 * rolls segments, cleans them and drops some.
 */
async function workload(node: SimProcess, run: Run): Promise<void> {
  const onFatal = (error: CassioError) => run.fatal.push(error)
  for (let half = 0; half < 2; half += 1) {
    const client = await openClient(node.ports, { segmentBytes, onFatal })
    for (let group = 0; group < 9; group += 1) {
      await Promise.all(
        Array.from({ length: 1 + (group % 4) }, (_, i) => attempt(client, run, half, group, i)),
      )
    }
    await client.store.close()
  }
  run.finished = true
}

async function attempt(client: TestClient, run: Run, half: number, group: number, i: number) {
  const ms = 1_000 + run.attempts.length
  const key = `key-${(half * 5 + group * 3 + i) % 11}`
  const cell = makeCell({ key, ms, value: Buffer.alloc(20 + group * 17, i + 1) })
  const made: Attempt = { cell, state: 'given' }
  run.attempts.push(made)
  try {
    await client.write(cell)
    made.state = 'acknowledged'
  } catch (error) {
    made.state = (error as CassioError).applied === 'none' ? 'refused' : 'unknown'
  }
}

function newRun(): Run {
  return { attempts: [], fatal: [], finished: false }
}

/**
 * What was acknowledged is there, what was refused is not, the rest may be either; and the store
 * takes writes again.
 */
async function expectIntact(sim: Simulation, node: SimProcess, run: Run): Promise<void> {
  node.disk.faults.clear()
  await sim.run(async () => {
    const client = await openClient(node.ports, { segmentBytes })
    for (const key of new Set(run.attempts.map(({ cell }) => keyOf(cell)))) {
      const ofKey = run.attempts.filter(({ cell }) => keyOf(cell) === key)
      const found = client.read(key)
      const floor = ofKey.findLastIndex(({ state }) => state === 'acknowledged')
      const allowed = ofKey
        .slice(Math.max(floor, 0))
        .filter(({ state }) => state !== 'refused')
        .map(({ cell }) => cell.toString('hex'))
      if (found !== undefined) expect(allowed).toContain(found.toString('hex'))
      else expect(floor).toBe(-1)
    }
    const cell = makeCell({ key: 'afterwards', ms: 9_999 })
    await client.write(cell)
    await client.store.close()
    const again = await openClient(node.ports, { segmentBytes })
    expect(again.read('afterwards')).toEqual(cell)
    await again.store.close()
  })
}

function keyOf(cell: Buffer): string {
  return cell.toString('latin1', 32, 32 + cell.readUInt16BE(4))
}

async function ioCallsOfWorkload(): Promise<number> {
  const { sim, node } = simulate(1)
  await sim.run(workload(node, newRun()))
  expect(node.disk.paths()).not.toContain(logFile(1))
  return node.disk.ioCalls
}

describe('store', () => {
  for (const crash of ['kill', 'keep', 'drop', 'mixed'] as const) {
    test(`store: crash at each I/O call: opens with all that was acknowledged (${crash})`, async () => {
      const calls = await ioCallsOfWorkload()
      expect(calls).toBeGreaterThan(60)
      for (let call = 1; call <= calls; call += 1) {
        for (let seed = 1; seed <= (crash === 'mixed' || crash === 'kill' ? 5 : 1); seed += 1) {
          const { sim, node } = simulate(seed)
          const run = newRun()
          void workload(node, run)
          await sim.runUntil(() => node.disk.ioCalls >= call || run.finished)
          if (crash === 'kill') node.kill()
          else node.powerCut(crash)
          node.restart()
          await expectIntact(sim, node, run)
        }
      }
    })
  }

  test('store: crash at each I/O call of an opening after a crash: opens the next time', async () => {
    const calls = await ioCallsOfWorkload()
    for (let first = 5; first < calls; first += 7) {
      for (let second = 1; second <= 24; second += 1) {
        const { sim, node } = simulate(first * 100 + second)
        const run = newRun()
        void workload(node, run)
        await sim.runUntil(() => node.disk.ioCalls >= first || run.finished)
        node.powerCut()
        node.restart()
        const limit = node.disk.ioCalls + second
        let opened = false
        void openClient(node.ports, { segmentBytes }).then(() => {
          opened = true
        })
        await sim.runUntil(() => node.disk.ioCalls >= limit || opened)
        if (second % 2 === 0) node.powerCut()
        else node.kill()
        node.restart()
        await expectIntact(sim, node, run)
      }
    }
  })

  for (const fault of ['EIO', 'ENOSPC', 'short-write'] as const satisfies DiskFault[]) {
    for (const permanent of [false, true]) {
      const times = permanent ? 'for good' : 'once'
      test(`store: each I/O call fails: no false acknowledgement (${fault}, ${times})`, async () => {
        const calls = await ioCallsOfWorkload()
        for (let call = 1; call <= calls; call += 1) {
          for (const end of ['kill', 'drop'] as const) {
            const { sim, node } = simulate(call)
            node.disk.faults.failCall(call, fault, { permanent })
            const run = newRun()
            const failed = await sim.run(workload(node, run).then(() => undefined, asError))
            // Whatever the fault met, every write was answered and the failure was told.
            expect(run.attempts.filter(({ state }) => state === 'given')).toEqual([])
            expect(run.fatal.length).toBeLessThanOrEqual(2)
            if (failed !== undefined) {
              expect(['CASSIO_STORAGE', 'CASSIO_LOCKED']).toContain(failed.code)
            }
            if (end === 'kill') node.kill()
            else node.powerCut('drop')
            node.restart()
            await expectIntact(sim, node, run)
          }
        }
      })
    }
  }

  test('store: fsync fails: fatal once, never tried again, reads go on', async () => {
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
    'store: fsync failed, restarted, then power lost: what was read stays',
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

  testSeeds('store: power cut at any moment: nothing acknowledged is lost', 200, async (seed) => {
    const { sim, node } = simulate(seed)
    const random = sim.random('moment')
    const model = new Model()
    const client = await sim.run(openClient(node.ports, { segmentBytes }))
    for (let i = 0; i < 40; i += 1) {
      const cell = makeCell({ key: `key-${i % 13}`, ms: 1_000 + i, value: random.bytes(30) })
      void client.write(cell).then(() => model.write(cell))
      if (random.chance(0.4)) await sim.advance(random.between(0, 1))
    }
    node.powerCut('drop')
    node.restart()
    await sim.run(async () => {
      const again = await openClient(node.ports, { segmentBytes })
      for (const [key, cell] of model.cells) {
        const found = again.read(key)
        expect(found !== undefined && found.readUIntBE(8, 6) >= cell.readUIntBE(8, 6)).toBe(true)
      }
      expect(describeCells(await again.all()).length).toBeLessThanOrEqual(13)
    })
  })
})

function asError(error: unknown): CassioError {
  return error as CassioError
}
