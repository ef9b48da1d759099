import type { Clock } from '../clock'
import type { Scheduler } from './scheduler'

/**
 * A process's clocks over the world's time. The wall clock has an offset that may be constant, jump
 * (`step`) or drift; the monotonic one runs at a rate near 1 and never goes back.
 */
export class SimClock implements Clock {
  private wallRate = 1
  private monotonicRate = 1
  /** Readings at the moment when a rate was last changed; linear from there. */
  private sinceMs: number
  private wallBaseMs: number
  private monotonicBaseMs: number

  constructor(
    private readonly scheduler: Scheduler,
    epochMs: number,
    monotonicStartMs: number,
  ) {
    this.sinceMs = scheduler.nowMs
    this.wallBaseMs = epochMs + scheduler.nowMs
    this.monotonicBaseMs = monotonicStartMs
  }

  monotonicMs(): number {
    return this.monotonicBaseMs + (this.scheduler.nowMs - this.sinceMs) * this.monotonicRate
  }

  wallMs(): number {
    return Math.floor(this.wallExactMs())
  }

  /** World milliseconds in which the monotonic clock gains `delayMs`. */
  toWorldMs(delayMs: number): number {
    return delayMs / this.monotonicRate
  }

  /** The wall clock jumps by `ms`, forth or back. */
  step(ms: number): void {
    this.wallBaseMs += ms
  }

  /** From now on the wall clock gains `wallRate`, the monotonic one `monotonicRate` per real ms. */
  setRates(wallRate: number, monotonicRate: number): void {
    this.wallBaseMs = this.wallExactMs()
    this.monotonicBaseMs = this.monotonicMs()
    this.sinceMs = this.scheduler.nowMs
    this.wallRate = wallRate
    this.monotonicRate = monotonicRate
  }

  private wallExactMs(): number {
    return this.wallBaseMs + (this.scheduler.nowMs - this.sinceMs) * this.wallRate
  }
}
