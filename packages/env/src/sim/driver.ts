import { guardGlobals, restoreGlobals } from './guards'
import type { Scheduler } from './scheduler'

/** Somebody outside the world who waits for something inside it. */
interface Waiter {
  isDone(): boolean
  readonly deadlineMs: number
  /** An `advance` is content to see time pass; others wait for something to happen. */
  readonly waitsForTime: boolean
  settle(): void
  fail(error: Error): void
}

export interface DriverOptions {
  /** Throw when code under simulation touches the real clock, timers or chance. */
  readonly guard: boolean
  /** 'immediate' forces the documented way of draining microtasks. */
  readonly drain: 'auto' | 'immediate'
  /** Says what the world looks like, for the error when nothing is left to happen. */
  readonly describe: () => string
}

/** Events in one turn of the real event loop, when microtasks can be drained without ending it. */
const eventsPerTurn = 512

// Taken before any guard or fake timer replaces it.
const nextTurn = setImmediate

/**
 * Drains all microtasks from within a macrotask. Not documented by Node, so it is tried out before
 * it is used; ending the macrotask by setImmediate does the same at about half the speed.
 */
function drainMicrotasks(): void {
  ;(process as unknown as { _tickCallback?: () => void })._tickCallback?.()
}

function canDrainMicrotasks(): boolean {
  let drained = false
  void Promise.resolve().then(() => {
    drained = true
  })
  drainMicrotasks()
  return drained
}

/**
 * Steps the world while somebody waits for it: pops an event, runs it, drains all microtasks, looks
 * whose wait is over. Between waits the world stands still.
 */
export class Driver {
  private readonly waiters = new Set<Waiter>()
  private running = false
  private fast = false

  constructor(
    private readonly scheduler: Scheduler,
    private readonly options: DriverOptions,
  ) {}

  /** Lets `ms` of virtual time pass. */
  advance(ms: number): Promise<void> {
    const deadlineMs = this.scheduler.nowMs + ms
    return new Promise((resolve, reject) => {
      this.wait({
        isDone: () => false,
        deadlineMs,
        waitsForTime: true,
        settle: resolve,
        fail: reject,
      })
    })
  }

  /** Steps until `isDone`, which is asked after every event. */
  until(isDone: () => boolean, limitMs: number, what: string): Promise<void> {
    const deadlineMs = this.scheduler.nowMs + limitMs
    return new Promise((resolve, reject) => {
      this.wait({
        isDone,
        deadlineMs,
        waitsForTime: false,
        settle: resolve,
        fail: (error) => reject(new Error(`${what}: ${error.message}`, { cause: error.cause })),
      })
    })
  }

  private wait(waiter: Waiter): void {
    this.waiters.add(waiter)
    if (this.options.guard) guardGlobals()
    if (this.running) return
    this.running = true
    nextTurn(() => {
      this.fast = this.options.drain === 'auto' && canDrainMicrotasks()
      this.turn()
    })
  }

  private turn(): void {
    const budget = this.fast ? eventsPerTurn : 1
    for (let step = 0; step < budget; step += 1) {
      if (!this.step()) {
        this.running = false
        return
      }
      // Those whose wait is over go on outside the world.
      if (this.waiters.size === 0 && this.options.guard) restoreGlobals()
      if (this.fast) drainMicrotasks()
    }
    nextTurn(() => this.turn())
  }

  /** One event, or the end of one or more waits. False when nobody waits any more. */
  private step(): boolean {
    if (this.settleDone()) return true
    if (this.waiters.size === 0) return false
    const nextMs = this.scheduler.nextTimeMs()
    const deadlineMs = this.earliestDeadline(nextMs === undefined)
    if (deadlineMs !== undefined && (nextMs === undefined || nextMs > deadlineMs)) {
      this.expire(deadlineMs)
      return true
    }
    if (nextMs === undefined) {
      this.failAll(this.deadlock())
      return true
    }
    try {
      this.scheduler.runNext()
    } catch (error) {
      // As an uncaught exception would: it ends the run, with its own stack as the cause.
      const message = error instanceof Error ? error.message : String(error)
      this.failAll(new Error(`an event threw: ${message}`, { cause: error }))
    }
    return true
  }

  private settleDone(): boolean {
    let settled = false
    for (const waiter of this.waiters) {
      let done = false
      try {
        done = waiter.isDone()
      } catch (error) {
        this.waiters.delete(waiter)
        waiter.fail(new Error('the condition threw', { cause: error }))
        settled = true
      }
      if (!done) continue
      this.waiters.delete(waiter)
      waiter.settle()
      settled = true
    }
    return settled
  }

  /** With no events left only those who wait for time itself can still be served. */
  private earliestDeadline(onlyTime: boolean): number | undefined {
    let earliest: number | undefined
    for (const waiter of this.waiters) {
      if (onlyTime && !waiter.waitsForTime) continue
      if (earliest === undefined || waiter.deadlineMs < earliest) earliest = waiter.deadlineMs
    }
    return earliest
  }

  private expire(deadlineMs: number): void {
    this.scheduler.nowMs = Math.max(this.scheduler.nowMs, deadlineMs)
    for (const waiter of this.waiters) {
      if (waiter.deadlineMs > deadlineMs) continue
      this.waiters.delete(waiter)
      if (waiter.waitsForTime) waiter.settle()
      else
        waiter.fail(
          new Error(`not done at ${deadlineMs} ms, its limit; ${this.options.describe()}`),
        )
    }
  }

  private failAll(error: Error): void {
    const failed = [...this.waiters]
    this.waiters.clear()
    for (const waiter of failed) waiter.fail(error)
  }

  private deadlock(): Error {
    const { nowMs } = this.scheduler
    const world = this.options.describe()
    return new Error(`deadlock: not done at ${nowMs} ms and no event is left; ${world}`)
  }
}
