/**
 * A node of the cluster, to be run in a process of one's own: `startNode` for a real one,
 * `startCluster` for tests, on loopback or on virtual time.
 */
export type { Node } from './node'
export { NODE_OPTIONS, type NodeOptions } from './options'
export { startNode } from './start-node'
export type { LoopbackCluster } from './testing/loopback-cluster'
export type { SimulatedCluster } from './testing/simulated-cluster'
export {
  type ClusterOptions,
  type SimulatedClusterOptions,
  startCluster,
} from './testing/start-cluster'
export { VERSION } from './version'
