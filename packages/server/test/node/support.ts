import { CassioClient, type ClientOptions } from '@cassiopeia/client'
import type { CassioError } from '@cassiopeia/protocol'
import { type SimulatedCluster, type SimulatedClusterOptions, startCluster } from '../../src'

/** Runs `body` on a simulated cluster and stops it; a failure shows the seed and where to look. */
export async function withCluster(
  options: Omit<SimulatedClusterOptions, 'simulated'>,
  body: (cluster: SimulatedCluster) => Promise<void>,
): Promise<SimulatedCluster> {
  const cluster = await startCluster({ simulated: true, ...options })
  try {
    await body(cluster)
  } finally {
    await cluster.close()
  }
  return cluster
}

/** A client that has found the cluster, on a machine of its own. */
export async function connectClient(
  cluster: SimulatedCluster,
  options: ClientOptions & { name?: string } = {},
): Promise<CassioClient> {
  const { name = 'client', ...rest } = options
  const ports = cluster.clientPorts(name)
  const client = new CassioClient({ contactPoints: cluster.contactPoints, ports, ...rest })
  await cluster.run(client.connect())
  return client
}

/** Settles with what the work fails with. */
export async function failure(work: Promise<unknown>): Promise<CassioError> {
  try {
    const value = await work
    throw new Error(`it succeeded: ${JSON.stringify(value)}`)
  } catch (error) {
    return error as CassioError
  }
}

/** A key whose replicas are, or are not, on a node. */
export function keyHeldBy(client: CassioClient, address: string, isHeld = true): string {
  for (let i = 0; i < 10_000; i += 1) {
    const key = `key-${i}`
    const holds = client.where(key).replicas.some((replica) => replica.address === address)
    if (holds === isHeld) return key
  }
  throw new Error('no such key')
}
