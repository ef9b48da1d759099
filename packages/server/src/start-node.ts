import { asDiskFailure } from './disk-failure'
import { Node } from './node'
import { type NodeOptions, parseNodeOptions } from './options'

/**
 * Starts one node in this process, on real ports unless `options.ports` says otherwise. It resolves
 * when the node listens; `node.formed` when the cluster has agreed and requests are served.
 *
 * After a crash at any moment the same call with the same directory brings back everything that was
 * acknowledged.
 *
 * @throws CassioError CASSIO_CONFIG (every wrong option at once), CASSIO_ADDRESS_IN_USE,
 * CASSIO_FOUNDING_MISMATCH, CASSIO_LOCKED, CASSIO_CORRUPT, CASSIO_STORAGE.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const settings = parseNodeOptions(options)
  try {
    return await Node.start(settings)
  } catch (error) {
    throw asDiskFailure(error, 'the node cannot start')
  }
}
