import type { NodeOptions } from '../options'
import { LoopbackCluster } from './loopback-cluster'
import { SimulatedCluster } from './simulated-cluster'

/** Options of a node that a test cluster sets by itself. */
type OwnOptions = 'listen' | 'members' | 'dataDirectory' | 'advertise' | 'ports' | 'onFatal'

export interface ClusterOptions {
  /** 1 to 100. Default 3. */
  readonly nodes?: number
  /** What else every node is started with, such as `replicationFactor`. */
  readonly node?: Partial<Omit<NodeOptions, OwnOptions>>
}

export interface SimulatedClusterOptions extends ClusterOptions {
  readonly simulated: true
  /** The same seed replays the same history. Default 1. */
  readonly seed?: number | string
}

/**
 * A whole cluster in this process, for tests; ready to serve when the promise resolves.
 *
 * By default its nodes are real ones on loopback, with ports chosen by the system and data in a
 * temporary directory that `close` removes. With `simulated: true` clock, network and disks are
 * simulated: time passes only in `advance` and `run`, links can be cut, nodes killed and paused, and
 * everything replays from the seed.
 *
 * @throws CassioError CASSIO_CONFIG
 */
export async function startCluster(options: SimulatedClusterOptions): Promise<SimulatedCluster>
export async function startCluster(
  options?: ClusterOptions & { readonly simulated?: false },
): Promise<LoopbackCluster>
export async function startCluster(
  options: SimulatedClusterOptions | (ClusterOptions & { readonly simulated?: false }) = {},
): Promise<SimulatedCluster | LoopbackCluster> {
  const nodes = options.nodes ?? 3
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 100) {
    throw new RangeError(`a test cluster has 1 to 100 nodes, not ${nodes}`)
  }
  return options.simulated === true
    ? SimulatedCluster.start(nodes, options.node ?? {}, options.seed ?? 1)
    : LoopbackCluster.start(nodes, options.node ?? {})
}
