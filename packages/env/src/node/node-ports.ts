import { type Logger, silentLogger } from '../logger'
import type { Ports } from '../ports'
import { NodeClock } from './node-clock'
import { NodeDisk } from './node-disk'
import { NodeRandom } from './node-random'
import { NodeTimers } from './node-timers'
import { TcpNetwork } from './tcp-network'
import { ThreadWorkers } from './thread-workers'

/** The real world: this machine's clock, timers, chance, files, TCP and threads. Silent without a logger. */
export function nodePorts(options: { logger?: Logger } = {}): Ports {
  const logger = options.logger ?? silentLogger
  const workerPorts = { clock: new NodeClock(), timers: new NodeTimers(), disk: new NodeDisk() }
  return {
    ...workerPorts,
    random: new NodeRandom(),
    network: new TcpNetwork(logger),
    workers: new ThreadWorkers(workerPorts),
    logger,
  }
}
