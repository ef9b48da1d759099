import { nodePorts, type Ports, silentLogger, temporaryDirectory } from '@cassiopeia/env'
import { CassioError, formatAddress } from '@cassiopeia/protocol'
import type { Node } from '../node'
import type { NodeOptions } from '../options'
import { startNode } from '../start-node'
import { until } from './until'

/** Ports may be taken between choosing and using them; so often a start is tried again. */
const ATTEMPTS_MAX = 5

/** Real nodes on loopback, all in this process. Made by `startCluster`. */
export class LoopbackCluster {
  private readonly nodes: (Node | undefined)[] = []

  private constructor(
    /** Addresses of all nodes, HOST:PORT, by index. */
    readonly contactPoints: readonly string[],
    private readonly options: Partial<NodeOptions>,
    private readonly directory: { readonly path: string; remove(): Promise<void> },
    private readonly ports: Ports,
  ) {}

  static async start(count: number, options: Partial<NodeOptions>): Promise<LoopbackCluster> {
    const ports = nodePorts({ logger: silentLogger })
    for (let attempt = 1; ; attempt += 1) {
      const directory = await temporaryDirectory('cassiopeia')
      const addresses = await freeAddresses(count, ports)
      const cluster = new LoopbackCluster(addresses, options, directory, ports)
      try {
        const nodes = await Promise.all(addresses.map((_, index) => cluster.startNode(index)))
        await Promise.all(nodes.map((node) => node.formed))
        await cluster.whenConnected()
        return cluster
      } catch (error) {
        await cluster.close()
        const isTaken = (error as CassioError).code === 'CASSIO_ADDRESS_IN_USE'
        if (!isTaken || attempt === ATTEMPTS_MAX) throw error
      }
    }
  }

  /** @throws CassioError CASSIO_CLOSED when the node is stopped. */
  node(index: number): Node {
    const node = this.nodes[index]
    if (node === undefined) throw new CassioError('CASSIO_CLOSED', `node ${index} is stopped`)
    return node
  }

  /** Stops one node cleanly; its data stays. */
  async stop(index: number): Promise<void> {
    const node = this.node(index)
    this.nodes[index] = undefined
    await node.close()
  }

  /** Starts a stopped node on its data again; resolves when the running nodes see each other. */
  async restart(index: number): Promise<void> {
    const node = await this.startNode(index)
    await node.formed
    await this.whenConnected()
  }

  /** Stops all nodes and removes their data. Idempotent. */
  async close(): Promise<void> {
    const running = this.nodes.splice(0)
    await Promise.all(running.map((node) => node?.close()))
    await this.directory.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private whenConnected(): Promise<void> {
    const running = this.nodes.filter((node) => node !== undefined)
    const addresses = running.map((node) => node.address)
    return until(this.ports.timers, () => running.every((node) => node.sees(addresses)))
  }

  private async startNode(index: number): Promise<Node> {
    const node = await startNode({
      ...this.options,
      listen: this.contactPoints[index]!,
      members: this.contactPoints,
      dataDirectory: `${this.directory.path}/${index}`,
      ports: this.ports,
    })
    this.nodes[index] = node
    return node
  }
}

async function freeAddresses(count: number, { network }: Ports): Promise<string[]> {
  const host = '127.0.0.1'
  const listeners = await Promise.all(
    Array.from({ length: count }, () => network.listen({ host, port: 0 }, (one) => one.destroy())),
  )
  await Promise.all(listeners.map((listener) => listener.close()))
  return listeners.map((listener) => formatAddress(listener.address))
}
