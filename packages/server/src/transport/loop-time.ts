import type { Clock } from '@cassiopeia/env'

/**
 * Monotonic time as of the latest event. Reading the clock once per chunk of messages instead of
 * once per message is exact enough for deadlines, and saves the call on the hot path.
 */
export class LoopTime {
  nowMs: number
  /** The node's hybrid time, which peers and clients are told. */
  hybridMs: () => number = () => 0

  constructor(private readonly clock: Clock) {
    this.nowMs = clock.monotonicMs()
  }

  /** To be called at every entry from outside: bytes that arrive, a timer that fires. */
  refresh(): number {
    this.nowMs = this.clock.monotonicMs()
    return this.nowMs
  }
}
