/** A pending timer. `cancel` is idempotent, and harmless once the timer has fired. */
export interface Timer {
  cancel(): void
}

/** How code asks to be called later. Under simulation the only way that time passes. */
export interface Timers {
  /** Calls `run` once, `delayMs` (0 or more) or later from now. A pending timer keeps the process alive. */
  after(delayMs: number, run: () => void): Timer
  /**
   * Calls `run` at the end of the current turn of the event loop, after everything that has
   * already arrived has been handled. This is where batches are sent and committed.
   */
  soon(run: () => void): void
}
