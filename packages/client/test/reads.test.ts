import { CassioError, MessageType } from '@cassiopeia/protocol'
import type { FakeRequest } from './fake-node'
import { World } from './world'

const { GET } = MessageType

function keys(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `key-${n}`)
}

/** Leaves every read unanswered, and answers everything else. */
function ignoreReads(request: FakeRequest): boolean {
  return request.type === GET
}

describe('client: reads', () => {
  it('client: a read unanswered after hedgeAfterMs: a second node answers', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client.set('k', 'v'))
    world.node('n1').script = ignoreReads
    const times: number[] = []
    for (let i = 0; i < 9; i += 1) {
      const { ms, result } = await world.timed(() => client.get('k'))
      expect(result).toBe('v')
      times.push(ms)
    }
    const slow = times.filter((ms) => ms > 5)
    expect(slow.length).toBeGreaterThanOrEqual(2)
    for (const ms of slow) {
      expect(ms).toBeGreaterThan(50)
      expect(ms).toBeLessThan(75)
    }
  })

  it('client: a hedge won: the late first answer changes nothing', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client.set('k', 'v'))
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== GET) return false
        const first = world.all.flatMap((each) => each.ofType(GET)).length === 1
        request.answerLater(first ? 200 : 1)
        return true
      }
    }
    expect(await world.run(client.get('k'))).toBe('v')
    await world.simulation.advance(500)
    expect(world.all.flatMap((node) => node.ofType(GET))).toHaveLength(2)
    expect(await world.run(client.get('k'))).toBe('v')
  })

  it('client: nodes that lose a third of the reads: the budget keeps hedges to a tenth', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      // The other answers keep arriving, so the node is not silent.
      node.script = (request) => request.type === GET && node.ofType(GET).length % 3 === 0
    }
    const work = keys(3_000).map(async (key, n) => {
      await world.simulation.sleep(n)
      return client.get(key, { timeoutMs: 1_000 })
    })
    await world.run(Promise.allSettled(work))
    const sent = world.all.flatMap((node) => node.ofType(GET)).length
    expect(sent).toBeGreaterThan(3_000 + 350)
    expect(sent).toBeLessThanOrEqual(3_000 + 100 + 300)
  })

  it('client: a stopped node: reads are delayed by the hedge, once, and it costs no budget', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client.setMany(keys(900).map((key) => [key, key])))
    world.process('n2').pause()
    const inFlight = await world.timed(() => client.getMany(keys(900)))
    expect(inFlight.result).toEqual(keys(900))
    expect(inFlight.ms).toBeLessThan(80)
    const later = await world.timed(() => client.getMany(keys(900)))
    expect(later.ms).toBeLessThan(10)
    await world.simulation.advance(3_000)
    expect((await world.timed(() => client.getMany(keys(900)))).ms).toBeLessThan(10)
  })

  it('client: a stopped node that goes on: is asked again', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.process('n2').pause()
    await world.run(client.getMany(keys(100)))
    await world.simulation.advance(4_000)
    world.process('n2').resume()
    await world.simulation.advance(100)
    const before = world.node('n2').ofType(GET).length
    await world.run(client.getMany(keys(100)))
    expect(world.node('n2').ofType(GET).length).toBeGreaterThan(before + 20)
  })

  it('client: a node stopped for long: its connection is given up and made again', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.process('n2').pause()
    await world.simulation.advance(30_000)
    world.process('n2').resume()
    await world.simulation.advance(10_000)
    expect(world.node('n2').sessions.length).toBeGreaterThan(1)
    expect(await world.run(client.status('n2:9000'))).toMatchObject({ address: 'n2:9000' })
  })

  it('client: this process itself stopped: no hedges when it wakes to find the answers', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        // After the hedge delay, so that the timer is before them in the queue of the waking client.
        request.answerLater(80)
        return true
      }
    }
    const work = client.get('k')
    await world.simulation.advance(0.9)
    world.clientProcess.pause()
    await world.simulation.advance(1_000)
    world.clientProcess.resume()
    await world.run(work)
    expect(world.all.flatMap((node) => node.ofType(GET))).toHaveLength(1)
  })

  it('client: the connection lost under a read: another node answers at once', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.node('n1').script = (request) => {
      if (request.type !== GET) return false
      request.session.connection.destroy()
      return true
    }
    const { ms } = await world.timed(() => client.getMany(keys(100)))
    expect(ms).toBeLessThan(10)
  })

  it('client: no answer at all: CASSIO_TIMEOUT by the deadline, a cause for each node', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) node.script = ignoreReads
    const startMs = world.nowMs
    const error = await world.failure(client.get('k', { timeoutMs: 300 }))
    expect(world.nowMs - startMs).toBeGreaterThanOrEqual(300)
    expect(world.nowMs - startMs).toBeLessThan(350)
    expect(error).toMatchObject({ code: 'CASSIO_TIMEOUT', applied: 'none' })
    expect(error.causes.map(({ node }) => node).sort()).toEqual(['n1:9000', 'n2:9000', 'n3:9000'])
  })

  it('client: deadlines: are by the clock of the node, and on the early side', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.simulation.advance(10_000)
    await world.run(client.getMany(keys(10), { timeoutMs: 1_234 }))
    for (const request of world.all.flatMap((node) => node.ofType(GET))) {
      const left = request.deadlineMs - request.arrivedMs
      expect(left).toBeLessThanOrEqual(1_234)
      expect(left).toBeGreaterThan(1_225)
    }
  })

  it('client: CASSIO_UNAVAILABLE from one node: another one is asked', async () => {
    const world = await World.make()
    const client = await world.connected()
    const refuse = (request: FakeRequest) => {
      if (request.type !== GET) return false
      request.fault(new CassioError('CASSIO_UNAVAILABLE', '1 of 2 replicas are live'))
      return true
    }
    world.node('n1').script = refuse
    for (let i = 0; i < 6; i += 1) expect(await world.run(client.get('k'))).toBeUndefined()
    world.node('n2').script = refuse
    world.node('n3').script = refuse
    const before = world.all.flatMap((node) => node.ofType(GET)).length
    const error = await world.failure(client.get('k'))
    expect(error).toMatchObject({ code: 'CASSIO_UNAVAILABLE', applied: 'none' })
    expect(error.causes.map(({ node }) => node).sort()).toEqual(['n1:9000', 'n2:9000', 'n3:9000'])
    expect(world.all.flatMap((node) => node.ofType(GET))).toHaveLength(before + 3)
  })

  it('client: CASSIO_OVERLOADED: tried again after a pause, elsewhere, while the budget lasts', async () => {
    const world = await World.make()
    const client = await world.connected()
    world.node('n1').script = (request) => {
      if (request.type !== GET) return false
      request.fault(new CassioError('CASSIO_OVERLOADED', 'full'))
      return true
    }
    await world.run(client.getMany(keys(50)))
    for (const node of world.all) node.script = world.node('n1').script
    const settled = await world.run(Promise.allSettled(keys(500).map((key) => client.get(key))))
    for (const each of settled) {
      expect(each).toMatchObject({ reason: { code: 'CASSIO_OVERLOADED', applied: 'none' } })
    }
    const sent = world.all.flatMap((node) => node.ofType(GET)).length
    expect(sent).toBeLessThan(550 + 160)
  })

  it('client: other refusals: reported at once, as the node said', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type !== GET) return false
        const details = { received: 1, required: 2 }
        request.fault(new CassioError('CASSIO_FAILED', 'replicas refused', details))
        return true
      }
    }
    expect(await world.failure(client.get('k'))).toMatchObject({
      code: 'CASSIO_FAILED',
      message: 'replicas refused',
      received: 1,
      required: 2,
    })
    expect(world.all.flatMap((node) => node.ofType(GET))).toHaveLength(1)
  })

  it('client: a signal: aborts at once; its listener is removed in any case', async () => {
    const world = await World.make()
    const client = await world.connected()
    const aborter = new AbortController()
    const removed = jest.spyOn(aborter.signal, 'removeEventListener')
    const added = jest.spyOn(aborter.signal, 'addEventListener')
    await world.run(client.get('k', { signal: aborter.signal }))
    for (const node of world.all) node.script = ignoreReads
    const reading = client.get('k', { signal: aborter.signal })
    await world.simulation.advance(5)
    aborter.abort(new Error('enough'))
    const startMs = world.nowMs
    const error = await world.failure(reading)
    expect(world.nowMs - startMs).toBeLessThan(1)
    expect(error).toMatchObject({ code: 'CASSIO_ABORTED', applied: 'none' })
    expect(error.cause).toEqual(new Error('enough'))
    expect(await world.failure(client.set('k', 1, { signal: aborter.signal }))).toMatchObject({
      code: 'CASSIO_ABORTED',
      applied: 'none',
    })
    expect(world.all.flatMap((node) => node.ofType(MessageType.PUT))).toEqual([])
    expect(added).toHaveBeenCalledTimes(2)
    expect(removed).toHaveBeenCalledTimes(2)
  })
})
