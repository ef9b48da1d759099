import { HintWorld, MEMBER, makeCell, OTHER, range } from './support'

async function newWorld(settings: Partial<HintWorld['settings']> = {}): Promise<HintWorld> {
  const world = new HintWorld(1)
  world.settings = { ...world.settings, ...settings }
  await world.open()
  return world
}

function bytesOnDisk(world: HintWorld): number {
  return world.hintFiles().reduce((sum, path) => sum + world.node.disk.peek(path).length, 0)
}

describe('hint bounds', () => {
  test('hint bounds: bytes of all members together: what comes after is dropped, and told', async () => {
    const world = await newWorld({ hintBytesMax: 100_000 })
    for (const i of range(0, 50)) {
      world.keep(i * 100, i * 100 + 50)
      world.keep(i * 100 + 50, i * 100 + 100, { member: OTHER })
      expect(world.hints.bytes).toBeLessThanOrEqual(100_000)
      await world.sim.advance(3)
    }
    await world.sim.advance(100)
    expect(world.hints.bytes).toBe(bytesOnDisk(world))
    expect(world.hints.bytes).toBeGreaterThan(99_000)
    const { hintsKept, hintsDropped } = world.counters
    expect(hintsKept + hintsDropped).toBe(5_000)
    expect(world.owner.dropped).toHaveLength(hintsDropped)
    world.owner.connect(MEMBER)
    world.owner.connect(OTHER)
    await world.drained()
    const known = new Set([...world.owner.dropped, ...world.owner.applied])
    expect(known.size).toBe(5_000)
    expect(world.owner.applied.size).toBe(hintsKept)
    // There is room again.
    world.keep(9_000, 9_100)
    await world.drained()
    expect(world.owner.applied.size).toBe(hintsKept + 100)
  })

  test('hint bounds: no bytes: drops at once, and touches no file', async () => {
    const world = await newWorld({ hintBytesMax: 0 })
    const calls = world.node.disk.ioCalls
    world.keep(0, 3)
    expect(world.owner.dropped).toEqual([0, 1, 2])
    await world.sim.advance(5_000)
    expect(world.node.disk.ioCalls).toBe(calls)
    expect(world.hints.bytes).toBe(0)
    await world.close()
  })

  test('hint bounds: less room than before the restart: what is there is replayed', async () => {
    const world = await newWorld()
    world.keep(0, 1_000)
    await world.close()
    world.restart()
    world.settings = { ...world.settings, hintBytesMax: 1_000 }
    await world.open()
    world.keep(5_000, 5_001)
    expect(world.owner.dropped).toEqual([5_000])
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.applied.size).toBe(1_000)
  })

  test('hint bounds: age: those too old go, whether the member is away or comes back', async () => {
    const world = await newWorld({ hintAgeMaxMs: 10_000 })
    world.keep(0, 10)
    await world.sim.advance(6_000)
    world.keep(10, 20)
    await world.sim.advance(3_000)
    expect(world.owner.dropped).toEqual([])
    await world.sim.advance(2_000)
    expect(world.owner.dropped).toEqual(range(0, 10))
    expect(world.hints.status().oldestMs).toBeLessThan(6_000)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent).toEqual(range(10, 20))
    expect(world.counters).toMatchObject({ hintsExpired: 10, hintsReplayed: 10, hintsDropped: 0 })
  })

  test('hint bounds: age: the member stays away: nothing stays', async () => {
    const world = await newWorld({ hintAgeMaxMs: 10_000 })
    for (const i of range(0, 20)) {
      world.keep(i * 1_000, i * 1_000 + 1_000)
      await world.sim.advance(100)
    }
    await world.drained(15_000)
    expect(world.owner.dropped).toEqual(range(0, 20_000))
    expect(world.hintFiles()).toEqual([])
  })

  test('hint bounds: age: counts on through a restart', async () => {
    const world = await newWorld({ hintAgeMaxMs: 10_000 })
    world.keep(0, 10)
    await world.sim.advance(6_000)
    world.restart()
    await world.open()
    expect(world.hints.status().oldestMs).toBeGreaterThan(5_900)
    await world.sim.advance(3_000)
    expect(world.owner.dropped).toEqual([])
    world.owner.latencyMs = () => 2_000
    await world.sim.advance(2_000)
    expect(world.owner.dropped).toEqual(range(0, 10))
    await world.drained()
  })

  test('hint bounds: age: a hint that its member never takes: goes too, and lets others pass', async () => {
    const world = await newWorld({ hintAgeMaxMs: 10_000 })
    world.owner.answer = (i) => (i === 4 ? 133 : 0)
    world.keep(0, 1_000)
    world.owner.connect(MEMBER)
    await world.sim.advance(5_000)
    expect(world.owner.applied.size).toBe(4 + 255)
    world.keep(1_000, 1_010)
    await world.sim.advance(10_000)
    expect(world.owner.dropped).toContain(4)
    await world.drained()
    const known = new Set([...world.owner.dropped, ...world.owner.applied])
    expect(known.size).toBe(1_010)
    expect(world.owner.applied.has(1_009)).toBe(true)
  })

  test('hint bounds: the wall clock is set back: hints are kept longer, nothing else', async () => {
    const world = await newWorld({ hintAgeMaxMs: 10_000 })
    world.keep(0, 10)
    await world.sim.advance(100)
    world.node.skewClock(-3_600_000)
    world.keep(10, 20)
    await world.sim.advance(2_000)
    expect(world.hints.status().oldestMs).toBeLessThan(3_000)
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent).toEqual(range(0, 20))
  })

  test('hint bounds: the disk is too slow: waits in memory up to a bound', async () => {
    const world = await newWorld()
    world.node.disk.faults.slowFactor = 1_000_000
    for (const i of range(0, 50)) {
      world.keep(i, i + 1, { valueBytes: 1024 * 1024 })
      await world.sim.advance(3)
    }
    expect(world.hints.bytes).toBeLessThan(32 * 1024 * 1024)
    expect(world.owner.dropped.length).toBeGreaterThan(8)
    world.node.disk.faults.clear()
    world.owner.connect(MEMBER)
    await world.drained(600_000)
    expect(world.owner.applied.size + world.owner.dropped.length).toBe(50)
  })

  test('hint bounds: a member id that is no name, a cell that is none: dropped', async () => {
    const world = await newWorld()
    for (const member of ['..', '../../etc', '', 'a/b']) world.hints.keep(member, 7, makeCell(1), 0)
    const monster = Buffer.alloc(64)
    monster.writeUInt32BE(0xffffffff, 0)
    world.hints.keep(MEMBER, 8, monster, 0)
    expect(world.owner.dropped).toEqual([7, 7, 7, 7, 8])
    await world.close()
    expect(world.node.disk.paths()).toEqual([])
  })

  test('hint bounds: closed: what was kept is on disk, what comes is dropped', async () => {
    const world = await newWorld()
    world.keep(0, 100)
    const closing = world.hints.close()
    world.keep(100, 101)
    world.keep(101, 102, { member: OTHER })
    expect(world.hints.close()).toBe(closing)
    await world.sim.run(closing)
    expect(world.owner.dropped).toEqual([100, 101])
    world.restart('power')
    await world.open()
    world.owner.connect(MEMBER)
    await world.drained()
    expect(world.owner.sent).toEqual(range(0, 100))
  })
})
