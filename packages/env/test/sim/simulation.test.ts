import { type SimProcess, Simulation, type SimulationOptions, withGuards } from '../../src'
import { connect, numbered } from './helpers'

/** A little of everything, with faults: two processes that talk and write. */
async function history(options: SimulationOptions): Promise<Simulation> {
  const simulation = new Simulation(options)
  const a = simulation.process('a')
  const b = simulation.process('b')
  const { near, far } = await connect(simulation, a, b)
  simulation.setLink({ dropProbability: 0.1, duplicateProbability: 0.1, reorderProbability: 0.1 })
  a.disk.faults.syncFailProbability = 0.1
  const work = async ({ ports }: SimProcess) => {
    const file = await ports.disk.open('/log', 'create')
    for (let round = 0; round < 50; round += 1) {
      await file.append([ports.random.bytes(100)])
      await file.sync().catch(() => {})
    }
  }
  const tick = ({ ports }: SimProcess, send: () => void) => {
    send()
    ports.timers.soon(() => ports.timers.after(ports.random.unit() * 20, () => tick(a, send)))
  }
  let count = 0
  tick(a, () => near.write(numbered(count++)))
  tick(b, () => far.write(numbered(count++)))
  await simulation.run(Promise.all([work(a), work(b)]))
  simulation.cut(a, b, 'one-way')
  await simulation.advance(500)
  simulation.heal()
  b.powerCut()
  await simulation.advance(500)
  return simulation
}

describe('simulation: determinism', () => {
  it('simulation: same seed twice: same history', async () => {
    for (const seed of [1, 2, 'three']) {
      const [first, second] = [await history({ seed }), await history({ seed })]
      expect(second.traceHash).toBe(first.traceHash)
      expect(second.eventCount).toBe(first.eventCount)
      expect(first.eventCount).toBeGreaterThan(500)
    }
  })

  it('simulation: both ways of draining microtasks: same history', async () => {
    const fast = await history({ seed: 5, drain: 'auto' })
    const slow = await history({ seed: 5, drain: 'immediate' })
    expect(slow.traceHash).toBe(fast.traceHash)
  })

  it('simulation: different seeds: different histories', async () => {
    const hashes = new Set<number>()
    for (let seed = 0; seed < 20; seed += 1) hashes.add((await history({ seed })).traceHash)
    expect(hashes.size).toBe(20)
  })

  it('simulation: two worlds stepped at the same time: each as if alone', async () => {
    const alone = await history({ seed: 1 })
    const [one, two] = await Promise.all([history({ seed: 1 }), history({ seed: 2 })])
    expect(one.traceHash).toBe(alone.traceHash)
    expect(two.traceHash).not.toBe(alone.traceHash)
  })

  it('simulation: trace: every event, and two runs compare equal line by line', async () => {
    const lines = async () => {
      const kept: string[] = []
      const simulation = await history({
        seed: 9,
        trace: (event) => kept.push(JSON.stringify(event)),
      })
      expect(kept).toHaveLength(simulation.eventCount)
      return kept
    }
    expect(await lines()).toEqual(await lines())
  })

  it('simulation: one more draw in one stream: shifts no other', () => {
    const draws = (extra: boolean) => {
      const simulation = new Simulation({ seed: 1 })
      const a = simulation.process('a')
      const b = simulation.process('b')
      a.ports.random.u32()
      if (extra) a.ports.random.u32()
      return [b.ports.random.u32(), b.ports.random.u32(), simulation.random('workload').u32()]
    }
    expect(draws(true)).toEqual(draws(false))
  })
})

