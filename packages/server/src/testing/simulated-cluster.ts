import { type Ports, type SimProcess, Simulation } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import type { Node } from '../node'
import type { NodeOptions } from '../options'
import { startNode } from '../start-node'
import { until } from './until'

const PORT = 9000

/** Nodes on simulated machines, one each. Made by `startCluster`. */
export class SimulatedCluster {
  /** The world itself: faults of links and disks, the trace, further processes. */
  readonly simulation: Simulation
  /** Addresses of all nodes, HOST:PORT, by index. */
  readonly contactPoints: readonly string[]
  private readonly machines: readonly SimProcess[]
  private readonly nodes: (Node | undefined)[] = []
  /** Errors with which nodes have stopped by themselves. */
  readonly fatalErrors: CassioError[] = []

  private constructor(
    count: number,
    private readonly options: Partial<NodeOptions>,
    seed: number | string,
  ) {
    this.simulation = new Simulation({ seed })
    // Loopback names: nobody else can reach this network, so no secret is needed.
    this.machines = Array.from({ length: count }, (_, index) =>
      this.simulation.process(`node-${index}`, { host: `127.0.0.${index + 1}` }),
    )
    this.contactPoints = this.machines.map((machine) => `${machine.host}:${PORT}`)
  }

  static async start(
    count: number,
    options: Partial<NodeOptions>,
    seed: number | string,
  ): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(count, options, seed)
    await cluster.run(async () => {
      const nodes = await Promise.all(
        cluster.machines.map((machine, index) => cluster.startNode(index, machine.ports)),
      )
      await Promise.all(nodes.map((node) => node.formed))
      await until(nodes[0]!.timers, () => nodes.every((node) => node.sees(cluster.contactPoints)))
    })
    return cluster
  }

  /** @throws CassioError CASSIO_CLOSED when the node does not run. */
  node(index: number): Node {
    const node = this.nodes[index]
    if (node === undefined) throw new CassioError('CASSIO_CLOSED', `node ${index} does not run`)
    return node
  }

  isRunning(index: number): boolean {
    return this.machine(index).alive && this.nodes[index] !== undefined
  }

  /** The ports of a client on a machine of its own: `new CassioClient({ ports, … })`. */
  clientPorts(name = 'client'): Ports {
    const known = this.simulation.processes.find((process) => process.name === name)
    return (known ?? this.simulation.process(name)).ports
  }

  /** Lets `ms` of virtual time pass. */
  advance(ms: number): Promise<void> {
    return this.simulation.advance(ms)
  }

  /**
   * Lets time pass until `work` settles, and settles like it.
   * @param limitMs Virtual milliseconds after which it counts as stuck. Default one hour.
   */
  run<T>(work: Promise<T> | (() => Promise<T>), limitMs?: number): Promise<T> {
    return this.simulation.run(work, limitMs === undefined ? {} : { limitMs })
  }

  /** Cuts every link between nodes (and clients, by name) of different groups. */
  partition(groups: readonly (readonly (number | string)[])[]): void {
    this.simulation.partition(groups.map((group) => group.map((each) => this.nameOf(each))))
  }

  /** Restores every link. */
  heal(): void {
    this.simulation.heal()
  }

  /** As `kill -9`: what was written is kept by the system, what was not is gone. */
  kill(index: number): void {
    this.machine(index).kill()
    this.nodes[index] = undefined
  }

  /** The machine loses power: whatever was not synced may be gone or torn. */
  powerCut(index: number): void {
    this.machine(index).powerCut()
    this.nodes[index] = undefined
  }

  /**
   * Starts a killed node on its disk again; resolves when it serves, though the others may need some
   * more time to reach it again. Needs virtual time: use `run`.
   */
  async restart(index: number): Promise<void> {
    const node = await this.startNode(index, this.machine(index).restart())
    await node.formed
  }

  /** As SIGSTOP. */
  pause(index: number): void {
    this.machine(index).pause()
  }

  resume(index: number): void {
    this.machine(index).resume()
  }

  /** A node's wall clock jumps by `ms`, ahead or back, and stays there across restarts. */
  skewClock(index: number, ms: number): void {
    this.machine(index).skewClock(ms)
  }

  machine(index: number): SimProcess {
    const machine = this.machines[index]
    if (machine === undefined) throw new RangeError(`there is no node ${index}`)
    return machine
  }

  /** Stops all nodes that run. */
  async close(): Promise<void> {
    const running = this.nodes.splice(0)
    await this.run(Promise.all(running.map((node) => node?.close())))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async startNode(index: number, ports: Ports): Promise<Node> {
    const node = await startNode({
      ...this.options,
      listen: this.contactPoints[index]!,
      members: this.contactPoints,
      dataDirectory: '/data',
      ports,
      onFatal: (error) => {
        this.fatalErrors.push(error)
        this.nodes[index] = undefined
      },
    })
    this.nodes[index] = node
    return node
  }

  private nameOf(node: number | string): string {
    return typeof node === 'number' ? this.machine(node).name : node
  }
}
