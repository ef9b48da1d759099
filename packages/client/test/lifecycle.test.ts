import { CassioError, MessageType } from '@cassiopeia/protocol'
import { clusterMap, World } from './world'

describe('client: lifecycle', () => {
  it('client: nobody listens: CASSIO_CONNECTION with a cause for each contact point', async () => {
    const world = await World.make({ nodes: [] })
    for (const name of ['n1', 'n2']) world.simulation.process(name)
    const client = world.client({ contactPoints: ['n1:9000', 'n2:9001'], connectTimeoutMs: 1_000 })
    const startMs = world.nowMs
    const error = await world.failure(client.connect())
    expect(world.nowMs - startMs).toBeGreaterThanOrEqual(1_000)
    expect(world.nowMs - startMs).toBeLessThan(1_100)
    expect(error).toMatchObject({ code: 'CASSIO_CONNECTION' })
    expect(error.causes).toEqual([
      { node: 'n1:9000', code: 'CASSIO_CONNECTION', message: 'n1:9000: ECONNREFUSED' },
      { node: 'n2:9001', code: 'CASSIO_CONNECTION', message: 'n2:9001: ECONNREFUSED' },
    ])
    expect(error.message).toContain('n1:9000: ECONNREFUSED; n2:9001: ECONNREFUSED')
  })

  it('client: one contact point of three: enough', async () => {
    const world = await World.make({ nodes: ['n2'] })
    for (const name of ['n1', 'n3']) world.simulation.process(name)
    const client = await world.connected()
    await world.run(client.set('k', 1))
  })

  it('client: a node that starts while we dial: is reached', async () => {
    const world = await World.make({ nodes: [] })
    world.cluster.map = clusterMap(['n1'])
    const client = world.client({ contactPoints: ['n1:9000'] })
    const connecting = client.connect()
    const startMs = world.nowMs
    await world.simulation.advance(1_500)
    await world.start('n1')
    await world.run(connecting)
    expect(world.nowMs - startMs).toBeLessThan(4_000)
  })

  it('client: a cluster that has not formed: asked until it has', async () => {
    const world = await World.make({ hasMap: false })
    const client = world.client()
    const connecting = client.connect()
    const writing = client.set('k', 1)
    const early = await world.failure(client.get('k', { timeoutMs: 100 }))
    expect(early).toMatchObject({ code: 'CASSIO_UNAVAILABLE' })
    await world.simulation.advance(2_000)
    world.cluster.map = clusterMap(['n1', 'n2', 'n3'])
    await world.run(connecting)
    await world.run(writing)
  })

  it('client: a cluster that does not form: the error says who is missing', async () => {
    const world = await World.make({ hasMap: false })
    const client = world.client({ connectTimeoutMs: 1_500 })
    const connecting = client.connect()
    const waiting = client.set('k', 1, { timeoutMs: 100_000 })
    const failures = Promise.all([connecting, waiting].map((each) => world.failure(each)))
    const [error, other] = await world.run(failures)
    expect(other).toMatchObject({ code: 'CASSIO_UNAVAILABLE', applied: 'none' })
    expect(world.nowMs).toBeLessThan(2_000)
    expect(error).toMatchObject({ code: 'CASSIO_UNAVAILABLE' })
    expect(error?.message).toContain('n3 is missing')
    const calls = world.all.flatMap((node) => node.ofType(MessageType.CALL)).length
    expect(calls).toBeLessThan(60)
  })

  it('client: connect twice: one attempt', async () => {
    const world = await World.make()
    const client = world.client()
    expect(client.connect()).toBe(client.connect())
    await world.run(client.connect())
  })

  it('client: nodes that restart: reached again, with growing pauses in between', async () => {
    const world = await World.make({ nodes: ['n1'] })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    let dials = 0
    const { network } = world.clientProcess.ports
    const dial = network.dial.bind(network)
    network.dial = (address, handlers) => {
      dials += 1
      return dial(address, handlers)
    }
    world.process('n1').kill()
    await world.simulation.advance(20_000)
    expect(dials).toBeGreaterThan(10)
    expect(dials).toBeLessThan(30)
    await world.restart('n1')
    const { ms } = await world.timed(() => client.set('k', 1))
    expect(ms).toBeLessThan(2_100)
  })

  it('client: a node that accepts and closes at once: not dialled in a tight loop', async () => {
    const world = await World.make({ nodes: ['n1'] })
    let accepted = 0
    world.node('n1').onConnection = (connection) => {
      accepted += 1
      connection.setHandlers({ onData: () => {}, onClose: () => {} })
      connection.destroy()
      return true
    }
    const client = world.client({ contactPoints: ['n1:9000'], connectTimeoutMs: 10_000 })
    expect(await world.failure(client.connect())).toMatchObject({ code: 'CASSIO_CONNECTION' })
    expect(accepted).toBeLessThan(20)
  })

  it('client: a node that welcomes and leaves: not dialled in a tight loop', async () => {
    const world = await World.make({ nodes: ['n1', 'n2'] })
    await world.connected({ contactPoints: ['n2:9000'] })
    const node = world.node('n1')
    for (const session of node.sessions) session.connection.destroy()
    node.onHandshake = (type, message) => {
      const session = node.sessions[node.sessions.length - 1]!
      if (type === MessageType.WELCOME) {
        node.ports.timers.soon(() => session.connection.end())
      }
      return message
    }
    await world.simulation.advance(10_000)
    expect(node.sessions.length).toBeLessThan(20)
  })

  it('client: disconnect: answers what is under way, refuses what comes after', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        request.answerLater(30)
        return true
      }
    }
    const work = client.setMany([
      ['a', 1],
      ['b', 2],
    ])
    const closing = client.disconnect()
    expect(client.disconnect()).toBe(closing)
    const refused = await world.failure(client.get('a'))
    expect(refused).toMatchObject({ code: 'CASSIO_CLOSED', applied: 'none' })
    await world.run(closing)
    expect(await work).toHaveLength(2)
    expect(await world.failure(client.connect())).toMatchObject({ code: 'CASSIO_CLOSED' })
    const eventsBefore = world.simulation.eventCount
    await world.simulation.advance(60_000)
    // Only the ends of connections: no timer is left.
    expect(world.simulation.eventCount - eventsBefore).toBeLessThan(50)
  })

  it('client: disconnect with a node that never answers: done by the deadline', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const name of ['n1', 'n2', 'n3']) world.process(name).pause()
    const writing = client.set('k', 1, { timeoutMs: 700 })
    const { ms } = await world.timed(() =>
      Promise.all([client.disconnect(), writing.catch(() => {})]),
    )
    expect(ms).toBeLessThan(800)
  })

  it('client: disconnect while connecting: ends it', async () => {
    const world = await World.make({ hasMap: false })
    const client = world.client()
    const connecting = client.connect()
    await world.simulation.advance(100)
    const failure = world.failure(connecting)
    await world.run(client.disconnect())
    expect(await failure).toMatchObject({ code: 'CASSIO_CLOSED' })
  })

  it('client: disconnect without connect, and twice: fine', async () => {
    const world = await World.make({ nodes: [] })
    const client = world.client()
    await client.disconnect()
    await client.disconnect()
  })

  it('client: await using: disconnects', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client[Symbol.asyncDispose]())
    expect(await world.failure(client.get('k'))).toMatchObject({ code: 'CASSIO_CLOSED' })
  })

  it('client: a node that says goodbye: its reason is the cause', async () => {
    const world = await World.make({ nodes: ['n1'] })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    const node = world.node('n1')
    node.onHandshake = () => {
      throw new CassioError('CASSIO_OVERLOADED', 'too many connections')
    }
    for (const session of node.sessions) session.connection.destroy()
    await world.simulation.advance(500)
    const error = await world.failure(client.get('k', { timeoutMs: 200 }))
    expect(error).toMatchObject({ code: 'CASSIO_CONNECTION' })
    expect(error.message).toContain('too many connections')
  })
})
