import { KeyedRandom, type Ports, Simulation } from '@cassiopeia/env'
import { type CassioError, MessageType, pack } from '@cassiopeia/protocol'
import { type Node, type NodeOptions, startCluster, startNode } from '../../src'
import { connectClient, failure, withCluster } from './support'
import { cellOf, WireClient } from './wire-client'

const ADDRESSES = ['127.0.0.1:9000', '127.0.0.2:9000', '127.0.0.3:9000']

/** Nodes that are started one by one, each as it likes. */
class Founders {
  readonly simulation: Simulation
  readonly fatal: CassioError[] = []

  constructor(seed: number) {
    this.simulation = new Simulation({ seed })
    for (const [i, address] of ADDRESSES.entries()) {
      this.simulation.process(`node-${i}`, { host: address.split(':')[0]! })
    }
  }

  process(index: number) {
    return this.simulation.processes.find(({ name }) => name === `node-${index}`)!
  }

  start(
    index: number,
    options: Partial<NodeOptions> = {},
    ports: Ports = this.process(index).ports,
  ): Promise<Node> {
    return this.simulation.run(
      startNode({
        listen: ADDRESSES[index]!,
        members: ADDRESSES,
        dataDirectory: '/data',
        partitionBits: 10,
        onFatal: (error) => this.fatal.push(error),
        ...options,
        ports,
      }),
    )
  }

  /** What a client hears of a node that has not formed. */
  async refusal(index: number): Promise<{ code: string; text: string }> {
    const wire = await WireClient.connect(this.simulation, ADDRESSES[index]!, { name: `w${index}` })
    wire.put(1, cellOf('k', 'v'))
    const code = await wire.answer(1)
    wire.destroy()
    const node = this.nodes[index]!
    const { message, causes } = node.notFormed()
    return {
      code,
      text: [
        message,
        ...causes.map((cause) => `${cause.node}: ${cause.code} ${cause.message}`),
      ].join('\n'),
    }
  }

  readonly nodes: Node[] = []

  async startAll(options: readonly Partial<NodeOptions>[]): Promise<void> {
    for (const [i, each] of options.entries()) this.nodes[i] = await this.start(i, each)
  }
}

