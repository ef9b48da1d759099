/** Wakes are rounded up to this; the price of one timer for any number of calls. */
export const TICK_MS = 10
/** A power of two. Wakes further ahead than a round stay in their slot for another round. */
const SLOTS = 256
const NO_TICK = -1

/** What can be woken. One wake per sleeper: asking again replaces the earlier wish. */
export interface Sleeper {
  /** The queue's own mark: when the sleeper is to be woken, in ticks. */
  wakeTick: number
}

/**
 * Who is to be woken when: a wheel of slots of 10 ms. Cancelling only clears the sleeper's mark, and
 * its place in the wheel is dropped when the wheel comes by. Pure: it owns no timer, it says when
 * it wants to be asked.
 */
export class DeadlineQueue<T extends Sleeper> {
  private readonly slots: T[][] = Array.from({ length: SLOTS }, () => [])
  /** Every tick up to this one has been collected. */
  private tick = 0
  private count = 0

  /** @returns when the sleeper will be woken: at `dueMs` or up to a tick later. */
  schedule(sleeper: T, dueMs: number, nowMs: number): number {
    if (this.count === 0) this.tick = Math.floor(nowMs / TICK_MS)
    const tick = Math.max(Math.ceil(dueMs / TICK_MS), this.tick + 1)
    if (sleeper.wakeTick !== tick) {
      sleeper.wakeTick = tick
      this.slots[tick & (SLOTS - 1)]!.push(sleeper)
      this.count += 1
    }
    return tick * TICK_MS
  }

  cancel(sleeper: T): void {
    sleeper.wakeTick = NO_TICK
  }

  /** When to collect next, in the same milliseconds; undefined while nobody is in the wheel. */
  nextMs(): number | undefined {
    if (this.count === 0) return undefined
    for (let ahead = 1; ahead < SLOTS; ahead += 1) {
      const tick = this.tick + ahead
      if (this.slots[tick & (SLOTS - 1)]!.length > 0) return tick * TICK_MS
    }
    return (this.tick + SLOTS) * TICK_MS
  }

  /** @returns those whose time has come, each once. */
  collect(nowMs: number): T[] {
    const due: T[] = []
    const nowTick = Math.floor(nowMs / TICK_MS)
    const last = Math.min(nowTick, this.tick + SLOTS)
    for (let tick = this.tick + 1; tick <= last; tick += 1) {
      this.collectSlot(tick & (SLOTS - 1), nowTick, due)
    }
    this.tick = Math.max(this.tick, nowTick)
    return due
  }

  private collectSlot(slot: number, nowTick: number, due: T[]): void {
    const sleepers = this.slots[slot]!
    let kept = 0
    for (const sleeper of sleepers) {
      const { wakeTick } = sleeper
      // A mark of another slot, or none: woken, cancelled or moved since it was put here.
      if (wakeTick === NO_TICK || (wakeTick & (SLOTS - 1)) !== slot) continue
      if (wakeTick > nowTick) {
        sleepers[kept++] = sleeper
      } else {
        sleeper.wakeTick = NO_TICK
        due.push(sleeper)
      }
    }
    this.count -= sleepers.length - kept
    sleepers.length = kept
  }
}
