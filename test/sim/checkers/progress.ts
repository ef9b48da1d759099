import type { History } from '../history'
import type { Violation } from '.'

/** How long after its deadline a call may settle: clients wake in steps, and wait for late answers. */
const DEADLINE_SLACK_MS = 100

/** Calls end in time; where nothing is wrong, or not any more, they succeed. */
export function checkProgress(history: History): Violation[] {
  const violations: Violation[] = []
  const { mood } = history.plan
  for (const record of history.records) {
    const report = (rule: string, message: string) =>
      violations.push({ rule, message, key: record.key, witnesses: [record] })
    const overMs = record.completeMs - record.invokeMs - record.timeoutMs
    if (overMs > DEADLINE_SLACK_MS) report('hang', `settled ${overMs} ms after its deadline`)
    if (record.outcome === 'ok') continue
    if (mood === 'calm') report('calm', 'a call failed though nothing was wrong')
    else if (record.phase === 'final') report('liveness', 'a call failed after all was healed')
  }
  return violations
}
