/**
 * Suspicion of one peer, from the gaps between its heartbeats.
 *
 * phi = silence / (mean gap · ln 10): at phi 1 a live peer is this late about once in 10 times, at
 * phi 8 once in 10⁸.
 *
 * @see Hayashibara et al., "The φ Accrual Failure Detector", SRDS 2004. Like Cassandra we assume
 * exponential gaps, so the mean is the only parameter.
 */
export class PhiAccrual {
  private readonly gaps: Float64Array
  private count = 0
  private next = 0
  private sum = 0
  private lastMs = Number.NaN

  /**
   * @param windowSize Gaps kept, 1..10,000. @throws RangeError outside that.
   * @param gapMaxMs Longer gaps are outages, not habits, and are not learnt from.
   * @param gapMinMs Peers do not beat more often: a shorter mean comes from a few heartbeats that were
   * held up and arrived together, and would make any silence suspicious.
   */
  constructor(
    windowSize: number,
    private readonly gapMaxMs: number,
    private readonly gapMinMs = 1,
  ) {
    if (!Number.isInteger(windowSize) || windowSize < 1 || windowSize > 10_000) {
      throw new RangeError(`windowSize must be 1 to 10,000, not ${windowSize}`)
    }
    this.gaps = new Float64Array(windowSize)
  }

  /** @param nowMs Monotonic milliseconds, never less than in an earlier call. */
  heartbeat(nowMs: number): void {
    const gap = nowMs - this.lastMs
    this.lastMs = nowMs
    if (!(gap <= this.gapMaxMs)) return
    if (this.count === this.gaps.length) this.sum -= this.gaps[this.next]!
    else this.count += 1
    this.gaps[this.next] = gap
    this.sum += gap
    this.next = (this.next + 1) % this.gaps.length
  }

  /** @returns Suspicion, 0 or more; 0 until a heartbeat has arrived. */
  phi(nowMs: number): number {
    if (!this.heard) return 0
    // One heartbeat shows no gap, yet the silence after it must not be trusted for ever.
    const usual = this.count === 0 ? this.gapMaxMs / 2 : this.sum / this.count
    const mean = Math.max(this.gapMinMs, usual)
    return Math.max(0, nowMs - this.lastMs) / (mean * Math.LN10)
  }

  /** Whether any heartbeat has arrived. */
  get heard(): boolean {
    return !Number.isNaN(this.lastMs)
  }
}
