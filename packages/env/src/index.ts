/**
 * Ports to the outside world. The interfaces are here; `node/` holds the real adapters and `sim/`
 * their simulated twins, which replay one history from one seed.
 */
export type { Clock } from './clock'
export type { Disk, DiskFile, DiskLock } from './disk'
export { type LogFields, type Logger, silentLogger } from './logger'
export type { Address, Connection, ConnectionHandlers, Listener, Network } from './network'
export type { Ports } from './ports'
export type { Random } from './random'
export type { Timer, Timers } from './timers'
