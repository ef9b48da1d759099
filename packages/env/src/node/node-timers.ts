import { performance } from 'node:perf_hooks'
import type { Timer, Timers } from '../timers'

/** The longest delay that setTimeout takes; it turns a longer one into 1 ms. */
const delayMaxMs = 2 ** 31 - 1

export class NodeTimers implements Timers {
  after(delayMs: number, run: () => void): Timer {
    return new NodeTimer(delayMs, run)
  }

  soon(run: () => void): void {
    setImmediate(run)
  }
}

class NodeTimer implements Timer {
  private readonly dueMs: number
  private handle: NodeJS.Timeout

  constructor(
    delayMs: number,
    private readonly run: () => void,
  ) {
    this.dueMs = performance.now() + delayMs
    this.handle = this.arm(delayMs)
  }

  cancel(): void {
    clearTimeout(this.handle)
  }

  private arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.fire(), Math.min(delayMs, delayMaxMs))
  }

  private fire(): void {
    // setTimeout counts whole milliseconds and may be a fraction early; `after` may only be late.
    const earlyMs = this.dueMs - performance.now()
    if (earlyMs > 0) this.handle = this.arm(earlyMs)
    else this.run()
  }
}
