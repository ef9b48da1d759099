import { CassioError, MessageType } from '@cassiopeia/protocol'
import type { FakeRequest } from './fake-node'
import { clusterMap, World } from './world'

const { PUT } = MessageType

function puts(world: World): FakeRequest[] {
  return world.all.flatMap((node) => node.ofType(PUT))
}

/** By the world's clock: when the request arrived, and until when its node may begin it. */
function lifeOf(request: FakeRequest, arrivedAtMs: number): [number, number] {
  return [arrivedAtMs, arrivedAtMs + request.deadlineMs - request.arrivedMs]
}

/** Notes the life of every attempt; leaves those unanswered that `ignores` says. */
function recordLives(world: World, ignores: (attempt: number) => boolean): [number, number][] {
  const lives: [number, number][] = []
  for (const node of world.all) {
    node.script = (request) => {
      if (request.type !== PUT) return false
      lives.push(lifeOf(request, world.nowMs))
      return ignores(lives.length)
    }
  }
  return lives
}

describe('client: writes', () => {
  it('client: an unanswered write: sent again only when the first can no longer begin', async () => {
    const world = await World.make()
    const client = await world.connected()
    const lives = recordLives(world, (attempt) => attempt <= 3)
    const { ms } = await world.timed(() => client.set('k', 1))
    expect(lives).toHaveLength(4)
    for (let i = 1; i < lives.length; i += 1) {
      expect(lives[i]![0]).toBeGreaterThan(lives[i - 1]![1])
    }
    expect(ms).toBeGreaterThan(250 + 500 + 1_000)
    expect(ms).toBeLessThan(250 + 500 + 1_000 + 150)
  })

  it('client: a write that nobody answers: CASSIO_TIMEOUT, unknown, causes for each try', async () => {
    const world = await World.make()
    const client = await world.connected()
    const lives = recordLives(world, () => true)
    const startMs = world.nowMs
    const error = await world.failure(client.set('k', 1, { timeoutMs: 2_000 }))
    expect(world.nowMs - startMs).toBeLessThan(2_040)
    expect(error).toMatchObject({ code: 'CASSIO_TIMEOUT', applied: 'unknown' })
    expect(error.causes.length).toBe(lives.length)
    // Nothing is left alive after the caller has been told.
    expect(Math.max(...lives.map(([, endMs]) => endMs))).toBeLessThanOrEqual(world.nowMs)
  })

  it('client: a stopped node: writes under way wait for their attempt, later ones not at all', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.process('n2').pause()
    const entries = Array.from({ length: 90 }, (_, n) => [`key-${n}`, n] as const)
    const inFlight = await world.timed(() => client.setMany(entries))
    expect(inFlight.ms).toBeLessThan(300)
    expect((await world.timed(() => client.setMany(entries))).ms).toBeLessThan(5)
    // What lies in the stopped node's socket is late when it wakes.
    world.process('n2').resume()
    await world.simulation.advance(50)
    const late = world.node('n2').ofType(PUT)
    expect(late.length).toBeGreaterThan(0)
    expect(late.every((request) => request.isExpired)).toBe(true)
  })

  it('client: a node stopped: after the hedge delay no other write goes to it', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.process('n2').pause()
    const first = client.setMany([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
    await world.simulation.advance(60)
    for (let i = 0; i < 30; i += 1) {
      expect((await world.timed(() => client.set(`k${i}`, 1))).ms).toBeLessThan(5)
    }
    await world.run(first)
  })

  it('client: the connection lost after sending: the attempt is waited out', async () => {
    const world = await World.make()
    const client = await world.connected()
    const arrived: number[] = []
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== PUT) return false
        arrived.push(world.nowMs)
        if (arrived.length > 1) return false
        request.session.connection.destroy()
        return true
      }
    }
    const receipt = await world.run(client.set('k', 1))
    expect(receipt.acknowledged).toBe(2)
    expect(arrived).toHaveLength(2)
    expect(arrived[1]! - arrived[0]!).toBeGreaterThan(250)
    expect(arrived[1]! - arrived[0]!).toBeLessThan(300)
  })

  it('client: the connection lost before sending: elsewhere at once', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.simulation.resetConnections('client', 'n1')
    world.simulation.resetConnections('client', 'n2')
    const { ms } = await world.timed(() => client.set('k', 1))
    expect(ms).toBeLessThan(300)
  })

  it('client: CASSIO_TIMEOUT of an attempt: another one, at once', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== PUT || puts(world).length > 1) return false
        request.fault(new CassioError('CASSIO_TIMEOUT', '1 of 2', { applied: 'unknown' }))
        return true
      }
    }
    const { ms } = await world.timed(() => client.set('k', 1))
    expect(ms).toBeLessThan(5)
    expect(puts(world)).toHaveLength(2)
  })

  it('client: CASSIO_TIMEOUT to the end: stamp, received and required of the last one', async () => {
    const world = await World.make()
    const client = await world.connected()
    const stamp = '1700000000000-7-00112233445566ff'
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== PUT) return false
        const details = { applied: 'unknown', received: 1, required: 2, stamp } as const
        node.ports.timers.after(request.deadlineMs - request.arrivedMs, () => {
          request.fault(new CassioError('CASSIO_TIMEOUT', '1 of 2 acknowledged', details))
        })
        return true
      }
    }
    const error = await world.failure(client.set('k', 1, { timeoutMs: 1_000 }))
    expect(error).toMatchObject({
      code: 'CASSIO_TIMEOUT',
      applied: 'unknown',
      received: 1,
      required: 2,
      stamp,
    })
    expect(error.message).toContain('1 of 2 acknowledged')
  })

  it('client: CASSIO_UNAVAILABLE after an attempt that may be applied: unknown', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== PUT) return false
        const isFirst = puts(world).length === 1
        const code = isFirst ? 'CASSIO_TIMEOUT' : 'CASSIO_UNAVAILABLE'
        request.fault(new CassioError(code, 'no', { applied: isFirst ? 'unknown' : 'none' }))
        return true
      }
    }
    expect(await world.failure(client.set('k', 1))).toMatchObject({
      code: 'CASSIO_UNAVAILABLE',
      applied: 'unknown',
    })
  })

  it('client: a refusal that leaves the outcome open: the attempt is waited out', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== PUT || puts(world).length > 1) return false
        request.fault(new CassioError('CASSIO_CLOSED', 'stopping', { applied: 'unknown' }))
        return true
      }
    }
    const { ms } = await world.timed(() => client.set('k', 1))
    expect(ms).toBeGreaterThan(250)
    expect(ms).toBeLessThan(300)
  })

  it('client: an error that cannot be read: the write may be applied', async () => {
    const world = await World.make({ nodes: ['n1'] })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    world.node('n1').script = (request) => {
      if (request.type !== PUT) return false
      request.reply(MessageType.FAULT, Buffer.from([0xc1]))
      return true
    }
    expect(await world.failure(client.set('k', 1, { timeoutMs: 1_000 }))).toMatchObject({
      code: 'CASSIO_TIMEOUT',
      applied: 'unknown',
    })
  })

  it('client: aborted before the turn is over: never sent, so not applied', async () => {
    const world = await World.make()
    const client = await world.connected()
    const aborter = new AbortController()
    const writing = client.set('k', 1, { signal: aborter.signal })
    aborter.abort()
    const error = await world.failure(writing)
    expect(error).toMatchObject({ code: 'CASSIO_ABORTED', applied: 'none' })
    await world.simulation.advance(100)
    expect(puts(world)).toEqual([])
  })

  it('client: aborted after it was sent: it may be applied', async () => {
    const world = await World.make()
    const client = await world.connected()
    const aborter = new AbortController()
    recordLives(world, () => true)
    const writing = client.set('k', 1, { signal: aborter.signal })
    await world.simulation.advance(5)
    aborter.abort()
    expect(await world.failure(writing)).toMatchObject({ applied: 'unknown' })
  })

  it('client: a write that could never be sent: CASSIO_CONNECTION, not applied', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const name of ['n1', 'n2', 'n3']) world.process(name).kill()
    await world.simulation.advance(1_000)
    const error = await world.failure(client.set('k', 1, { timeoutMs: 700 }))
    expect(error).toMatchObject({ code: 'CASSIO_CONNECTION', applied: 'none' })
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.causes).toHaveLength(3)
  })

  it('client: slow writes: attempts get longer as the node shows that it needs it', async () => {
    const world = await World.make({ nodes: ['n1'] })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    world.node('n1').script = (request) => {
      if (request.type !== PUT) return false
      request.answerLater(200)
      return true
    }
    for (let i = 0; i < 20; i += 1) await world.run(client.set('k', i))
    world.node('n1').script = (request) => {
      if (request.type !== PUT) return false
      request.answerLater(900)
      return true
    }
    const before = puts(world).length
    await world.run(client.set('k', 'slow'))
    expect(puts(world)).toHaveLength(before + 1)
  })

  it('client: this process busy while a PONG waits: deadlines are right afterwards', async () => {
    const world = await World.make()
    const client = await world.connected()
    const [first] = world.all
    first!.onPing = () => {
      first!.onPing = () => {}
      world.clientProcess.pause()
    }
    await world.simulation.advance(2_000)
    world.clientProcess.resume()
    await world.run(client.setMany(Array.from({ length: 9 }, (_, n) => [`k${n}`, n])))
    expect(puts(world)).toHaveLength(9)
  })

  it('client: this process stopped past the end of an attempt: the answer that waits counts', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      // Later than the timer that looks after the attempt.
      node.script = (request) => {
        node.ports.timers.after(200, () => request.answer())
        return true
      }
    }
    const writing = client.set('k', 1, { timeoutMs: 900 })
    await world.simulation.advance(0.9)
    world.clientProcess.pause()
    await world.simulation.advance(800)
    world.clientProcess.resume()
    await world.run(writing)
    expect(puts(world)).toHaveLength(1)
  })

  it('client: every call waiting for the map: the map is asked for all the same', async () => {
    const world = await World.make({ hasMap: false })
    const client = world.client({ maxInFlight: 3 })
    const connecting = client.connect()
    const work = [1, 2].map((n) => client.set(`k${n}`, n))
    // Between two times of asking for the map, which is a call as well.
    await world.simulation.advance(1_000)
    work.push(client.set('k3', 3))
    expect(await world.failure(client.get('k'))).toMatchObject({ code: 'CASSIO_OVERLOADED' })
    world.cluster.map = clusterMap(['n1', 'n2', 'n3'])
    await world.run(connecting)
    await world.run(Promise.all(work))
  })
})
