import type { Ports, Timer } from '@cassiopeia/env'
import { DeadlineQueue, type Sleeper } from './deadline-queue'

/** Wakes any number of sleepers with one timer. */
export class Alarm<T extends Sleeper> {
  private readonly queue = new DeadlineQueue<T>()
  private timer: Timer | undefined
  /** When the timer fires; infinite when there is none. */
  private timerMs = Number.POSITIVE_INFINITY
  private isClosed = false

  /** @param onWake May set the alarm again for the same sleeper. */
  constructor(
    private readonly ports: Pick<Ports, 'clock' | 'timers'>,
    private readonly onWake: (sleeper: T, nowMs: number) => void,
  ) {}

  /** Replaces an earlier wish of the same sleeper. Rounded up to whole ticks of 10 ms. */
  set(sleeper: T, dueMs: number, nowMs: number): void {
    const wakeMs = this.queue.schedule(sleeper, dueMs)
    if (wakeMs < this.timerMs) this.arm(wakeMs, nowMs)
  }

  cancel(sleeper: T): void {
    this.queue.cancel(sleeper)
  }

  /** Nobody is woken any more. */
  close(): void {
    this.isClosed = true
    this.timer?.cancel()
  }

  private arm(wakeMs: number, nowMs: number): void {
    if (this.isClosed) return
    this.timer?.cancel()
    this.timerMs = wakeMs
    this.timer = this.ports.timers.after(Math.max(0, wakeMs - nowMs), this.onTimer)
  }

  /**
   * Silence is judged only after everything that has arrived was handled: when this process itself
   * was stopped or busy, the answers are there, waiting behind the timer.
   */
  private readonly onTimer = (): void => {
    this.timer = undefined
    this.ports.timers.soon(this.wakeDue)
  }

  private readonly wakeDue = (): void => {
    if (this.isClosed) return
    const nowMs = this.ports.clock.monotonicMs()
    this.timerMs = Number.POSITIVE_INFINITY
    for (const sleeper of this.queue.collect(nowMs)) this.onWake(sleeper, nowMs)
    const { nextMs } = this.queue
    if (nextMs < this.timerMs) this.arm(nextMs, nowMs)
  }
}
