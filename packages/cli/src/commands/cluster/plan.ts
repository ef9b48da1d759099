import { resolve } from 'node:path'
import type { ClusterPlan } from '../../local-cluster/node-arguments'
import { portsFrom } from '../../local-cluster/ports'
import type { ClusterState } from '../../local-cluster/state-file'
import { readWholeNumber } from '../flags'
import { config } from '../secret'

const NODES_DEFAULT = 3
const BASE_PORT_DEFAULT = 9000
const NODES_MAX = 64

export interface PlanFlags {
  readonly data: string
  readonly nodes?: string
  readonly basePort?: string
  readonly rf?: string
  readonly secretFile?: string
  readonly sync?: string
  readonly memoryBytesMax?: string
  readonly logLevel?: string
}

/** What is passed on to every node as it is. */
const NODE_FLAGS = Object.freeze([
  ['sync', '--sync'],
  ['memoryBytesMax', '--memory-bytes-max'],
  ['logLevel', '--log-level'],
] as const)

/**
 * What to start: what the flags say, else what was started here before, else the defaults. Pure.
 * @throws CassioError CASSIO_CONFIG
 */
export function planCluster(flags: PlanFlags, earlier: ClusterState | undefined): ClusterPlan {
  const ports = planPorts(flags, earlier)
  const unchanged = earlier?.nodes.length === ports.length
  const replicationFactor =
    flags.rf !== undefined
      ? readWholeNumber('--rf', flags.rf, 1, 255)
      : unchanged
        ? earlier.replicationFactor
        : Math.min(NODES_DEFAULT, ports.length)
  if (replicationFactor > ports.length) {
    throw config(`--rf ${replicationFactor} needs as many nodes, and --nodes is ${ports.length}`)
  }
  const secretFile = flags.secretFile ?? earlier?.secretFile ?? undefined
  return {
    directory: flags.data,
    ports,
    replicationFactor,
    // Nodes are found by their state file from other directories too.
    secretFile: secretFile === undefined ? undefined : resolve(secretFile),
    nodeFlags: NODE_FLAGS.flatMap(([name, flag]) => {
      const value = flags[name]
      return value === undefined ? [] : [flag, value]
    }),
  }
}

function planPorts(flags: PlanFlags, earlier: ClusterState | undefined): number[] {
  const ports = earlier?.nodes.map((node) => node.port)
  if (ports !== undefined && flags.nodes === undefined && flags.basePort === undefined) return ports
  const count =
    flags.nodes === undefined
      ? (ports?.length ?? NODES_DEFAULT)
      : readWholeNumber('--nodes', flags.nodes, 1, NODES_MAX)
  const basePort =
    flags.basePort === undefined
      ? (ports?.[0] ?? BASE_PORT_DEFAULT)
      : readWholeNumber('--base-port', flags.basePort, 1, 65_535)
  return portsFrom(basePort, count)
}
