/** Readings older than two of these are forgotten, since no two clocks run alike for ever. */
const WINDOW_MS = 5_000

/**
 * What another process's monotonic clock shows at least. A reading came with WELCOME or PONG; when it
 * arrived, that clock had gone on by the transfer time, so deadlines made from it err on the early
 * side and a late request can be recognised as late wherever it was held up.
 *
 * Of several readings the one that travelled fastest is the nearest to the truth: one that lay in the
 * socket of a process that was stopped or busy must not make every request seem late.
 */
export class RemoteClock {
  /** The best of the current window and of the one before: remote minus local milliseconds. */
  private offsetMs = 0
  private recentMs = Number.NEGATIVE_INFINITY
  private earlierMs = Number.NEGATIVE_INFINITY
  private windowFromMs = Number.NEGATIVE_INFINITY

  /** @param remoteMs The reading. @param nowMs This process's monotonic clock as it arrived. */
  observe(remoteMs: number, nowMs: number): void {
    if (nowMs - this.windowFromMs >= WINDOW_MS) {
      this.windowFromMs = nowMs
      this.earlierMs = this.recentMs
      this.recentMs = Number.NEGATIVE_INFINITY
    }
    this.recentMs = Math.max(this.recentMs, remoteMs - nowMs)
    this.offsetMs = Math.max(this.recentMs, this.earlierMs)
  }

  /** Another process may have come in that one's place, with a clock of its own. */
  reset(): void {
    this.recentMs = Number.NEGATIVE_INFINITY
    this.earlierMs = Number.NEGATIVE_INFINITY
  }

  /** The remote clock's reading at this process's `localMs`, at least. */
  at(localMs: number): number {
    return localMs + this.offsetMs
  }
}
