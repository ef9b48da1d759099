import type { Clock } from './clock'
import type { Disk } from './disk'
import type { Logger } from './logger'
import type { Network } from './network'
import type { Random } from './random'
import type { Timers } from './timers'
import type { Workers } from './workers'

/** Everything that a node or client may touch outside its own memory. */
export interface Ports {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly disk: Disk
  readonly network: Network
  readonly workers: Workers
  readonly logger: Logger
  /**
   * Whether to take a rare path here and now, such as a buffer of one byte or a timer that is late:
   * what is correct but seldom happens. `site` names the place, most significant word first. Only the
   * simulator has it; in production it is absent, which means never.
   */
  readonly buggify?: (site: string) => boolean
}