describe('formation', () => {
  it('formation: one founder is missing: UNAVAILABLE names it; it comes: all form', async () => {
    const founders = new Founders(1)
    await founders.startAll([{}, {}])
    await founders.simulation.advance(3_000)
    const { code, text } = await founders.refusal(0)
    expect(code).toBe('CASSIO_UNAVAILABLE')
    expect(text).toContain('the cluster has not formed yet; waiting for 127.0.0.3:9000')
    expect(text).toMatch(/127.0.0.3:9000: CASSIO_CONNECTION \S+/)
    founders.nodes[2] = await founders.start(2)
    const maps = await founders.simulation.run(
      Promise.all(founders.nodes.map((node) => node.formed)),
    )
    expect(new Set(maps.map((map) => map.clusterId)).size).toBe(1)
    expect(maps[0]!.members.map((member) => member.address).sort()).toEqual(ADDRESSES)
  })

  it.each<[string, Partial<NodeOptions>, Partial<NodeOptions>]>([
    ['another member list', {}, { members: ADDRESSES.slice(0, 2) }],
    ['another replication factor', { replicationFactor: 3 }, { replicationFactor: 2 }],
    ['other partition bits', { partitionBits: 10 }, { partitionBits: 11 }],
  ])('formation: founders with %s: refused both ways, nobody forms', async (_what, one, other) => {
    const founders = new Founders(2)
    await founders.startAll([one, other, one])
    const formed: number[] = []
    for (const [i, node] of founders.nodes.entries())
      void node.formed.then(
        () => formed.push(i),
        () => {},
      )
    await founders.simulation.advance(20_000)
    expect([formed, founders.fatal]).toEqual([[], []])
    for (const index of [0, 1]) {
      const { code, text } = await founders.refusal(index)
      expect(code).toBe('CASSIO_UNAVAILABLE')
      expect(text).toContain(`${ADDRESSES[1 - index]}: CASSIO_FOUNDING_MISMATCH`)
      expect(text).toMatch(/was founded with members .*; .* with members/)
    }
  })

  it('formation: two founders with one node id: refused, the reason names both', async () => {
    const founders = new Founders(3)
    const twin = (): Ports => ({
      ...founders.process(1).ports,
      random: new KeyedRandom('twin', 'random'),
    })
    founders.nodes[0] = await founders.start(
      0,
      {},
      { ...founders.process(0).ports, random: new KeyedRandom('twin', 'random') },
    )
    founders.nodes[1] = await founders.start(1, {}, twin())
    founders.nodes[2] = await founders.start(2)
    expect(founders.nodes[0]!.nodeId).toBe(founders.nodes[1]!.nodeId)
    await founders.simulation.advance(10_000)
    const { text } = await founders.refusal(0)
    expect(text).toMatch(
      /CASSIO_IDENTITY .*127.0.0.[12]:9000 and 127.0.0.[12]:9000 have the same node id/,
    )
  })

  it('formation: called by the others before it has read its own map: one connection each way', async () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const founders = new Founders(seed)
      const { simulation } = founders
      await founders.startAll([{}, {}])
      await simulation.advance(2_500)
      const { ports } = founders.process(2)
      const slow = {
        async readFile(path: string): Promise<Buffer> {
          if (path.endsWith('cluster-map')) await simulation.sleep(3_000)
          return ports.disk.readFile(path)
        },
      }
      const disk = Object.assign(Object.create(ports.disk) as Ports['disk'], slow)
      founders.nodes[2] = await founders.start(2, {}, { ...ports, disk })
      await simulation.run(Promise.all(founders.nodes.map((node) => node.formed)))
      await simulation.advance(200)
      const guests = founders.nodes.map((node) =>
        Reflect.get(Reflect.get(node, 'acceptor'), 'size'),
      )
      expect([seed, ...guests]).toEqual([seed, 2, 2, 2])
    }
  })

  it('formation: a malformed map from a peer: the peer is refused, the node goes on', async () => {
    const founders = new Founders(4)
    await founders.startAll([{}])
    const [node] = founders.nodes
    const wire = await WireClient.dial(founders.simulation, ADDRESSES[0]!)
    const founding = Reflect.get(Reflect.get(node!, 'membership'), 'foundingText') as string
    await wire.handshake(undefined, {
      role: 'peer',
      nodeId: 'b',
      address: ADDRESSES[1]!,
      generation: 1,
      founding,
      clusterId: 'x',
    })
    const member = {
      id: 'b',
      address: ADDRESSES[1],
      rack: 'r',
      datacenter: 'd',
      weight: 1,
      state: 'normal',
    }
    const map = {
      clusterId: 'x',
      epoch: 1,
      members: [member],
      replicationFactor: 1,
      partitionBits: 10,
      placement: Buffer.from('nonsense'),
    }
    wire.send(MessageType.FOUNDING, pack({ view: { [ADDRESSES[1]!]: '{"not": "a founder"' } }))
    wire.send(MessageType.FOUNDING, pack({ map: pack(map) }))
    await wire.untilClosed(1_000)
    expect(wire.farewell).toMatch(/^CASSIO_/)
    founders.nodes[1] = await founders.start(1)
    founders.nodes[2] = await founders.start(2)
    await founders.simulation.run(Promise.all(founders.nodes.map((each) => each.formed)))
    expect(founders.fatal).toEqual([])
  })
})

