import type { DiskFault } from '@cassiopeia/env'
import { ReplicaOutcome } from '@cassiopeia/protocol'
import { HintWorld, MEMBER, OTHER, range, testCalls, testSeeds } from './support'

/** Does all that hints do to their disk, in two lives of the process, and says what may be relied on. */
class Workload {
  readonly world: HintWorld
  kept = 0
  /** Cells below are in files; below `synced` they are also durable. */
  written = 0
  synced = 0
  isFinished = false
  isStopped = false

  constructor(seed: number) {
    this.world = new HintWorld(seed)
    this.world.owner.latencyMs = () => 3
  }

  async run(): Promise<void> {
    const { world } = this
    const { owner } = world
    await world.opening()
    await this.keep(5)
    await this.keep(20, 6_000)
    await this.settle(1_600)
    await this.keep(30)
    owner.connect(MEMBER)
    await this.keep(10)
    await this.settle(300)
    owner.disconnect(MEMBER)
    await this.keep(15)
    await this.settle(1_600)
    await this.keep(15)
    if (this.isStopped) return
    await world.hints.close()
    if (this.isStopped) return
    this.synced = this.kept
    this.written = this.kept
    owner.restarted(world.node.ports)
    await world.opening()
    await this.keep(10)
    owner.answer = (i, nth) =>
      i % 5 === 0 && nth === 1 ? ReplicaOutcome.overloaded : ReplicaOutcome.applied
    owner.connect(MEMBER)
    await this.settle(700)
    owner.connect(OTHER)
    await this.keep(10)
    await this.settle(1_600)
    if (this.isStopped) return
    await world.hints.close()
    this.isFinished = true
  }

  private async keep(count: number, valueBytes?: number): Promise<void> {
    for (let i = 0; i < count && !this.isStopped; i += 1) {
      const member = this.kept % 4 === 3 ? OTHER : MEMBER
      this.world.keep(this.kept, this.kept + 1, { valueBytes, member })
      this.kept += 1
      if (i % 5 === 4) await this.world.sim.sleep(4)
    }
  }

  /** Lets time pass, so that the disk has had all there is. */
  private async settle(ms: number): Promise<void> {
    const { kept } = this
    await this.world.sim.sleep(ms)
    if (this.isStopped) return
    this.written = kept
    if (ms > 1_500) this.synced = kept
  }

  /** Opens again and replays to the end. */
  async finish(): Promise<void> {
    const { world } = this
    world.owner.answer = () => ReplicaOutcome.applied
    await world.open()
    world.owner.connect(MEMBER)
    world.owner.connect(OTHER)
    await world.sim.advance(1_000)
    await world.drained()
    expect(world.hintFiles()).toEqual([])
    await world.close()
  }

  missing(below: number): number[] {
    return range(0, below).filter((i) => !this.world.owner.applied.has(i))
  }
}

async function callsOfWorkload(): Promise<number> {
  const work = new Workload(1)
  await work.world.sim.run(work.run())
  expect(work.missing(work.kept)).toEqual([])
  expect(work.world.owner).toMatchObject({ lost: 0, dropped: [] })
  return work.world.node.disk.ioCalls + 5
}

/** Lets the workload go on up to an I/O call, and then ends the process. */
async function crashAt(call: number, seed: number, how: 'kill' | 'power'): Promise<Workload> {
  const work = new Workload(seed)
  const { sim, node } = work.world
  void work.run()
  await sim.runUntil(() => node.disk.ioCalls >= call || work.isFinished)
  work.isStopped = true
  work.world.restart(how)
  return work
}

describe('hint crash', () => {
  testCalls(
    'hint crash: killed at each I/O call: what was written is delivered',
    callsOfWorkload,
    async (call, seed) => {
      const work = await crashAt(call, seed, 'kill')
      await work.finish()
      expect(work.missing(work.written)).toEqual([])
    },
  )

  testCalls(
    'hint crash: power lost at each I/O call: what was synced is delivered, and no wrong cell',
    callsOfWorkload,
    async (call, seed) => {
      const work = await crashAt(call, seed, 'power')
      await work.finish()
      expect(work.missing(work.synced)).toEqual([])
    },
  )

  testSeeds(
    'hint crash: again and again in the middle of a replay: all is delivered',
    10,
    async (seed) => {
      const world = new HintWorld(seed)
      const random = world.sim.random('crash')
      await world.open()
      world.keep(0, 2_000)
      await world.sim.advance(2_500)
      for (let crashes = 0; crashes < 6; crashes += 1) {
        world.owner.connect(MEMBER)
        await world.sim.advance(random.between(0.5, 8))
        world.restart(random.chance(0.5) ? 'kill' : 'power')
        world.owner.live.delete(MEMBER)
        await world.open()
      }
      world.owner.connect(MEMBER)
      await world.drained()
      expect(range(0, 2_000).filter((i) => !world.owner.applied.has(i))).toEqual([])
      expect(world.owner).toMatchObject({ dropped: [], lost: 0 })
    },
  )
})

