import type { Random } from '@cassiopeia/env'

/** Exponential back-off with full jitter on its upper half: peers that fell together return apart. */
export class Backoff {
  private failures = 0

  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
    private readonly random: Random,
  ) {}

  /** Milliseconds to wait after one more failure. */
  next(): number {
    const ceiling = Math.min(this.maxMs, this.minMs * 2 ** this.failures)
    this.failures += 1
    return ceiling / 2 + (ceiling / 2) * this.random.unit()
  }

  reset(): void {
    this.failures = 0
  }
}