describe('simulation: stepping', () => {
  it('simulation: run: gives what the work gives, value or error', async () => {
    const simulation = new Simulation({ seed: 1 })
    expect(await simulation.run(async () => 7)).toBe(7)
    expect(await simulation.run(Promise.resolve('x'))).toBe('x')
    const failing = simulation.run(async () => {
      await simulation.sleep(5)
      throw new Error('as planned')
    })
    await expect(failing).rejects.toThrow('as planned')
    expect(simulation.nowMs).toBe(5)
  })

  it('simulation: run: nothing left to happen: says deadlock', async () => {
    const simulation = new Simulation({ seed: 1 })
    simulation.process('idle').pause()
    const never = simulation.run(new Promise(() => {}))
    await expect(never).rejects.toThrow(/deadlock.*no event is left.*seed 1.*idle is paused/)
  })

  it('simulation: run: limit of virtual time: an error, however busy the world is', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { timers } = simulation.process('busy').ports
    const again = () => timers.after(10, again)
    again()
    const never = simulation.run(new Promise(() => {}), { limitMs: 1_000 })
    await expect(never).rejects.toThrow(/not done at 1000 ms/)
    expect(simulation.nowMs).toBe(1_000)
    await expect(simulation.runUntil(() => false, 500)).rejects.toThrow(/runUntil.*1500 ms/)
  })

  it('simulation: timers of no delay: time passes all the same', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { timers } = simulation.process('busy').ports
    const again = () => timers.after(0, again)
    const soon = () => timers.soon(soon)
    again()
    soon()
    await expect(simulation.run(new Promise(() => {}), { limitMs: 20 })).rejects.toThrow('20 ms')
  })

  it('simulation: advance: exactly that much time, idle or not, also from within run', async () => {
    const simulation = new Simulation({ seed: 1 })
    await simulation.advance(100)
    expect(simulation.nowMs).toBe(100)
    const times = await simulation.run(async () => {
      await simulation.advance(50)
      const first = simulation.nowMs
      await Promise.all([simulation.advance(10), simulation.sleep(30)])
      return [first, simulation.nowMs]
    })
    expect(times).toEqual([150, 180])
  })

  it('simulation: runUntil: stops at the event that makes it true', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { timers } = simulation.process('a').ports
    let fired = 0
    for (let index = 1; index <= 10; index += 1) timers.after(index * 10, () => (fired += 1))
    await simulation.runUntil(() => fired === 4)
    expect(simulation.nowMs).toBe(40)
  })

  it('simulation: an event throws: the wait ends with it', async () => {
    const simulation = new Simulation({ seed: 1 })
    simulation.process('a').ports.timers.after(5, () => {
      throw new Error('a bug')
    })
    const failing = simulation.advance(10)
    await expect(failing).rejects.toThrow('an event threw: a bug')
    await expect(failing).rejects.toMatchObject({ cause: { message: 'a bug' } })
  })

  it('simulation: guard: the real clock, timers and chance throw, and come back', async () => {
    const simulation = new Simulation({ seed: 1, guard: true })
    const { timers } = simulation.process('a').ports
    const caught: unknown[] = []
    const attempt = (action: () => unknown) => () => {
      try {
        action()
      } catch (error) {
        caught.push((error as Error).message)
      }
    }
    for (const action of [Date.now, Math.random]) expect(action()).toBeGreaterThan(0)
    timers.after(
      1,
      attempt(() => Date.now()),
    )
    timers.after(
      2,
      attempt(() => Math.random()),
    )
    timers.after(
      3,
      attempt(() => setTimeout(() => {}, 1)),
    )
    await simulation.advance(10)
    const message = (name: string) => `${name} was called inside the simulation: use the ports`
    expect(caught).toEqual(['Date.now', 'Math.random', 'setTimeout'].map(message))
    expect(Date.now()).toBeGreaterThan(0)
    await expect(withGuards(() => Math.random())).rejects.toThrow('Math.random')
    expect(Math.random()).toBeGreaterThanOrEqual(0)
  })

  it('simulation: many cancelled timers: swept, the others fire in order', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { timers } = simulation.process('a').ports
    const fired: number[] = []
    for (let index = 0; index < 20_000; index += 1) {
      const delayMs = 1 + ((index * 7_919) % 20_011)
      const timer = timers.after(delayMs, () => fired.push(delayMs))
      if (index % 100 !== 0) timer.cancel()
    }
    await simulation.advance(30_000)
    expect(fired).toHaveLength(200)
    expect(fired).toEqual([...fired].sort((a, b) => a - b))
  })
})

describe('sim clock and timers', () => {
  it('sim timers: soon: in order, after what arrives in the same turn', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { timers } = simulation.process('a').ports
    const seen: string[] = []
    timers.soon(() => seen.push('one'))
    timers.soon(() => {
      seen.push('two')
      timers.soon(() => seen.push('four'))
    })
    timers.soon(() => seen.push('three'))
    await simulation.advance(1)
    expect(seen).toEqual(['one', 'two', 'three', 'four'])
  })

  it('sim timers: after: exact, cancelled never, cancel harmless later', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { timers } = simulation.process('a').ports
    const fired: string[] = []
    const first = timers.after(10, () => fired.push('first'))
    const second = timers.after(10, () => fired.push('second'))
    second.cancel()
    second.cancel()
    await simulation.advance(9)
    expect(fired).toEqual([])
    await simulation.advance(1)
    first.cancel()
    expect(fired).toEqual(['first'])
  })

  it('sim clock: skew and jumps: move the wall clock only', async () => {
    const simulation = new Simulation({ seed: 1, epochMs: 1_000_000 })
    const exact = simulation.process('exact')
    const skewed = simulation.process('skewed', { skewMs: -300 })
    expect(exact.ports.clock.wallMs()).toBe(1_000_000)
    expect(skewed.ports.clock.wallMs()).toBe(999_700)
    const before = skewed.ports.clock.monotonicMs()
    skewed.skewClock(-5_000)
    await simulation.advance(100)
    expect(skewed.ports.clock.wallMs()).toBe(994_800)
    expect(skewed.ports.clock.monotonicMs() - before).toBe(100)
    expect(skewed.restart().clock.wallMs()).toBe(994_800)
  })

  it('sim clock: drift: wall and monotonic gain; timers are never early by their own clock', async () => {
    const simulation = new Simulation({ seed: 1, epochMs: 0 })
    const { clock, timers } = simulation.process('slow').ports
    const early: number[] = []
    let fired = 0
    for (let index = 0; index < 200; index += 1) {
      const dueMs = clock.monotonicMs() + 1 + index * 3.7
      timers.after(1 + index * 3.7, () => {
        fired += 1
        if (clock.monotonicMs() < dueMs) early.push(index)
      })
    }
    const [process] = simulation.processes
    process?.setDrift(0.99)
    await simulation.advance(500)
    process?.setDrift(1.01, 0.99)
    await simulation.advance(500)
    expect(clock.wallMs()).toBe(1_000)
    expect([fired, early]).toEqual([200, []])
    expect(() => process?.setDrift(2)).toThrow(RangeError)
  })
})
