import { LOCAL_HOST } from './ports'
import { nodeDirectory } from './state-file'

export interface ClusterPlan {
  readonly directory: string
  /** One for each node, running or not. */
  readonly ports: readonly number[]
  readonly replicationFactor: number
  /** Absolute path. */
  readonly secretFile: string | undefined
  /** Flags that every node gets, such as `--sync periodic`. */
  readonly nodeFlags: readonly string[]
}

export function addressOf(port: number): string {
  return `${LOCAL_HOST}:${port}`
}

/** The arguments of `cassio` that start the node on `port`. Pure. */
export function nodeArguments(plan: ClusterPlan, port: number): string[] {
  return [
    'node',
    '--listen',
    addressOf(port),
    '--members',
    plan.ports.map(addressOf).join(','),
    '--data',
    nodeDirectory(plan.directory, port),
    '--rf',
    String(plan.replicationFactor),
    ...(plan.secretFile === undefined ? [] : ['--secret-file', plan.secretFile]),
    ...plan.nodeFlags,
  ]
}

/** What would make all nodes of a local cluster claim one identity. */
const NOT_INHERITED = Object.freeze(['CASSIO_ADVERTISE', 'CASSIO_CONTACT'])

/** The nodes' environment: ours, so that CASSIO_SYNC and others reach all of them. Pure. */
export function nodeEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const inherited = Object.entries(environment).filter(([name]) => !NOT_INHERITED.includes(name))
  return Object.fromEntries(inherited)
}
