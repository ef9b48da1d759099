/**
 * Tokens to be looked at again at some time, coarsely: putting one in costs a push into a bucket, and
 * one timer serves all of them. Pure; the owner asks what is due.
 *
 * @see Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.
 */
export class DeadlineWheel {
  private readonly buckets: number[][]
  private readonly rounds: number[][]
  /** The tick up to which everything has been handed out. */
  private tick: number
  size = 0

  constructor(
    private readonly tickMs: number,
    private readonly slots: number,
    nowMs: number,
  ) {
    this.buckets = Array.from({ length: slots }, () => [])
    this.rounds = Array.from({ length: slots }, () => [])
    this.tick = Math.floor(nowMs / tickMs)
  }

  /** Hands `token` out at the first tick that is not before `dueMs`. */
  add(token: number, dueMs: number): void {
    const due = Math.max(Math.ceil(dueMs / this.tickMs), this.tick + 1)
    const slot = due % this.slots
    this.buckets[slot]!.push(token)
    this.rounds[slot]!.push(due)
    this.size += 1
  }

  /** Calls `visit` with every token that is due at `nowMs`, tick by tick. */
  advance(nowMs: number, visit: (token: number) => void): void {
    const target = Math.floor(nowMs / this.tickMs)
    // After a long pause each bucket needs one look only.
    if (target - this.tick > this.slots) this.tick = target - this.slots
    while (this.tick < target) {
      this.tick += 1
      this.visitBucket(this.tick % this.slots, target, visit)
    }
  }

  private visitBucket(slot: number, target: number, visit: (token: number) => void): void {
    const tokens = this.buckets[slot]!
    const rounds = this.rounds[slot]!
    if (tokens.length === 0) return
    this.buckets[slot] = []
    this.rounds[slot] = []
    for (let i = 0; i < tokens.length; i += 1) {
      if (rounds[i]! > target) {
        this.buckets[slot]!.push(tokens[i]!)
        this.rounds[slot]!.push(rounds[i]!)
      } else {
        this.size -= 1
        visit(tokens[i]!)
      }
    }
  }
}
