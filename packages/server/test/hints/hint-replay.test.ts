import { ReplicaOutcome } from '@cassiopeia/protocol'
import { WINDOW_BYTES_MAX, WINDOW_HINTS_MAX } from '../../src/hints/hint-replay'
import { HintWorld, MEMBER, OTHER, range, testSeeds } from './support'

async function newWorld(seed = 1): Promise<HintWorld> {
  const world = new HintWorld(seed)
  await world.open()
  return world
}

function expectOrder(sent: readonly number[]): void {
  expect(sent).toEqual([...sent].sort((a, b) => a - b))
}

describe('hint replay', () => {
  test('hint replay: the member is away, then back: gets what it missed, in order, and nothing stays', async () => {
    const world = await newWorld()
    world.keep(0, 1_000)
    await world.sim.advance(2_000)
    expect(world.owner.sent).toEqual([])
    expect(world.hintFiles()).toHaveLength(1)
    expect(world.hints.status()).toMatchObject({
      bytes: world.hints.bytes,
      peers: [{ address: 'member:1', bytes: world.hints.bytes }],
    })
    expect(world.hints.status().oldestMs).toBeGreaterThanOrEqual(1_900)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent).toEqual(range(0, 1_000))
    expect(world.owner.inFlightMost).toBe(WINDOW_HINTS_MAX)
    expect(world.hintFiles()).toEqual([])
    expect(world.hints.status()).toEqual({ bytes: 0, oldestMs: 0, peers: [] })
    expect(world.counters).toMatchObject({
      hintsKept: 1_000,
      hintsReplayed: 1_000,
      hintsDropped: 0,
    })
    expect(world.owner.lost).toBe(0)
    await world.close()
  })

  test('hint replay: a member that lives: is sent a hint within milliseconds', async () => {
    const world = await newWorld()
    world.owner.live.add(MEMBER)
    for (const i of range(0, 20)) {
      const before = world.sim.nowMs
      world.keep(i, i + 1)
      await world.sim.runUntil(() => world.owner.sent.length === i + 1)
      expect(world.sim.nowMs - before).toBeLessThan(60)
      if (i % 2 === 0) await world.drained()
    }
    await world.drained()
    expect(world.owner.sent).toEqual(range(0, 20))
  })

  test('hint replay: hints come while it is under way: follow in order', async () => {
    const world = await newWorld()
    world.keep(0, 3_000)
    world.owner.connect(MEMBER)
    for (const i of range(3, 30)) {
      await world.sim.advance(1)
      world.keep(i * 1_000, i * 1_000 + 1_000)
    }
    await world.drained()
    expect(world.owner.sent).toEqual(range(0, 30_000))
  })

  testSeeds(
    'hint replay: all is settled while more is being written: nothing is lost',
    20,
    async (seed) => {
      const world = await newWorld(seed)
      world.owner.live.add(MEMBER)
      world.owner.latencyMs = () => 20
      world.node.disk.faults.slowFactor = 1_000
      for (const i of range(0, 50)) {
        world.keep(i, i + 1)
        await world.sim.advance(world.sim.random(`${i}`).between(0, 60))
        world.hints.wake()
      }
      await world.drained()
      expect(world.owner.sent).toEqual(range(0, 50))
      expect(world.owner.applied.size).toBe(50)
    },
  )

  test('hint replay: several members: each gets its own', async () => {
    const world = await newWorld()
    world.keep(0, 500)
    world.keep(500, 900, { member: OTHER })
    await world.sim.advance(100)
    expect(world.hints.status().peers.map(({ address }) => address)).toEqual(['member:1', OTHER])
    world.owner.connect(OTHER)
    await world.sim.advance(1_000)
    expect(world.owner.sent).toEqual(range(500, 900))
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent.slice(400)).toEqual(range(0, 500))
  })

  test('hint replay: large cells: a mebibyte is in flight, or one', async () => {
    const world = await newWorld()
    world.keep(0, 40, { valueBytes: 100_000 })
    world.keep(40, 42, { valueBytes: 3_000_000 })
    await world.sim.advance(100)
    world.keep(43, 44, { valueBytes: 16 * 1024 * 1024 })
    await world.sim.advance(100)
    world.keep(44, 45, { valueBytes: 16 * 1024 * 1024 })
    await world.sim.advance(100)
    world.owner.connect(MEMBER)
    await world.sim.runUntil(() => world.owner.sent.length >= 40)
    expect(world.owner.inFlightBytesMost).toBeGreaterThan(WINDOW_BYTES_MAX / 2)
    expect(world.owner.inFlightBytesMost).toBeLessThanOrEqual(WINDOW_BYTES_MAX)
    world.owner.inFlightMost = 0
    await world.sim.runUntil(() => world.owner.sent.length >= 41)
    await world.sim.runUntil(() => world.owner.inFlight === 0)
    await world.drained()
    expect(world.owner.sent).toEqual([...range(0, 42), 43, 44])
  })

  test('hint replay: the member refuses for good: counted, and not sent again', async () => {
    const world = await newWorld()
    world.owner.answer = (i) =>
      [ReplicaOutcome.applied, ReplicaOutcome.dominated, ReplicaOutcome.settled][i] ??
      (i % 2 === 0 ? ReplicaOutcome.fenced : ReplicaOutcome.invalid)
    world.keep(0, 10)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent).toEqual(range(0, 10))
    expect(world.counters).toMatchObject({ hintsReplayed: 3, hintsRefused: 7 })
  })

  test.each([
    'overloaded',
    'diskFull',
    'storage',
    'expired',
    'staleMap',
    'stampAhead',
    'damaged',
  ] as const)('hint replay: the member answers %s: waits, longer each time', async (outcome) => {
    const world = await newWorld()
    world.owner.answer = (i) =>
      i === 3 && world.sim.nowMs < 20_000 ? ReplicaOutcome[outcome] : ReplicaOutcome.applied
    world.keep(0, 5)
    world.owner.connect(MEMBER)
    await world.sim.advance(15_000)
    expect(world.owner.sent.slice(0, 5)).toEqual(range(0, 5))
    const again = world.owner.sent.slice(5)
    expect(again.every((i) => i === 3)).toBe(true)
    expect(again.length).toBeGreaterThan(4)
    expect(again.length).toBeLessThan(20)
    await world.drained()
    expect([...world.owner.applied].sort()).toEqual(range(0, 5))
    expect(world.counters.hintsReplayed).toBe(5)
  })

  test('hint replay: the member is overloaded now and then: nothing is lost, pace is kept', async () => {
    const world = await newWorld()
    const random = world.sim.random('refusals')
    world.owner.answer = () =>
      random.chance(0.01) ? ReplicaOutcome.overloaded : ReplicaOutcome.applied
    world.keep(0, 10_000)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.applied.size).toBe(10_000)
    // Only what was refused is sent again.
    expect(world.owner.sent.length).toBeLessThan(10_300)
  })

  test('hint replay: no answer: sent again after some seconds', async () => {
    const world = await newWorld()
    world.owner.answer = (i, nth) => (i === 2 && nth === 1 ? undefined : ReplicaOutcome.applied)
    world.keep(0, 600)
    world.owner.connect(MEMBER)
    await world.sim.advance(4_000)
    // The window begins at the one that is not answered.
    expect(Math.max(...world.owner.sent)).toBe(2 + WINDOW_HINTS_MAX - 1)
    await world.drained()
    expect(world.owner.applied.size).toBe(600)
    expect(world.owner.sent.filter((i) => i === 2)).toHaveLength(2)
    expect(world.owner.sent).toHaveLength(601)
  })

  test('hint replay: the member takes no more now: goes on when woken, and with each answer', async () => {
    const world = await newWorld()
    world.owner.room = 10
    world.keep(0, 1_000)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.inFlightMost).toBe(10)
    expect(world.owner.sent).toEqual(range(0, 1_000))
    world.owner.room = 0
    world.keep(1_000, 1_001)
    await world.sim.advance(30_000)
    world.owner.room = 1
    const before = world.sim.nowMs
    world.hints.wake()
    await world.drained()
    expect(world.sim.nowMs - before).toBeLessThan(50)
  })

  test('hint replay: nobody wakes it: finds out that the member is back', async () => {
    const world = await newWorld()
    world.keep(0, 10)
    await world.sim.advance(10_000)
    world.owner.live.add(MEMBER)
    await world.sim.advance(1_000)
    expect(world.owner.sent).toEqual(range(0, 10))
  })

  test('hint replay: the member goes in the middle: starts again from the first that is not settled', async () => {
    const world = await newWorld()
    world.owner.latencyMs = () => 5
    world.keep(0, 2_000)
    world.owner.connect(MEMBER)
    await world.sim.runUntil(() => world.owner.applied.size >= 700)
    const first = range(0, 2_000).find((i) => !world.owner.applied.has(i))
    world.owner.disconnect(MEMBER)
    const sent = world.owner.sent.length
    await world.sim.advance(30_000)
    expect(world.owner.sent).toHaveLength(sent)
    world.owner.connect(MEMBER)
    const before = world.sim.nowMs
    await world.drained()
    expect(world.sim.nowMs - before).toBeLessThan(500)
    expect(world.owner.sent[sent]).toBe(first)
    expectOrder(world.owner.sent.slice(sent))
    expect(world.owner.applied.size).toBe(2_000)
    // What was answered behind the first that was not is sent again, and counted again.
    expect(world.counters.hintsReplayed).toBeLessThan(2_000 + WINDOW_HINTS_MAX)
  })

  test('hint replay: late answers: settle nothing', async () => {
    const world = await newWorld()
    const tokens: number[] = []
    const send = world.owner.sendHint.bind(world.owner)
    world.owner.sendHint = (member, token, cell, at) => {
      tokens.push(token)
      return send(member, token, cell, at)
    }
    world.owner.answer = () => undefined
    world.keep(0, 3)
    world.owner.connect(MEMBER)
    await world.sim.advance(100)
    world.owner.disconnect(MEMBER)
    for (const token of tokens) world.hints.onAnswer(token, ReplicaOutcome.applied)
    world.hints.onAnswer(12_345, ReplicaOutcome.applied)
    world.hints.onPeerLost('nobody')
    expect(world.counters.hintsReplayed).toBe(0)
    world.owner.answer = () => ReplicaOutcome.applied
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.applied.size).toBe(3)
    expect(new Set(tokens).size).toBe(tokens.length)
  })

  test('hint replay: the owner answers and loses the connection from inside sendHint: holds', async () => {
    const world = await newWorld()
    let sends = 0
    world.owner.sendHint = (_member, token) => {
      sends += 1
      if (sends === 5) world.hints.onPeerLost(MEMBER)
      else world.hints.onAnswer(token, ReplicaOutcome.applied)
      return sends !== 5
    }
    world.keep(0, 3_000)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(sends).toBe(3_001)
    expect(world.counters.hintsReplayed).toBe(3_000)
  })

  testSeeds(
    'hint replay: members that come, go, refuse and are slow: nothing is lost',
    25,
    async (seed) => {
      const world = await newWorld(seed)
      const random = world.sim.random('member')
      const refusals = [ReplicaOutcome.overloaded, ReplicaOutcome.expired, ReplicaOutcome.staleMap]
      world.owner.latencyMs = () => random.between(1, random.chance(0.01) ? 300 : 10)
      let isKind = false
      world.owner.answer = () => {
        if (isKind || random.chance(0.95)) return ReplicaOutcome.applied
        return random.chance(0.1) ? undefined : refusals[random.below(3)]!
      }
      let kept = 0
      for (let round = 0; round < 60; round += 1) {
        const more = random.below(150)
        world.keep(kept, kept + more, { valueBytes: random.below(500) })
        kept += more
        await world.sim.advance(random.between(0, random.chance(0.1) ? 2_000 : 20))
        if (random.chance(0.3)) world.owner.connect(MEMBER)
        else if (random.chance(0.2)) world.owner.disconnect(MEMBER)
        if (random.chance(0.05)) {
          await world.close()
          world.restart()
          await world.open()
        }
      }
      isKind = true
      world.owner.connect(MEMBER)
      await world.drained(120_000)
      expect(world.owner.applied.size).toBe(kept)
      expect(world.owner.inFlightMost).toBeLessThanOrEqual(WINDOW_HINTS_MAX)
      expect(world.hintFiles()).toEqual([])
      expect(world.owner).toMatchObject({ dropped: [], lost: 0 })
    },
  )

  test('hint replay: 100,000 missed writes: some seconds, and a window of memory', async () => {
    const world = await newWorld()
    for (const i of range(0, 100)) {
      world.keep(i * 1_000, i * 1_000 + 1_000, { valueBytes: 100 })
      await world.sim.advance(10)
    }
    await world.sim.advance(100)
    expect(world.counters.hintsKept).toBe(100_000)
    expect(world.hintFiles().length).toBeGreaterThan(1)
    expect(world.hints.bytes).toBeLessThan(100_000 * 150)
    const before = world.sim.nowMs
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.sim.nowMs - before).toBeLessThan(2_000)
    expect(world.owner.sent).toEqual(range(0, 100_000))
    expect(world.owner.inFlightMost).toBe(WINDOW_HINTS_MAX)
    expect(world.hintFiles()).toEqual([])
  })
})
