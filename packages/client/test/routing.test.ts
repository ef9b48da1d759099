import { CassioError, MessageType } from '@cassiopeia/protocol'
import { clusterMap, World } from './world'

const NAMES = ['n1', 'n2', 'n3', 'n4', 'n5']

function keys(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `key-${n}`)
}

describe('client: routing', () => {
  it('client: a key: goes to one of its replicas, and all of them take turns', async () => {
    const world = await World.make({ nodes: NAMES })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    for (const key of keys(60)) await world.run(client.get(key))
    for (const node of world.all) {
      for (const request of node.ofType(MessageType.GET)) {
        const replicas = client.where(request.key).replicas.map(({ address }) => address)
        expect(replicas).toContain(node.address)
      }
    }
    const [first] = keys(1)
    for (let i = 0; i < 30; i += 1) await world.run(client.get(first!))
    const asked = world.all.map(
      (node) => node.ofType(MessageType.GET).filter(({ key }) => key === first).length,
    )
    expect(asked.filter((count) => count >= 8)).toHaveLength(3)
  })

  it('client: a contact point alone: the members are learned from it', async () => {
    const world = await World.make({ nodes: NAMES })
    await world.connected({ contactPoints: ['n3:9000'] })
    expect(world.all.map((node) => node.sessions.length)).toEqual([1, 1, 1, 1, 1])
  })

  it('client: a busy replica: the less loaded ones are preferred', async () => {
    const world = await World.make()
    const client = await world.connected({ hedgeAfterMs: 100_000 })
    world.node('n1').script = (request) => {
      request.answerLater(20)
      return true
    }
    const work = keys(30).map(async (key) => {
      for (let i = 0; i < 20; i += 1) await client.get(key)
    })
    await world.run(Promise.all(work))
    const slow = world.node('n1').ofType(MessageType.GET).length
    for (const name of ['n2', 'n3']) {
      expect(world.node(name).ofType(MessageType.GET).length).toBeGreaterThan(3 * slow)
    }
  })

  it('client: all replicas gone: any other node will do', async () => {
    const world = await World.make({ nodes: NAMES, replicationFactor: 1 })
    const client = await world.connected({ contactPoints: ['n1:9000', 'n2:9000'] })
    const [replica] = client.where('k').replicas
    world.process(replica!.address.slice(0, 2)).kill()
    await world.simulation.advance(20)
    await world.run(client.set('k', 'v'))
    expect(await world.run(client.get('k'))).toBe('v')
  })

  it('client: members that cannot be reached at their addresses: works through what can', async () => {
    const world = await World.make({ nodes: ['n1'] })
    world.cluster.map = clusterMap(['n1', 'n7', 'n8'])
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    for (const key of keys(20)) await world.run(client.set(key, 1))
    expect(world.node('n1').ofType(MessageType.PUT)).toHaveLength(20)
  })

  it('client: one node under two names: one connection', async () => {
    const world = await World.make()
    const { network } = world.clientProcess.ports
    const aliased: typeof network = {
      listen: (address, accept) => network.listen(address, accept),
      dial: (address, handlers) =>
        network.dial(address.host === 'alias' ? { host: 'n1', port: 9000 } : address, handlers),
    }
    const ports = { ...world.clientProcess.ports, network: aliased }
    const client = await world.connected({ contactPoints: ['alias:9000'], ports })
    await world.simulation.advance(30_000)
    const open = world.node('n1').sessions.filter(({ isReady }) => isReady)
    expect(open).toHaveLength(1)
    for (const key of keys(30)) await world.run(client.get(key))
    expect(world.node('n1').ofType(MessageType.GET).length).toBeGreaterThan(5)
    expect(await world.run(client.status('n1:9000'))).toMatchObject({ address: 'n1:9000' })
  })

  it('client: status of a member that is reached under another name just now: asked there', async () => {
    const world = await World.make()
    const { network } = world.clientProcess.ports
    const dialled: string[] = []
    const aliased: typeof network = {
      listen: (address, accept) => network.listen(address, accept),
      dial: (address, handlers) => {
        dialled.push(address.host)
        return network.dial({ ...address, host: address.host.replace('alias', 'n') }, handlers)
      },
    }
    const ports = { ...world.clientProcess.ports, network: aliased }
    const contactPoints = ['alias1:9000', 'alias2:9000', 'alias3:9000']
    // Further off: the map comes from n1 first, and then both names of these are dialled at once.
    for (const name of ['n2', 'n3']) {
      const latency = { latencyMinMs: 50, latencyMaxMs: 50 }
      world.simulation.setLink(latency, world.clientProcess, name)
    }
    const client = world.client({ contactPoints, ports })
    await world.run(client.connect())
    const { ms } = await world.timed(() =>
      Promise.all(['n2:9000', 'n3:9000'].map((address) => client.status(address))),
    )
    expect(dialled).toEqual(expect.arrayContaining(['alias2', 'n2', 'alias3', 'n3']))
    expect(ms).toBeLessThan(500)
    expect(world.node('n2').ofType(MessageType.CALL)).not.toEqual([])
  })

  it('client: CASSIO_STALE_MAP: fetches the map and tries again', async () => {
    const world = await World.make({ nodes: NAMES })
    const client = await world.connected()
    world.cluster.map = clusterMap(NAMES, 2)
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type === MessageType.CALL || request.epoch === 2) return false
        request.fault(new CassioError('CASSIO_STALE_MAP', `epoch ${request.epoch} is over`))
        return true
      }
    }
    const { ms } = await world.timed(() => client.setMany(keys(50).map((key) => [key, 1])))
    expect(ms).toBeLessThan(20)
    expect(client.clusterMap().epoch).toBe(2)
    const maps = world.all.flatMap((node) => node.ofType(MessageType.CALL))
    expect(maps).toHaveLength(2)
  })

  it('client: CASSIO_STALE_MAP without a newer map: tries until the deadline', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type === MessageType.CALL) return false
        request.fault(new CassioError('CASSIO_STALE_MAP', 'over'))
        return true
      }
    }
    const error = await world.failure(client.set('k', 1, { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'CASSIO_TIMEOUT', applied: 'none' })
    expect(error.causes[0]).toMatchObject({ code: 'CASSIO_STALE_MAP' })
    expect(world.all.flatMap((node) => node.ofType(MessageType.PUT)).length).toBeLessThan(20)
  })

  it('client: members that leave: are let go of', async () => {
    const world = await World.make({ nodes: NAMES })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    world.cluster.map = clusterMap(NAMES.slice(0, 4), 2)
    await world.restart('n2')
    await world.simulation.advance(5_000)
    expect(client.clusterMap().members).toHaveLength(4)
    const before = world.node('n5').sessions.length
    for (const key of keys(30)) await world.run(client.get(key))
    await world.simulation.advance(5_000)
    expect(world.node('n5').sessions).toHaveLength(before)
    expect(world.node('n5').ofType(MessageType.GET)).toEqual([])
  })

  it('client: contact points of two clusters: the first to answer decides, never both', async () => {
    const world = await World.make({ nodes: NAMES })
    const other = { map: clusterMap(['n5'], 9, 1, 'other'), cells: new Map() }
    world.cluster.map = clusterMap(NAMES.slice(0, 4))
    Object.assign(world.node('n5').options, { cluster: other })
    world.simulation.setLink({ latencyMinMs: 20, latencyMaxMs: 20 }, 'n5', 'client')
    const client = await world.connected({ contactPoints: ['n1:9000', 'n5:9000'] })
    await world.run(client.setMany(keys(50).map((key) => [key, 1])))
    await world.simulation.advance(3_000)
    expect(world.node('n5').ofType(MessageType.PUT)).toEqual([])
    expect(await world.failure(client.status('n5:9000'))).toMatchObject({ code: 'CASSIO_IDENTITY' })
    expect(client.clusterMap().clusterId).toBe('c')
  })

  it('client: a cluster founded anew at the same addresses: is used', async () => {
    const world = await World.make()
    world.cluster.map = clusterMap(['n1', 'n2', 'n3'], 8)
    const client = await world.connected()
    expect(client.clusterMap().epoch).toBe(8)
    for (const name of ['n1', 'n2', 'n3']) world.process(name).kill()
    world.cluster.map = clusterMap(['n1', 'n2', 'n3'], 1, 3, 'anew')
    for (const name of ['n1', 'n2', 'n3']) await world.restart(name)
    await world.run(client.setMany(keys(20).map((key) => [key, 1])))
    expect(client.clusterMap()).toMatchObject({ clusterId: 'anew', epoch: 1 })
    const epochs = world.all.flatMap((node) => node.ofType(MessageType.PUT)).map((r) => r.epoch)
    expect(epochs.every((epoch) => epoch <= 1)).toBe(true)
  })
})
