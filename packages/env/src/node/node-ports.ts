import { type Logger, silentLogger } from '../logger'
import type { Ports } from '../ports'
import { NodeClock } from './node-clock'
import { NodeDisk } from './node-disk'
import { NodeRandom } from './node-random'
import { NodeTimers } from './node-timers'
import { TcpNetwork } from './tcp-network'

/** The real world: this machine's clock, timers, chance, files and TCP. Silent without a logger. */
export function nodePorts(options: { logger?: Logger } = {}): Ports {
  const logger = options.logger ?? silentLogger
  return {
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random: new NodeRandom(),
    disk: new NodeDisk(),
    network: new TcpNetwork(logger),
    logger,
  }
}