describe('hint disk faults', () => {
  for (const fault of ['EIO', 'ENOSPC', 'short-write'] satisfies DiskFault[]) {
    for (const permanent of [false, true]) {
      testCalls(
        `hint disk faults: ${fault} at each I/O call ${permanent ? 'and all later ones' : 'once'}: ` +
          'nothing fails, what is not delivered is told',
        callsOfWorkload,
        async (call, seed) => {
          const work = new Workload(seed)
          const { world } = work
          world.node.disk.faults.failCall(call, fault, { permanent })
          await world.sim.run(work.run())
          world.node.disk.faults.clear()
          if (call % 2 === 0) world.restart('kill')
          else world.owner.restarted(world.node.ports)
          await work.finish()
          const told = new Set(world.owner.dropped)
          const untold = work.missing(work.kept).filter((i) => !told.has(i))
          if (world.owner.lost === 0) expect(untold).toEqual([])
          // One fault takes what waits for the disk, never what other files hold.
          if (!permanent) expect(untold.length).toBeLessThan(work.kept / 2)
        },
      )
    }
  }

  test('hint disk faults: the disk is full, and has room again: hints are kept again', async () => {
    const world = new HintWorld(1)
    await world.open()
    world.keep(0, 100)
    await world.sim.advance(100)
    world.node.disk.faults.quotaBytes = world.node.disk.peek(world.hintFiles()[0]!).length + 500
    world.keep(100, 200)
    await world.sim.advance(100)
    world.keep(200, 300)
    await world.sim.advance(100)
    expect(world.owner.dropped).toEqual(range(100, 300))
    world.node.disk.faults.clear()
    await world.sim.advance(1_000)
    world.keep(300, 400)
    await world.sim.advance(100)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent).toEqual([...range(0, 100), ...range(300, 400)])
    expect(world.owner.lost).toBe(0)
  })

  test('hint disk faults: files that cannot be read for a while: are replayed later', async () => {
    const world = new HintWorld(1)
    await world.open()
    world.keep(0, 100)
    await world.close()
    for (const calls of [1, 2, 3, 4, 5]) {
      world.restart()
      world.node.disk.faults.failCall(world.node.disk.ioCalls + calls, 'EIO')
      await world.open()
      expect(world.owner.lost).toBe(0)
    }
    world.owner.connect(MEMBER)
    await world.sim.advance(1_000)
    expect(world.owner.sent).toEqual(range(0, 100))
    await world.drained()
  })

  test('hint disk faults: a file that cannot be removed: is removed later', async () => {
    const world = new HintWorld(1)
    await world.open()
    world.keep(0, 10)
    await world.sim.advance(100)
    const unlink = world.node.ports.disk.unlink.bind(world.node.ports.disk)
    let isBroken = true
    world.node.ports.disk.unlink = (path) =>
      isBroken ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : unlink(path)
    world.owner.connect(MEMBER)
    await world.sim.advance(5_000)
    expect(world.owner.applied.size).toBe(10)
    expect(world.hints.bytes).toBeGreaterThan(0)
    isBroken = false
    await world.drained(1_000)
    expect(world.hintFiles()).toEqual([])
    expect(world.owner.sent).toHaveLength(10)
  })

  test('hint disk faults: a sync fails: what follows goes to another file', async () => {
    const world = new HintWorld(1)
    await world.open()
    world.keep(0, 10)
    world.node.disk.faults.syncFailProbability = 1
    await world.sim.advance(2_000)
    world.node.disk.faults.clear()
    world.keep(10, 20)
    await world.sim.advance(2_500)
    expect(world.hintFiles()).toHaveLength(2)
    world.restart('power')
    await world.open()
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent.filter((i) => i >= 10)).toEqual(range(10, 20))
  })
})
