import type { Clock } from '@cassiopeia/env'

/** A read from the system's cache takes 2 to 5 µs, from a solid-state disk 50 and more. */
const USUAL_MS_MAX = 0.04
/** One slow read, as when the process was not scheduled, does not make all of them slow. */
const COUNTED_MS_MAX = 0.4
/** But one that holds the loop for this long is enough. */
const LONG_MS = 5
const WEIGHT = 1 / 16
/** After so long another thread's reads may have filled the system's cache. */
const RETRY_MS = 1_000

/**
 * Decides whether the event loop reads blocks itself: while such reads usually take less time than
 * handing them to another thread does.
 */
export class ReadPace {
  private usualMs = 0
  private notBeforeMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly clock: Clock,
    private readonly enabled: boolean,
  ) {}

  get inPlace(): boolean {
    if (!this.enabled) return false
    return this.usualMs <= USUAL_MS_MAX || this.clock.monotonicMs() >= this.notBeforeMs
  }

  /** @param startedMs When a read in place began, by the monotonic clock. */
  noteRead(startedMs: number): void {
    const nowMs = this.clock.monotonicMs()
    const elapsedMs = nowMs - startedMs
    const countedMs = Math.min(elapsedMs, COUNTED_MS_MAX)
    if (elapsedMs >= LONG_MS || this.usualMs > USUAL_MS_MAX) this.usualMs = countedMs
    else this.usualMs += (countedMs - this.usualMs) * WEIGHT
    if (this.usualMs > USUAL_MS_MAX) this.notBeforeMs = nowMs + RETRY_MS
  }
}