describe('restart', () => {
  it('restart: identity and data are kept, the generation rises', async () => {
    await withCluster({ nodes: 3, seed: 1 }, async (cluster) => {
      const client = await connectClient(cluster)
      const ids = [0, 1, 2].map((i) => cluster.node(i).nodeId)
      for (let i = 0; i < 20; i += 1) await cluster.run(client.set(`k${i}`, i))
      for (const [round, index] of [0, 1, 2].entries()) {
        if (round % 2 === 0) cluster.kill(index)
        else cluster.powerCut(index)
        await cluster.run(cluster.restart(index))
        await cluster.advance(3_000)
      }
      expect([0, 1, 2].map((i) => cluster.node(i).nodeId)).toEqual(ids)
      for (let i = 0; i < 20; i += 1) expect(await cluster.run(client.get(`k${i}`))).toBe(i)
      const status = await cluster.run(client.status(cluster.contactPoints[0]!))
      expect(status.members.map((member) => [member.generation, member.state])).toEqual([
        [2, 'alive'],
        [2, 'alive'],
        [2, 'alive'],
      ])
      await cluster.run(client.disconnect())
    })
  })

  it('restart: a wiped disk: refused by the others with the reason, without a storm; they go on', async () => {
    await withCluster({ nodes: 3, seed: 2 }, async (cluster) => {
      const { simulation } = cluster
      const client = await connectClient(cluster)
      await cluster.run(client.set('k', 'v'))
      const machine = cluster.machine(2)
      cluster.kill(2)
      machine.disk.wipe()
      const stranger = await cluster.run(
        startNode({
          listen: cluster.contactPoints[2]!,
          members: cluster.contactPoints,
          dataDirectory: '/data',
          ports: machine.restart(),
        }),
      )
      await cluster.advance(60_000)
      const { code, message, causes } = stranger.notFormed()
      expect([code, stranger.epoch]).toEqual(['CASSIO_UNAVAILABLE', 0])
      expect(message).toContain(cluster.contactPoints[0]!)
      expect(causes.map((cause) => cause.code)).toEqual(['CASSIO_IDENTITY', 'CASSIO_IDENTITY'])
      expect(causes[0]!.message).toMatch(
        /is known to the cluster as node .*data directory that it was founded with/,
      )
      const wire = await WireClient.connect(simulation, cluster.contactPoints[2]!)
      wire.get(1, 'k')
      expect(await wire.answer(1)).toBe('CASSIO_UNAVAILABLE')
      expect(await cluster.run(client.get('k'))).toBe('v')
      await cluster.run(client.set('k', 'w'))
      // Two dials a second at most, either way, once the back-off has grown.
      const refusals = cluster
        .machine(0)
        .logLines()
        .filter(({ event }) => /refused/.test(event))
      expect(refusals.length).toBeLessThan(150)
      await cluster.run(client.disconnect())
      await cluster.run(stranger.close())
    })
  })

  it('restart: everybody at once, one of them wiped: it is not taken for the old one', async () => {
    await withCluster({ nodes: 3, seed: 3 }, async (cluster) => {
      const client = await connectClient(cluster)
      await cluster.run(client.set('k', 'v'))
      for (const index of [0, 1, 2]) cluster.kill(index)
      cluster.machine(1).disk.wipe()
      await cluster.run(Promise.all([cluster.restart(0), cluster.restart(2)]))
      const stranger = startNode({
        listen: cluster.contactPoints[1]!,
        members: cluster.contactPoints,
        dataDirectory: '/data',
        ports: cluster.machine(1).restart(),
      })
      const node = await cluster.run(stranger)
      await cluster.advance(10_000)
      expect(node.epoch).toBe(0)
      expect(await cluster.run(client.get('k'))).toBe('v')
      await cluster.run(client.disconnect())
      await cluster.run(node.close())
    })
  })

  it('restart: the map is lost, the identity is not: the others give it again', async () => {
    await withCluster({ nodes: 3, seed: 4 }, async (cluster) => {
      const { clusterId } = await cluster.run(cluster.node(0).formed)
      cluster.kill(0)
      const ports = cluster.machine(0).restart()
      await cluster.run(ports.disk.unlink('/data/cluster-map'))
      await cluster.run(cluster.restart(0))
      expect((await cluster.run(cluster.node(0).formed)).clusterId).toBe(clusterId)
    })
  })

  it.each<[string, Partial<NodeOptions>, RegExp]>([
    [
      'another member list',
      { members: ADDRESSES.slice(0, 2) },
      /the member list was .*, now given/,
    ],
    [
      'another address',
      { listen: ADDRESSES[1]! },
      /this node's address was 127.0.0.1:9000, now given 127.0.0.2:9000/,
    ],
    [
      'another replication factor',
      { replicationFactor: 2 },
      /the replication factor was 3, now given 2/,
    ],
    ['other partition bits', { partitionBits: 12 }, /partition bits was 10, now given 12/],
  ])('restart: with %s: CASSIO_FOUNDING_MISMATCH says what was', async (_what, options, text) => {
    const founders = new Founders(5)
    await founders.startAll([{}])
    await founders.simulation.run(founders.nodes[0]!.close())
    const error = await failure(founders.start(0, options))
    expect(error.code).toBe('CASSIO_FOUNDING_MISMATCH')
    expect(error.message).toMatch(text)
    // The refused start has left the directory as it was.
    const again = await founders.start(0)
    expect(again.nodeId).toBe(founders.nodes[0]!.nodeId)
  })

  it('restart: the directory is in use: CASSIO_LOCKED; the port: CASSIO_ADDRESS_IN_USE', async () => {
    const founders = new Founders(6)
    await founders.startAll([{}])
    expect((await failure(founders.start(0))).code).toBe('CASSIO_LOCKED')
    const taken = await failure(founders.start(0, { dataDirectory: '/other' }))
    expect([taken.code, taken.message]).toEqual([
      'CASSIO_ADDRESS_IN_USE',
      '127.0.0.1:9000 is taken by another process',
    ])
    await founders.simulation.run(founders.nodes[0]!.close())
    const node = await founders.start(0, { dataDirectory: '/other' })
    await founders.simulation.run(node.close())
  })

  it.each(['identity', 'cluster-map', 'clock'])(
    'restart: one bit of %s has flipped: CASSIO_CORRUPT',
    async (file) => {
      await withCluster({ nodes: 1, seed: 7 }, async (cluster) => {
        cluster.kill(0)
        const machine = cluster.machine(0)
        const bits = machine.disk.peek(`/data/${file}`).length * 8
        for (const bit of [0, bits >>> 1, bits - 1]) {
          machine.disk.flipBit(`/data/${file}`, bit)
          const error = await failure(cluster.run(cluster.restart(0)))
          expect([error.code, error.message.includes(file)]).toEqual(['CASSIO_CORRUPT', true])
          machine.disk.flipBit(`/data/${file}`, bit)
        }
        await cluster.run(cluster.restart(0))
      })
    },
  )

  it('restart: crashed again and again within the reservation: still served soon', async () => {
    await withCluster({ nodes: 1, seed: 8 }, async (cluster) => {
      const client = await connectClient(cluster)
      let last = ''
      for (let i = 0; i < 12; i += 1) {
        const { stamp } = await cluster.run(client.set('k', i))
        expect(Number(stamp.split('-')[0])).toBeGreaterThanOrEqual(Number(last.split('-')[0]))
        last = stamp
        cluster.kill(0)
        await cluster.run(cluster.restart(0))
      }
      expect(await cluster.run(client.get('k'))).toBe(11)
      await cluster.run(client.disconnect())
    })
  })
})

