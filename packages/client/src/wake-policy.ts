import { MessageType } from '@cassiopeia/protocol'
import type { Attempt, Operation } from './operation'
import { ATTEMPT_GRACE_MS, hedgeDelay } from './retry-policy'

/** When a call is looked after although nothing has arrived. Pure. */

/** How long this attempt's answer may take before we look after it. */
export function patienceOf({ operation, connection }: Attempt, hedgeAfterMs: number): number {
  const isRead = operation.body.type === MessageType.GET
  return isRead ? hedgeDelay(hedgeAfterMs, connection.readLatencyMs) : connection.patienceMs
}

/**
 * A call without a request out is woken when it may be sent again; a read each time that its newest
 * node has been slow; a write when its node has been slow, and when its attempt is over; and each of
 * them when its time is up.
 */
export function nextWakeMs(operation: Operation, hedgeAfterMs: number, nowMs: number): number {
  const { newest, deadlineMs, resumeMs, isWrite } = operation
  if (newest === undefined) return Math.min(resumeMs, deadlineMs)
  const endMs = deadlineMs + ATTEMPT_GRACE_MS
  if (!newest.isSent) return endMs
  const patienceMs = patienceOf(newest, hedgeAfterMs)
  const doubtMs = newest.sentMs + patienceMs
  if (!isWrite) return Math.min(endMs, doubtMs > nowMs ? doubtMs : nowMs + patienceMs)
  const attemptEndMs = newest.deadlineMs + ATTEMPT_GRACE_MS
  return doubtMs > nowMs ? Math.min(doubtMs, attemptEndMs) : attemptEndMs
}
