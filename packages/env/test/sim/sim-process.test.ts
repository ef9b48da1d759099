import { Simulation } from '../../src'
import { connect, numbered } from './helpers'

describe('sim process', () => {
  it('sim process: kill: timers, promises and ports are inert; peers see the end', async () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a')
    const b = simulation.process('b')
    const { near, far, nearSide, farSide } = await connect(simulation, a, b)
    const seen: string[] = []
    const { ports } = b
    ports.timers.after(5, () => seen.push('timer'))
    ports.timers.soon(() => seen.push('soon'))
    void ports.disk.readFile('/none').catch(() => seen.push('disk'))
    void ports.network.listen({ host: 'b', port: 1 }, () => {}).then(() => seen.push('listen'))
    near.write(numbered(1))
    b.kill()
    expect(b.alive).toBe(false)
    // What code that still runs does after the kill has no effect either.
    far.write(numbered(2))
    far.destroy()
    ports.timers.after(1, () => seen.push('late timer'))
    ports.timers.soon(() => seen.push('late soon'))
    void ports.disk.makeDirectory('/late').finally(() => seen.push('late disk'))
    ports.network.dial({ host: 'a', port: 1 }, { onData() {}, onClose: () => seen.push('dial') })
    await simulation.advance(30_000)
    expect(seen).toEqual([])
    expect(b.disk.ioCalls).toBe(1)
    expect([farSide.closed, farSide.chunks]).toEqual([false, []])
    expect([nearSide.closed, nearSide.chunks]).toEqual([true, []])
  })

  it('sim process: kill: a peer sees an orderly end or ECONNRESET, by seed', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 20; seed += 1) {
      const simulation = new Simulation({ seed })
      const b = simulation.process('b')
      const { nearSide } = await connect(simulation, simulation.process('a'), b)
      b.kill()
      await simulation.runUntil(() => nearSide.closed, 1_000)
      outcomes.add((nearSide.error as NodeJS.ErrnoException | undefined)?.code ?? 'end')
    }
    expect([...outcomes].sort()).toEqual(['ECONNRESET', 'end'])
  })

  it('sim process: kill and restart: files keep what was written, other ports and chance', async () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a')
    const old = a.ports
    await simulation.run(async () => {
      await old.disk.makeDirectory('/data')
      const file = await old.disk.open('/data/log', 'create')
      await file.append([Buffer.from('not synced')])
      await old.disk.lock('/data/LOCK')
    })
    a.kill()
    const ports = a.restart()
    expect(a.ports).toBe(ports)
    expect(ports).not.toBe(old)
    await simulation.run(async () => {
      expect((await ports.disk.readFile('/data/log')).toString()).toBe('not synced')
      await ports.disk.lock('/data/LOCK')
    })
    expect(ports.random.u32()).not.toBe(old.random.u32())
  })

  it('sim process: kill during writes: all, a prefix or nothing is there, by seed', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 30; seed += 1) {
      const simulation = new Simulation({ seed })
      const a = simulation.process('a')
      const file = await simulation.run(a.ports.disk.open('/log', 'create'))
      void file.append([Buffer.alloc(100, 7)])
      a.kill()
      const bytes = a.disk.peek('/log')
      expect(bytes.every((byte) => byte === 7)).toBe(true)
      lengths.add(bytes.length)
    }
    expect(lengths.has(0) && lengths.has(100) && lengths.size > 5).toBe(true)
  })

  it('sim process: pause: nothing happens and bytes pile up; resume: all at once', async () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a')
    const b = simulation.process('b')
    const { near, farSide } = await connect(simulation, a, b)
    let fired = 0
    for (let index = 1; index <= 5; index += 1) b.ports.timers.after(index * 10, () => (fired += 1))
    b.pause()
    for (let index = 0; index < 10; index += 1) {
      near.write(numbered(index))
      await simulation.advance(100)
    }
    expect([fired, farSide.chunks.length, b.paused]).toEqual([0, 0, true])
    b.resume()
    await simulation.advance(1)
    expect(fired).toBe(5)
    expect(farSide.numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(Math.min(...farSide.timesMs)).toBeGreaterThanOrEqual(1_000)
  })

  it('sim process: pause: cancelled meanwhile: does not fire; killed while paused: never', async () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a')
    const fired: string[] = []
    const timer = a.ports.timers.after(1, () => fired.push('cancelled'))
    a.ports.timers.after(1, () => fired.push('kept'))
    a.pause()
    await simulation.advance(10)
    timer.cancel()
    a.resume()
    await simulation.advance(10)
    expect(fired).toEqual(['kept'])
    a.ports.timers.after(1, () => fired.push('killed'))
    a.pause()
    await simulation.advance(10)
    a.kill()
    a.restart()
    await simulation.advance(10)
    expect(fired).toEqual(['kept'])
  })

  it('sim process: pause: a dial is accepted by the system, and handled after resume', async () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a')
    const b = simulation.process('b')
    let accepted = 0
    const { address } = await simulation.run(
      b.ports.network.listen({ host: 'b', port: 0 }, () => (accepted += 1)),
    )
    b.pause()
    let opened = false
    const handlers = { onOpen: () => (opened = true), onData() {}, onClose() {} }
    a.ports.network.dial(address, handlers)
    await simulation.advance(100)
    expect([opened, accepted]).toEqual([true, 0])
    b.resume()
    await simulation.advance(1)
    expect(accepted).toBe(1)
  })

  it('sim process: power cut: silence for peers, no answer to dials, reset after restart', async () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a')
    const b = simulation.process('b')
    const { near, nearSide } = await connect(simulation, a, b)
    b.powerCut()
    near.write(numbered(1))
    const errors: (Error | undefined)[] = []
    const handlers = { onData() {}, onClose: (error?: Error) => errors.push(error) }
    a.ports.network.dial({ host: 'b', port: 20_000 }, handlers)
    await simulation.advance(15_000)
    expect([nearSide.closed, errors]).toEqual([false, []])
    await simulation.advance(10_000)
    expect(errors).toMatchObject([{ code: 'ETIMEDOUT' }])
    b.restart()
    await simulation.advance(200)
    expect(nearSide.error).toMatchObject({ code: 'ECONNRESET' })
    a.ports.network.dial({ host: 'b', port: 20_000 }, handlers)
    await simulation.advance(200)
    expect(errors[1]).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('sim process: log: recent lines with fields, across restarts', () => {
    const simulation = new Simulation({ seed: 1 })
    const a = simulation.process('a', { logLines: 10 })
    for (let index = 0; index < 100; index += 1) a.ports.logger.debug('step', { index })
    a.restart().logger.child({ part: 'log' }).warn('slow', { ms: 5 })
    const lines = a.logLines()
    expect(lines).toHaveLength(10)
    const last = { timeMs: 0, level: 'warn', event: 'slow', fields: { part: 'log', ms: 5 } }
    expect(lines[9]).toEqual(last)
    expect(lines[8]?.fields).toEqual({ index: 99 })
  })

  it('sim process: a name twice: refused', () => {
    const simulation = new Simulation({ seed: 1 })
    simulation.process('a')
    expect(() => simulation.process('a')).toThrow('already')
  })
})
