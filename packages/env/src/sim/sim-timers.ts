import type { Timer, Timers } from '../timers'
import type { SimEvent } from './event-heap'
import type { Incarnation } from './incarnation'
import type { KeyedRandom } from './keyed-random'
import type { Scheduler } from './scheduler'
import type { SimClock } from './sim-clock'

/** As setTimeout has it. It also makes sure that time passes however a process uses its timers. */
const delayMinMs = 1
/** Longer than any test lasts: Infinity is a legal way to say never. */
const delayMaxMs = 2 ** 40
/** How long a turn of the event loop takes: what arrives within it is handled before `soon`. */
const turnMinMs = 0.005
const turnMaxMs = 0.05

export class SimTimers implements Timers {
  private readonly soonTie: number
  private soonTimeMs = 0

  constructor(
    private readonly scheduler: Scheduler,
    private readonly incarnation: Incarnation,
    private readonly clock: SimClock,
    private readonly random: KeyedRandom,
  ) {
    this.soonTie = scheduler.newTie()
  }

  after(delayMs: number, run: () => void): Timer {
    const delay = Math.min(delayMaxMs, Math.max(delayMinMs, delayMs))
    return new SimTimer(this.scheduler, this.incarnation, this.clock, delay, run)
  }

  soon(run: () => void): void {
    if (!this.incarnation.alive) return
    const { scheduler, incarnation } = this
    // What is asked for during one turn runs at its end, in the order in which it was asked for.
    if (this.soonTimeMs <= scheduler.nowMs) {
      this.soonTimeMs = scheduler.nowMs + this.random.between(turnMinMs, turnMaxMs)
    }
    scheduler.at(this.soonTimeMs, 'soon', run, { owner: incarnation, tie: this.soonTie })
  }
}

class SimTimer implements Timer {
  private event: SimEvent | undefined
  private readonly dueMs: number

  constructor(
    private readonly scheduler: Scheduler,
    private readonly incarnation: Incarnation,
    private readonly clock: SimClock,
    delayMs: number,
    private readonly run: () => void,
  ) {
    this.dueMs = clock.monotonicMs() + delayMs
    this.arm(delayMs)
  }

  cancel(): void {
    if (this.event !== undefined) this.scheduler.cancel(this.event)
    this.event = undefined
  }

  private arm(delayMs: number): void {
    if (!this.incarnation.alive) return
    const { clock, scheduler, incarnation } = this
    const fire = () => this.fire()
    this.event = scheduler.after(clock.toWorldMs(delayMs), 'timer', fire, { owner: incarnation })
  }

  private fire(): void {
    this.event = undefined
    // The clock may have been slowed since, and `after` may only be late by the owner's own clock.
    const earlyMs = this.dueMs - this.clock.monotonicMs()
    if (earlyMs > 0) this.arm(Math.max(earlyMs, 1 / 1024))
    else this.run()
  }
}
