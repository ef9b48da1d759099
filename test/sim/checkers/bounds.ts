import type { History, OperationRecord } from '../history'
import type { Violation } from '.'

/**
 * A request lives on a node until all replicas have answered, or its deadline has come; a client may
 * have sent it twice. So there are not more than twice the calls of that time, and a little.
 */
const ATTEMPTS = 2
const REQUESTS_SLACK = 8
/** Deadlines are looked at in steps, and clocks may run slow. */
const DEADLINE_SLACK_MS = 250

/** What nodes hold stays within what they were told. That calls end in time is in `progress`. */
export function checkBounds({ plan, peaks, records }: History): Violation[] {
  const violations: Violation[] = []
  const requestsMax = ATTEMPTS * callsAtOnce(records) + REQUESTS_SLACK
  for (const { node, inFlight, memoryBytes, hintBytes } of peaks) {
    const judge = (what: string, value: number, most: number) => {
      if (value <= most) return
      const message = `node-${node} held ${value} ${what}, more than ${most}`
      violations.push({ rule: 'bounds', message, witnesses: [] })
    }
    judge('requests', inFlight, requestsMax)
    judge('bytes of memory', memoryBytes, plan.node.memoryBytesMax)
    judge('bytes of hints', hintBytes, plan.node.hintBytesMax)
  }
  return violations
}

/** The most calls whose deadlines were yet to come at one time. */
function callsAtOnce(records: readonly OperationRecord[]): number {
  const begins = records.map(({ invokeMs }) => invokeMs).sort((a, b) => a - b)
  const ends = records
    .map(({ invokeMs, timeoutMs }) => invokeMs + timeoutMs + DEADLINE_SLACK_MS)
    .sort((a, b) => a - b)
  let most = 0
  let ended = 0
  for (const [index, beginMs] of begins.entries()) {
    while (ends[ended]! <= beginMs) ended += 1
    most = Math.max(most, index + 1 - ended)
  }
  return most
}
