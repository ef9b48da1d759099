import { Simulation } from '../../src'
import { connect, numbered } from './helpers'

async function makePair(seed: number | string = 1) {
  const simulation = new Simulation({ seed })
  const a = simulation.process('a')
  const b = simulation.process('b')
  return { simulation, a, b, ...(await connect(simulation, a, b)) }
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('sim network: cuts', () => {
  it('sim network: cut and heal: held meanwhile, then in order; connection stays', async () => {
    const { simulation, a, b, near, far, nearSide, farSide } = await makePair()
    near.write(numbered(0))
    simulation.cut(a, b)
    near.write(numbered(1))
    far.write(numbered(9))
    await simulation.advance(60_000)
    expect([nearSide.chunks, farSide.chunks]).toEqual([[], []])
    near.write(numbered(2))
    simulation.heal()
    near.write(numbered(3))
    await simulation.advance(500)
    expect(farSide.numbers).toEqual([0, 1, 2, 3])
    expect(nearSide.numbers).toEqual([9])
    expect([nearSide.closed, farSide.closed]).toEqual([false, false])
  })

  it('sim network: cut one-way: only that direction is held', async () => {
    const { simulation, a, b, near, far, nearSide, farSide } = await makePair()
    simulation.cut(a, b, 'one-way')
    near.write(numbered(1))
    far.write(numbered(2))
    await simulation.advance(1_000)
    expect([farSide.numbers, nearSide.numbers]).toEqual([[], [2]])
    simulation.heal(a, b)
    await simulation.advance(1_000)
    expect(farSide.numbers).toEqual([1])
  })

  it('sim network: cut: the writer buffers once the window is full, and drains after', async () => {
    const { simulation, a, b, near, farSide } = await makePair()
    simulation.cut(a, b)
    for (let index = 0; index < 100; index += 1) near.write(Buffer.alloc(16_384))
    await simulation.advance(1_000)
    expect(near.bufferedBytes).toBe(84 * 16_384)
    simulation.heal()
    await simulation.advance(2_000)
    expect(near.bufferedBytes).toBe(0)
    expect(farSide.chunks).toHaveLength(100)
  })

  it('sim network: cut both ways, mended one way: nothing passes the other way', async () => {
    const { simulation, a, b, near, far, nearSide, farSide } = await makePair()
    simulation.cut(a, b)
    near.write(numbered(1))
    far.write(numbered(2))
    simulation.heal(a, b, 'one-way')
    await simulation.advance(1_000)
    expect([farSide.numbers, nearSide.numbers]).toEqual([[1], []])
    simulation.heal(b, a, 'one-way')
    await simulation.advance(1_000)
    expect(nearSide.numbers).toEqual([2])
  })

  it('sim network: closed during a cut: the peer learns of it after heal', async () => {
    const { simulation, a, b, near, nearSide, farSide } = await makePair()
    simulation.cut(a, b)
    near.write(numbered(1))
    near.destroy()
    await simulation.advance(10_000)
    expect([nearSide.closed, farSide.closed]).toEqual([true, false])
    simulation.heal()
    await simulation.advance(500)
    expect([farSide.numbers, farSide.closed]).toEqual([[1], true])
  })

  it('sim network: dial over a cut: ETIMEDOUT; healed in time: opens', async () => {
    for (const healed of [false, true]) {
      const simulation = new Simulation({ seed: 1 })
      const a = simulation.process('a')
      const b = simulation.process('b')
      const { address } = await simulation.run(
        b.ports.network.listen({ host: 'b', port: 0 }, () => {}),
      )
      const told: string[] = []
      simulation.cut(b, a, 'one-way')
      a.ports.network.dial(address, {
        onOpen: () => told.push('open'),
        onData() {},
        onClose: (error) => told.push((error as NodeJS.ErrnoException).code ?? 'closed'),
      })
      await simulation.advance(10_000)
      expect(told).toEqual([])
      if (healed) simulation.heal()
      await simulation.advance(10_500)
      expect(told).toEqual([healed ? 'open' : 'ETIMEDOUT'])
    }
  })

  it('sim network: partition: groups apart, within one and outside all as before', async () => {
    const simulation = new Simulation({ seed: 1 })
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => simulation.process(name))
    const across = await connect(simulation, a!, c!)
    const within = await connect(simulation, a!, b!)
    const outside = await connect(simulation, d!, c!)
    simulation.partition([[a!, 'b'], [c!]])
    for (const { near } of [across, within, outside]) near.write(numbered(1))
    await simulation.advance(1_000)
    const counts = [across, within, outside].map(({ farSide }) => farSide.chunks.length)
    expect(counts).toEqual([0, 1, 1])
    simulation.heal()
    await simulation.advance(1_000)
    expect(across.farSide.chunks).toHaveLength(1)
  })
})

