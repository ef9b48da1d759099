import type { Timer, Timers } from '@cassiopeia/env'

/**
 * Tells the store that proofs have moved on: the first time at once, then at most once in an interval,
 * since each time it looks through the delete log for what may go.
 */
export class ProofNews {
  private timer: Timer | undefined
  private again = false
  private closed = false

  constructor(
    private readonly tell: () => void,
    private readonly intervalMs: number,
    private readonly timers: Timers,
  ) {}

  moved(): void {
    if (this.closed) return
    if (this.timer !== undefined) {
      this.again = true
      return
    }
    this.tell()
    this.timer = this.timers.after(this.intervalMs, () => {
      this.timer = undefined
      if (!this.again) return
      this.again = false
      this.moved()
    })
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
  }
}