describe('start', () => {
  it('start: every I/O call of it fails in turn, in every way: an error in words or a whole node', async () => {
    const healthy = await startCluster({ simulated: true, seed: 9, nodes: 1 })
    const calls = healthy.machine(0).disk.ioCalls
    await healthy.close()
    expect(calls).toBeGreaterThan(10)
    for (const fault of ['EIO', 'ENOSPC', 'short-write'] as const) {
      for (let call = 1; call <= calls; call += 1) {
        const founders = new Founders(9)
        const { simulation } = founders
        const machine = founders.process(0)
        machine.disk.faults.failCall(call, fault, { permanent: true })
        const options = { members: ADDRESSES.slice(0, 1) }
        const outcome = await founders.start(0, options).catch((error: CassioError) => error)
        if (outcome instanceof Error) {
          expect([fault, call, outcome.code]).toEqual([fault, call, 'CASSIO_STORAGE'])
        } else {
          // It failed while it worked: it has stopped, and says why.
          await simulation.advance(3_000)
          expect([fault, call, founders.fatal.map((error) => error.code)]).toEqual([
            fault,
            call,
            ['CASSIO_STORAGE'],
          ])
        }
        machine.disk.faults.clear()
        machine.kill()
        const node = await founders.start(0, options, machine.restart())
        await simulation.run(node.formed)
        await simulation.run(node.close())
      }
    }
  })
})
