import { KeyedRandom } from '@cassiopeia/env'
import { pack, unpack } from '@cassiopeia/protocol'
import { GossipCore, type GossipMessage } from '../../src/gossip/gossip-core'
import { PhiAccrual } from '../../src/gossip/phi-accrual'

const SIZES = { keys: 1, cellBytes: 2, memoryBytes: 3, logBytes: 4 }
const LOAD = { ...SIZES, requests: 5, hintBytes: 6, unverifiedMs: 7 }
const OPTIONS = { phiThreshold: 8, phiWindow: 100, gapMaxMs: 400, gapMinMs: 200 }

/** A state as it would come from the wire. */
function state(id: string, generation: number, version: number, changes: object = {}) {
  return { id, generation, version, load: LOAD, ...changes }
}

class GossipWorld {
  readonly cores: GossipCore[]
  nowMs = 0

  constructor(
    count: number,
    private readonly random: KeyedRandom,
    private readonly loss = 0,
  ) {
    this.cores = Array.from({ length: count }, (_, i) => new GossipCore(`n${i}`, 1, OPTIONS))
  }

  /** Everyone who is not silent beats once and tells one random other. */
  beat(silent: readonly number[] = []): void {
    this.nowMs += 200
    this.cores.forEach((core, from) => {
      if (silent.includes(from)) return
      const message = core.beat(LOAD)
      const others = this.cores.map((_, i) => i).filter((i) => i !== from && !silent.includes(i))
      const to = others[this.random.below(others.length)]
      if (to !== undefined) this.exchange(from, to, message)
    })
  }

  private exchange(from: number, to: number, message: GossipMessage): void {
    if (this.random.chance(this.loss)) return
    const answer = this.cores[to]!.onMessage(unpack(pack(message)), this.nowMs)
    if (answer !== undefined) this.exchange(to, from, answer)
  }
}

describe('gossip core', () => {
  it.each([
    [1, 3, 0],
    [2, 3, 0.3],
    [3, 8, 0],
    [4, 8, 0.3],
  ])(
    'gossip core: everyone tells one other (seed %d, %d nodes, loss %d): all know all, none suspected',
    (seed, count, loss) => {
      const world = new GossipWorld(count, new KeyedRandom(seed, 'gossip'), loss)
      for (let i = 0; i < 60; i += 1) world.beat()
      for (const core of world.cores) {
        for (let i = 0; i < count; i += 1) {
          const known = core.stateOf(`n${i}`)!
          expect([known.generation, known.load]).toEqual([1, LOAD])
          expect(known.version).toBeGreaterThan(40)
          expect(core.suspects(`n${i}`, world.nowMs)).toBe(false)
        }
      }
    },
  )

  it('gossip core: one falls silent: suspected within 5 s, never forgotten, trusted when it returns', () => {
    const world = new GossipWorld(3, new KeyedRandom(5, 'gossip'))
    const [observer] = world.cores as [GossipCore]
    for (let i = 0; i < 50; i += 1) world.beat()
    for (let i = 0; i < 25; i += 1) world.beat([2])
    expect(observer.suspects('n2', world.nowMs)).toBe(true)
    expect(observer.suspects('n1', world.nowMs)).toBe(false)
    for (let i = 0; i < 5_000; i += 1) world.beat([2])
    expect(observer.stateOf('n2')).toBeDefined()
    expect(observer.suspects('n2', world.nowMs)).toBe(true)
    for (let i = 0; i < 10; i += 1) world.beat()
    expect(observer.suspects('n2', world.nowMs)).toBe(false)
  })

  it('gossip core: a restart, version 1 of a higher generation: trusted at once', () => {
    const core = new GossipCore('me', 1, OPTIONS)
    for (let i = 1; i <= 20; i += 1) {
      core.onMessage({ type: 'ack2', states: [state('n', 1, i)] }, i * 200)
    }
    const laterMs = 100_000
    expect(core.suspects('n', laterMs)).toBe(true)
    core.onMessage({ type: 'ack2', states: [state('n', 2, 1)] }, laterMs)
    expect([core.suspects('n', laterMs), core.stateOf('n')!.generation]).toEqual([false, 2])
    core.onMessage({ type: 'ack2', states: [state('n', 1, 9_999)] }, laterMs + 1)
    expect(core.stateOf('n')!.generation).toBe(2)
  })

  it('gossip core: a member that was never heard of: suspected, until it is heard', () => {
    const core = new GossipCore('me', 1, OPTIONS)
    core.expect('n', 0)
    core.expect('n', 9_000)
    core.expect('me', 0)
    expect([core.suspects('n', 1_000), core.suspects('n', 10_000)]).toEqual([false, true])
    expect([core.suspects('me', 10_000), core.stateOf('n')]).toEqual([false, undefined])
    core.onMessage({ states: [state('n', 1, 1)] }, 10_000)
    expect(core.suspects('n', 10_000)).toBe(false)
  })

  it('gossip core: states already known: are no heartbeat', () => {
    const core = new GossipCore('me', 1, OPTIONS)
    for (const ms of [0, 200, 400]) core.onMessage({ states: [state('n', 1, ms + 1)] }, ms)
    for (let ms = 400; ms < 10_000; ms += 200) core.onMessage({ states: [state('n', 1, 401)] }, ms)
    expect(core.suspects('n', 10_000)).toBe(true)
  })

  it("gossip core: what others say of this node: changes nothing, and it's never asked for", () => {
    const core = new GossipCore('me', 3, OPTIONS)
    core.onMessage({ states: [state('me', 99, 99)] }, 0)
    expect(core.stateOf('me')!.generation).toBe(3)
    expect(core.onMessage({ type: 'syn', digests: [['me', 99, 99]] }, 0)).toEqual({
      type: 'ack',
      states: [],
      wanted: [],
    })
  })

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a number', 5],
    ['text', 'syn'],
    ['digests that are no list', { type: 'syn', digests: 'x' }],
    ['malformed digests', { type: 'syn', digests: [null, [], ['n'], ['n', '1', 2], [1, 2, 3]] }],
    ['states that are no list', { type: 'ack2', states: { length: 1 } }],
    [
      'malformed states',
      {
        type: 'ack2',
        states: [
          null,
          {},
          state('n', 1.5, 1),
          state('n', 1, Number.NaN),
          state('n', 1, 1, { load: null }),
        ],
      },
    ],
    ['a load with text', { states: [state('n', 1, 1, { load: { ...LOAD, keys: '5' } })] }],
    ['wanted that is no list', { type: 'ack', states: [], wanted: 'n' }],
    ['an unknown type', { type: 'shout' }],
  ])('gossip core: %s: ignored', (_what, message) => {
    const core = new GossipCore('me', 1, OPTIONS)
    expect(() => core.onMessage(message, 0)).not.toThrow()
    expect(core.stateOf('n')).toBeUndefined()
  })

  it('gossip core: a rumour of 100,000 nodes: bounded memory', () => {
    const core = new GossipCore('me', 1, OPTIONS)
    const states = Array.from({ length: 100_000 }, (_, i) => state(`n${i}`, 1, 1))
    core.onMessage({ type: 'ack2', states }, 0)
    const syn = core.beat(LOAD) as { digests: readonly unknown[] }
    expect(syn.digests.length).toBeLessThanOrEqual(1_001)
    expect(core.stateOf('n0')).toBeDefined()
  })
})

