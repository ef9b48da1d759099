/**
 * Ports to the outside world. The interfaces are here; `node/` holds the real adapters and `sim/`
 * their simulated twins, which replay one history from one seed.
 */
export type { Clock } from './clock'
export type { Disk, DiskFile, DiskLock } from './disk'
export { drainHighWaterBytes, formatAddress } from './format-address'
export { InlineWorkers } from './inline-workers'
export { type LogFields, type Logger, silentLogger } from './logger'
export type { Address, Connection, ConnectionHandlers, Listener, Network } from './network'
export { NodeClock } from './node/node-clock'
export { NodeDisk } from './node/node-disk'
export { nodePorts } from './node/node-ports'
export { NodeRandom } from './node/node-random'
export { NodeTimers } from './node/node-timers'
export { createLogger, type LoggerOptions } from './node/pino-logger'
export { TcpNetwork } from './node/tcp-network'
export { temporaryDirectory } from './node/temporary-directory'
export { ThreadWorkers } from './node/thread-workers'
export type { Ports } from './ports'
export type { Random } from './random'
export type { Buggify } from './sim/buggify'
export type { DiskFault, DiskFaults } from './sim/disk-faults'
export { withGuards } from './sim/guards'
export { KeyedRandom, type Seed } from './sim/keyed-random'
export { type LinkOptions, linkDefaults } from './sim/link-faults'
export type { TraceEvent } from './sim/scheduler'
export type { SimFileSystem } from './sim/sim-file-system'
export type { CrashMode } from './sim/sim-inode'
export type { LogLine } from './sim/sim-logger'
export type { SimProcess, SimProcessOptions } from './sim/sim-process'
export { Simulation, type SimulationOptions } from './sim/simulation'
export type { Timer, Timers } from './timers'
export type {
  JobOptions,
  WorkerContext,
  WorkerEntry,
  WorkerHandle,
  WorkerMain,
  WorkerPorts,
  Workers,
} from './workers'
