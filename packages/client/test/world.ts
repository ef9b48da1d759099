import { type Ports, type SimProcess, Simulation } from '@cassiopeia/env'
import { nextPlacement } from '@cassiopeia/placement'
import type { ClusterMap } from '@cassiopeia/protocol'
import { CassioClient, type ClientOptions } from '../src'
import { type FakeCluster, FakeNode, type FakeNodeOptions } from './fake-node'

export const ADDRESSES = ['n1:9000', 'n2:9000', 'n3:9000']

/** The map of a cluster whose members' ids begin with the digit of their name: n1, n2, … */
export function clusterMap(
  names: readonly string[],
  epoch = 1,
  replicationFactor = 3,
  clusterId = 'c',
): ClusterMap {
  const members = names.map((name) => ({
    id: nodeId(name),
    address: `${name}:9000`,
    rack: name,
    datacenter: 'dc1',
    weight: 1,
    state: 'normal' as const,
  }))
  const partitionBits = 10
  const table = nextPlacement(undefined, members, { replicationFactor, partitionBits })
  const placement = Buffer.from(table.toBytes())
  return { clusterId, epoch, members, replicationFactor, partitionBits, placement }
}

export function nodeId(name: string): string {
  const digit = name.slice(1, 2)
  return `${digit.repeat(8)}-0000-4000-8000-000000000000`
}

export interface WorldOptions {
  readonly nodes?: readonly string[]
  readonly replicationFactor?: number
  /** Without one the cluster has not formed. */
  readonly hasMap?: boolean
  readonly node?: Partial<FakeNodeOptions>
  readonly seed?: number
}

/** Fake nodes n1, n2, n3 and one client in a simulation: time passes only where a test lets it. */
export class World {
  readonly simulation: Simulation
  readonly cluster: FakeCluster
  readonly processes = new Map<string, SimProcess>()
  readonly nodes = new Map<string, FakeNode>()
  readonly clientProcess: SimProcess

  private constructor(private readonly options: WorldOptions) {
    const { nodes = ['n1', 'n2', 'n3'], replicationFactor = 3, hasMap = true } = options
    const network = { latencyMinMs: 0.5, latencyMaxMs: 0.5, tailProbability: 0 }
    this.simulation = new Simulation({ seed: options.seed ?? 1, guard: true, network })
    const map = hasMap && nodes.length > 0 ? clusterMap(nodes, 1, replicationFactor) : undefined
    this.cluster = { map, cells: new Map() }
    this.clientProcess = this.simulation.process('client')
  }

  static async make(options: WorldOptions = {}): Promise<World> {
    const world = new World(options)
    for (const name of options.nodes ?? ['n1', 'n2', 'n3']) await world.start(name)
    return world
  }

  async start(name: string): Promise<FakeNode> {
    const process = this.simulation.process(name)
    this.processes.set(name, process)
    return this.serve(name, process.ports)
  }

  async restart(name: string): Promise<FakeNode> {
    return this.serve(name, this.process(name).restart())
  }

  /** As `restart`, from within the simulation. */
  async restarted(name: string): Promise<FakeNode> {
    return this.listening(name, this.process(name).restart())
  }

  node(name: string): FakeNode {
    return this.nodes.get(name)!
  }

  process(name: string): SimProcess {
    return this.processes.get(name)!
  }

  get nowMs(): number {
    return this.simulation.nowMs
  }

  get all(): FakeNode[] {
    return [...this.nodes.values()]
  }

  client(options: ClientOptions = {}): CassioClient {
    const { ports } = this.clientProcess
    return new CassioClient({ contactPoints: ADDRESSES, ports, ...options })
  }

  /** A client that is connected to every node. */
  async connected(options: ClientOptions = {}): Promise<CassioClient> {
    const client = this.client(options)
    await this.run(client.connect())
    await this.simulation.advance(20)
    return client
  }

  run<T>(work: Promise<T> | (() => Promise<T>)): Promise<T> {
    return this.simulation.run(work)
  }

  /** Settles with what the work was rejected with. */
  async failure(work: Promise<unknown>): Promise<CassioErrorLike> {
    return this.run(
      work.then(
        (value) => {
          throw new Error(`it succeeded: ${JSON.stringify(value)}`)
        },
        (error) => error,
      ),
    )
  }

  /** How long the work takes, in virtual milliseconds, and its result. */
  async timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
    const startMs = this.nowMs
    const result = await this.run(work)
    return { ms: this.nowMs - startMs, result }
  }

  private serve(name: string, ports: Ports): Promise<FakeNode> {
    return this.simulation.run(this.listening(name, ports))
  }

  private async listening(name: string, ports: Ports): Promise<FakeNode> {
    const { cluster } = this
    const options = { host: name, nodeId: nodeId(name), cluster, ...this.options.node }
    const node = new FakeNode(ports, options)
    this.nodes.set(name, node)
    await node.listen()
    return node
  }
}

/** The fields that tests look at. */
export interface CassioErrorLike {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly applied: string
  readonly received?: number
  readonly required?: number
  readonly stamp?: string
  readonly causes: readonly { node: string; code: string; message: string }[]
  readonly cause?: unknown
}
