import type { SimEvent } from './event-heap'
import { hashText } from './keyed-random'

/** What outlives a process: whether its machine is switched on. */
export interface Machine {
  readonly name: string
  on: boolean
}

/**
 * One life of a process, from start to kill. Every port object is bound to one; when it ends, its
 * events are dropped and its promises never settle, as after kill -9.
 */
export class Incarnation {
  alive = true
  /** Stopped as by SIGSTOP: its events wait in `parked`. */
  paused = false
  readonly parked: SimEvent[] = []
  readonly name: string
  readonly key: number

  constructor(
    readonly machine: Machine,
    readonly number: number,
  ) {
    this.name = `${machine.name}/${number}`
    this.key = hashText(this.name)
  }
}
