/** Wakes are rounded up to this; the price of one timer for any number of calls. */
export const TICK_MS = 10
const NOWHERE = -1

/** What can be woken. The fields are the queue's own. */
export interface Sleeper {
  /** When, in the queue's milliseconds, rounded up to whole ticks; infinite once woken. */
  wakeMs: number
  /** Where in the queue. */
  place: number
}

/** For a sleeper that is in no queue. */
export const AWAKE: Sleeper = Object.freeze({ wakeMs: Number.POSITIVE_INFINITY, place: NOWHERE })

/**
 * Who is to be woken when: a list without order that is gone through once a tick, at most.
 *
 * Calls come by hundreds of thousands a second and are seldom under way by thousands. A wheel would
 * keep each for the tens of milliseconds until its slot comes by, long enough to outlive the young
 * generation of the garbage collector; here a call that is done is gone, and looking at the others
 * costs a nanosecond each. Pure: it owns no timer, it says when it wants to be asked.
 */
export class DeadlineQueue<T extends Sleeper> {
  private readonly sleepers: T[] = []
  private earliestMs = Number.POSITIVE_INFINITY

  /** When to collect next; infinite when there is no need. Early at times, never late. */
  get nextMs(): number {
    return this.sleepers.length === 0 ? Number.POSITIVE_INFINITY : this.earliestMs
  }

  /** Replaces an earlier wish of the same sleeper. @returns when it will be woken. */
  schedule(sleeper: T, dueMs: number): number {
    const wakeMs = Math.ceil(dueMs / TICK_MS) * TICK_MS
    sleeper.wakeMs = wakeMs
    if (sleeper.place === NOWHERE) sleeper.place = this.sleepers.push(sleeper) - 1
    if (wakeMs < this.earliestMs) this.earliestMs = wakeMs
    return wakeMs
  }

  cancel(sleeper: T): void {
    const { place } = sleeper
    if (place === NOWHERE) return
    const last = this.sleepers.pop()!
    if (last !== sleeper) {
      this.sleepers[place] = last
      last.place = place
    }
    sleeper.place = NOWHERE
  }

  /** @returns those whose time has come. They stay until cancelled, and sleep until scheduled. */
  collect(nowMs: number): T[] {
    const due: T[] = []
    let earliestMs = Number.POSITIVE_INFINITY
    for (const sleeper of this.sleepers) {
      if (sleeper.wakeMs <= nowMs) {
        sleeper.wakeMs = Number.POSITIVE_INFINITY
        due.push(sleeper)
      } else if (sleeper.wakeMs < earliestMs) {
        earliestMs = sleeper.wakeMs
      }
    }
    this.earliestMs = earliestMs
    return due
  }
}