describe('phi accrual', () => {
  it('phi accrual: by the formula: silence / (mean gap · ln 10)', () => {
    const detector = new PhiAccrual(100, 1_000)
    expect([detector.heard, detector.phi(5)]).toEqual([false, 0])
    for (const ms of [0, 100, 300]) detector.heartbeat(ms)
    expect(detector.phi(300)).toBe(0)
    expect(detector.phi(300 + 150 * Math.LN10 * 8)).toBeCloseTo(8)
  })

  it('phi accrual: one heartbeat, then silence: suspected all the same', () => {
    const detector = new PhiAccrual(100, 1_000)
    detector.heartbeat(0)
    expect(detector.phi(0)).toBe(0)
    expect(detector.phi(500 * Math.LN10 * 8)).toBeCloseTo(8)
  })

  it('phi accrual: an outage: teaches nothing', () => {
    const detector = new PhiAccrual(3, 1_000)
    for (const ms of [0, 300, 600, 50_000, 50_300]) detector.heartbeat(ms)
    expect(detector.phi(50_300 + 300 * Math.LN10)).toBeCloseTo(1)
  })

  it('phi accrual: old gaps: leave the window', () => {
    const detector = new PhiAccrual(3, 1_000)
    for (const ms of [0, 900, 1_800, 2_700, 3_000, 3_300, 3_600]) detector.heartbeat(ms)
    expect(detector.phi(3_600 + 300 * Math.LN10)).toBeCloseTo(1)
  })

  it('phi accrual: heartbeats in one burst: no silence of a millisecond is suspicious', () => {
    const detector = new PhiAccrual(100, 1_000, 250)
    for (let i = 0; i < 50; i += 1) detector.heartbeat(5)
    expect(detector.phi(6)).toBeLessThan(1)
    expect(detector.phi(255)).toBeLessThan(1)
    expect(detector.phi(4)).toBe(0)
  })

  it.each([0, -1, 1.5, 10_001, Number.NaN])('phi accrual: a window of %d: RangeError', (size) => {
    expect(() => new PhiAccrual(size, 1)).toThrow(RangeError)
  })
})
