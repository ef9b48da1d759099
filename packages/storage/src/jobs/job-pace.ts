import type { WorkerContext } from '@cassiopeia/env'
import type { MeteredDisk } from './metered-disk'

/** Cells between two looks at the world: some milliseconds of work. */
const CELLS_PER_TURN = 2_048
/** A job that waits for its budget looks this often whether it was cancelled. */
const WAIT_MS_MAX = 100

/**
 * Keeps a job a good neighbour: lets other events run from time to time, ends it when it was
 * cancelled, and holds it back to its budget of bytes, read and written, per second.
 */
export class JobPace {
  private cells = 0
  private bytesBefore = 0
  /** Until then the budget has been used up by what was read and written so far. */
  private paidUntilMs: number

  /** @param bytesPerSecondMax 0: no bound. */
  constructor(
    private readonly context: WorkerContext,
    private readonly disk: MeteredDisk,
    private readonly bytesPerSecondMax: number,
  ) {
    this.paidUntilMs = context.clock.monotonicMs()
  }

  /** Counts a cell. @returns whether it is time to `pause`. */
  tick(): boolean {
    this.cells += 1
    return this.cells >= CELLS_PER_TURN
  }

  /** @throws Error with code 'ECANCELED'. */
  async pause(): Promise<void> {
    const { timers } = this.context
    if (this.cells >= CELLS_PER_TURN) {
      this.cells = 0
      await new Promise<void>((resolve) => timers.soon(resolve))
    }
    this.throwIfCancelled()
    if (this.bytesPerSecondMax > 0) await this.waitForBudget()
  }

  private throwIfCancelled(): void {
    if (!this.context.cancelled) return
    throw Object.assign(new Error('the job was cancelled'), { code: 'ECANCELED' })
  }

  private async waitForBudget(): Promise<void> {
    const { clock, timers } = this.context
    const bytes = this.disk.bytesRead + this.disk.bytesWritten
    const costMs = ((bytes - this.bytesBefore) / this.bytesPerSecondMax) * 1_000
    this.bytesBefore = bytes
    // What was not used while the disk was slow is not made up for: that would be a burst.
    this.paidUntilMs = Math.max(this.paidUntilMs, clock.monotonicMs()) + costMs
    for (;;) {
      const waitMs = Math.min(this.paidUntilMs - clock.monotonicMs(), WAIT_MS_MAX)
      if (waitMs <= 0) return
      await new Promise<void>((resolve) => timers.after(waitMs, resolve))
      this.throwIfCancelled()
    }
  }
}