describe('sim network: faults of links', () => {
  it('sim network: latency: per direction, within its range', async () => {
    const { simulation, a, b, near, farSide } = await makePair()
    simulation.setLink({ latencyMinMs: 40, latencyMaxMs: 50, tailProbability: 0 }, a, b)
    const sentMs = simulation.nowMs
    near.write(numbered(1))
    await simulation.runUntil(() => farSide.chunks.length === 1)
    expect(simulation.nowMs - sentMs).toBeGreaterThanOrEqual(40)
    expect(simulation.nowMs - sentMs).toBeLessThanOrEqual(51)
  })

  it('sim network: bandwidth: a large chunk takes its time', async () => {
    const { simulation, near, farSide } = await makePair()
    simulation.setLink({ bytesPerMs: 100 })
    const sentMs = simulation.nowMs
    near.write(Buffer.alloc(100_000))
    await simulation.runUntil(() => farSide.chunks.length === 1)
    expect(simulation.nowMs - sentMs).toBeGreaterThan(1_000)
  })

  it('sim network: hostile: chunks lost, doubled and out of order, but whole', async () => {
    const { simulation, near, farSide } = await makePair()
    simulation.setLink({ dropProbability: 0.2, duplicateProbability: 0.2, reorderProbability: 0.2 })
    for (const index of upTo(500)) {
      near.write(numbered(index))
      await simulation.advance(1)
    }
    await simulation.advance(500)
    const numbers = farSide.numbers
    const distinct = new Set(numbers)
    expect(farSide.chunks.every((chunk) => chunk.length === 64)).toBe(true)
    expect(distinct.size).toBeGreaterThan(350)
    expect(distinct.size).toBeLessThan(450)
    expect(numbers.length).toBeGreaterThan(distinct.size + 50)
    expect(numbers).not.toEqual([...numbers].sort((x, y) => x - y))
  })

  it('sim network: split: the same bytes in order, in other portions', async () => {
    const { simulation, near, farSide } = await makePair()
    simulation.setLink({ splitProbability: 1 })
    const sent = upTo(200).map(numbered)
    for (const chunk of sent) near.write(chunk)
    await simulation.advance(500)
    expect(Buffer.concat(farSide.chunks)).toEqual(Buffer.concat(sent))
    expect(farSide.chunks.some((chunk) => chunk.length === 1)).toBe(true)
    expect(farSide.chunks.length).toBeGreaterThan(300)
  })

  it('sim network: corruption: one bit of a chunk', async () => {
    const { simulation, near, farSide } = await makePair()
    simulation.setLink({ corruptProbability: 0.5 })
    for (const _ of upTo(200)) near.write(Buffer.alloc(64))
    await simulation.advance(500)
    const bits = farSide.chunks.map((chunk) => {
      const set = [...chunk].map((byte) => byte.toString(2).replaceAll('0', '').length)
      return set.reduce((sum, count) => sum + count, 0)
    })
    expect(bits.every((count) => count <= 1)).toBe(true)
    const flipped = bits.filter((count) => count === 1).length
    expect(flipped > 70 && flipped < 130).toBe(true)
  })

  it('sim network: reset: by chance or on command: ECONNRESET at both ends', async () => {
    const first = await makePair()
    first.simulation.resetConnections('b', 'a')
    await first.simulation.advance(1)
    const second = await makePair()
    second.simulation.setLink({ resetProbability: 1 }, 'b', 'a')
    second.near.write(numbered(1))
    await second.simulation.advance(100)
    expect(second.nearSide.closed).toBe(false)
    second.far.write(numbered(1))
    await second.simulation.advance(1)
    for (const { nearSide, farSide } of [first, second]) {
      expect(nearSide.error).toMatchObject({ code: 'ECONNRESET' })
      expect(farSide.error).toMatchObject({ code: 'ECONNRESET' })
    }
  })

  it('sim network: a buffer changed after write: found out', async () => {
    const { simulation, near } = await makePair()
    const bytes = numbered(1)
    near.write(bytes)
    bytes[10] = 99
    await expect(simulation.advance(500)).rejects.toThrow('changed after write()')
  })

  it('sim network: any name is an address; free ports are counted up', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { network } = simulation.process('a').ports
    const listen = (host: string, port: number) =>
      simulation.run(network.listen({ host, port }, () => {}))
    expect((await listen('10.0.0.1', 7)).address).toEqual({ host: '10.0.0.1', port: 7 })
    expect((await listen('10.0.0.1', 0)).address.port).toBe(20_000)
    expect((await listen('10.0.0.1', 0)).address.port).toBe(20_001)
    expect((await listen('::1', 0)).address.port).toBe(20_000)
    await expect(listen('10.0.0.1', 7)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
