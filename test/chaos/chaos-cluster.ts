import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CassioClient, type ClientOptions, type NodeStatus } from '@cassiopeia/client'
import { type Address, KeyedRandom, type Network, nodePorts, type Ports } from '@cassiopeia/env'
import { formatAddress } from '@cassiopeia/protocol'
import { freePorts, LOCAL_HOST } from '../integration/world'
import type { History } from '../sim/history'
import { ChaosNode } from './chaos-node'
import { SmallDisk } from './disks'
import { nodeName } from './faults'
import { Links } from './links'
import { Lives } from './lives'
import { NodeProxy } from './node-proxy'
import { type ChaosPlan, flagsOf } from './plan'

/** Nodes with a proxy in front of each, and everything that faults are laid on. */
export class ChaosCluster {
  readonly links: Links
  readonly lives: Lives
  readonly proxies: NodeProxy[] = []
  /** Where everybody is told that the nodes are: at their proxies. */
  readonly addresses: string[] = []
  /** Why there is no small disk, if there is none. */
  noSmallDisk: string | undefined
  private disk: SmallDisk | undefined
  private readonly ports: number[] = []

  constructor(
    private readonly plan: ChaosPlan,
    private readonly directory: string,
    history: History,
    nowMs: () => number,
  ) {
    this.links = new Links(new KeyedRandom(plan.seed, 'chaos:links'))
    this.lives = new Lives(history, nowMs)
  }

  /** Opens the proxies, and starts all nodes. */
  async start(): Promise<void> {
    const { plan, directory } = this
    const base = await freePorts(2 * plan.nodes)
    for (let index = 0; index < plan.nodes; index += 1) {
      this.ports.push(base + index)
      this.addresses.push(`${LOCAL_HOST}:${base + plan.nodes + index}`)
    }
    const partyAt = (address: string) => {
      const index = this.addresses.indexOf(address)
      return index < 0 ? undefined : nodeName(index)
    }
    for (const [index, port] of this.ports.entries()) {
      const proxy = new NodeProxy(this.links, nodeName(index), port, partyAt)
      this.proxies.push(proxy)
      await proxy.open(base + plan.nodes + index)
    }
    if (plan.kinds.includes('diskFull')) this.mountSmallDisk()
    else this.noSmallDisk = 'this seed has no full disk'
    mkdirSync(directory, { recursive: true })
    this.lives.nodes = this.ports.map((port, index) => {
      const name = nodeName(index)
      const nodePlan = {
        name,
        address: this.addresses[index]!,
        port,
        directory: this.dataDirectory(index),
        logFile: join(directory, `${name}.log`),
        members: this.addresses,
        flags: flagsOf(plan),
      }
      return new ChaosNode(nodePlan, (end) => this.lives.onEnd(index, end))
    })
    for (const index of this.lives.alive) this.lives.start(index)
  }

  get smallDisk(): SmallDisk | undefined {
    return this.disk
  }

  dataDirectory(index: number): string {
    if (index === this.plan.smallDiskNode && this.disk !== undefined) {
      return this.disk.dataDirectory
    }
    return join(this.directory, nodeName(index))
  }

  /** A client whose bytes go through the proxies, as those of `party`. */
  async clientOf(party: string, options: ClientOptions): Promise<CassioClient> {
    const doors = new Map<string, number>()
    for (const [index, proxy] of this.proxies.entries()) {
      doors.set(this.addresses[index]!, await proxy.doorFor(party))
    }
    return this.newClient((address) => doors.get(address), options)
  }

  /** A client that reaches the nodes past all faults of the network, to look at them. */
  observer(): CassioClient {
    const portOf = (address: string) => this.ports[this.addresses.indexOf(address)]
    return this.newClient(portOf, { timeoutMs: 5_000, connectTimeoutMs: 120_000 })
  }

  /** What the nodes that serve say of themselves, by their number. */
  async statuses(observer: CassioClient): Promise<Map<number, NodeStatus>> {
    const found = new Map<number, NodeStatus>()
    const ask = async (index: number) => {
      if (!this.lives.nodes[index]!.isServing) return
      const status = await observer.status(this.addresses[index]!).catch(() => undefined)
      if (status !== undefined) found.set(index, status)
    }
    await Promise.all(this.lives.alive.map(ask))
    return found
  }

  /** SIGTERM for all; an incident for each that does not end well. */
  async stop(): Promise<void> {
    await Promise.all(this.lives.alive.map((index) => this.lives.end(index, 'stop')))
  }

  /** Ends everything, whatever state it is in. */
  async destroy(): Promise<void> {
    this.lives.finish()
    await Promise.all(this.lives.nodes.map((node) => node.kill()))
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
    this.unmount()
  }

  /** Ends all processes that there are, without waiting for anything. */
  killNow(): void {
    for (const node of this.lives.nodes) void node.kill()
    this.unmount()
  }

  private unmount(): void {
    this.disk?.unmount()
    this.disk = undefined
  }

  private mountSmallDisk(): void {
    const mounted = SmallDisk.mount(join(this.directory, 'small-disk'))
    if (typeof mounted === 'string') this.noSmallDisk = mounted
    else this.disk = mounted
  }

  private newClient(
    portOf: (address: string) => number | undefined,
    options: ClientOptions,
  ): CassioClient {
    const ports = nodePorts()
    const redirect = (address: Address): Address => {
      const port = portOf(formatAddress(address))
      return port === undefined ? address : { host: LOCAL_HOST, port }
    }
    const network: Network = {
      listen: (address, accept) => ports.network.listen(address, accept),
      dial: (address, handlers) => ports.network.dial(redirect(address), handlers),
    }
    const redirected: Ports = { ...ports, network }
    return new CassioClient({ contactPoints: this.addresses, ...options, ports: redirected })
  }
}
