/**
 * Chance from a seed. A failing random test names its seed in the test's name; to replay it, run that
 * test alone: `npx jest <file> -t '<name>'`. The same seed draws the same cases.
 */
export class SeededRandom {
  constructor(private state: number) {}

  /** mulberry32 */
  u32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    return this.u32() % limit
  }

  chance(probability: number): boolean {
    return this.u32() / 2 ** 32 < probability
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

/** As `expect`, for checks made a million times. @throws Error naming what was being checked. */
export function check(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(`it does not hold: ${what()}`)
}
