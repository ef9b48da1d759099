import type { ClusterView } from './cluster-view'
import type { ConnectionPool } from './connection-pool'
import type { PoolNode } from './pool-node'

/**
 * From a key's hash to the nodes that hold it. Filled partition by partition as keys ask for it, and
 * begun anew when nodes come and go or the map changes.
 */
export class RouteTable {
  private routes: (readonly PoolNode[] | undefined)[] = []
  private currentView: ClusterView | undefined

  constructor(private readonly pool: ConnectionPool) {}

  get view(): ClusterView | undefined {
    return this.currentView
  }

  install(view: ClusterView | undefined): void {
    this.currentView = view
    this.routes = []
  }

  /** A connection has come or gone. */
  refresh(): void {
    this.routes = []
  }

  /** @param hash -1, or no map yet: all nodes that can be asked. */
  nodesFor(hash: number): readonly PoolNode[] {
    const view = this.currentView
    if (view === undefined || hash < 0) return this.pool.ready
    const partition = view.partitionOf(hash)
    return this.routes[partition] ?? this.findRoute(view, partition)
  }

  private findRoute(view: ClusterView, partition: number): readonly PoolNode[] {
    const nodes: PoolNode[] = []
    for (const member of view.replicasOf(partition)) {
      const node = this.pool.nodeOfMember(member)
      if (node !== undefined) nodes.push(node)
    }
    this.routes[partition] = nodes
    return nodes
  }
}
