import { DRIFT_MAX, SKEW_MAX_MS } from '../faults'
import type { History } from '../history'

/** How far the wall clocks of a run's nodes may be ahead of true time, and behind it. */
export interface ClockBounds {
  readonly aheadMs: number
  readonly behindMs: number
}

/** Wall clocks show whole milliseconds. */
const ROUNDING_MS = 1

export function clockBounds({ plan }: History): ClockBounds {
  let aheadMs = ROUNDING_MS
  let behindMs = ROUNDING_MS
  if (plan.kinds.includes('skew')) {
    aheadMs += SKEW_MAX_MS
    behindMs += SKEW_MAX_MS
  }
  for (const { forMs, action } of plan.faults) {
    if (action.type === 'clockRate') {
      // A node that dies in between leaves its drift behind, and keeps what it has gained.
      aheadMs += forMs * DRIFT_MAX
      behindMs += forMs * DRIFT_MAX
    } else if (action.type === 'strobe' || action.type === 'clockJump') {
      if (action.ms > 0) aheadMs += action.ms
      else behindMs -= action.ms
    }
  }
  return { aheadMs, behindMs }
}
