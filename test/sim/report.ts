import type { Violation } from './checkers'
import { formatRecord, type History, type OperationRecord } from './history'
import type { RunResult } from './run'

/** Calls of the same key shown around a violation. */
const CONTEXT_MAX = 30
const VIOLATIONS_SHOWN = 3

export function replayCommand(seed: number): string {
  return `npm run simulate -- --seed ${seed} --trace`
}

/**
 * What a failing run has to say: the rule, the key, its witnesses, and how to see it again.
 * @param replay Default: the seed again.
 */
export function formatFailure(result: RunResult, replay?: string): string {
  const { plan, violations, history, traceHash, historyHash } = result
  const byRule = oneOfEachRule(violations)
  const shown = byRule.slice(0, VIOLATIONS_SHOWN)
  const rest = violations.length - shown.length
  return [
    `seed ${plan.seed} failed: ${violations.length} violations (${plan.mood}: ` +
      `${plan.kinds.join(', ')}; ${plan.nodes} nodes, ${plan.operations.length} clients, ` +
      `sync ${plan.node.sync}, ${history.records.length} calls)`,
    ...shown.map((violation) => formatViolation(violation, history)),
    ...(rest > 0 ? [`… and ${rest} more`] : []),
    `trace hash ${traceHash}, history hash ${historyHash}`,
    `replay: ${replay ?? replayCommand(plan.seed)}`,
  ].join('\n')
}

/** The first violation of each rule, then the others. */
function oneOfEachRule(violations: readonly Violation[]): Violation[] {
  const first = new Map<string, Violation>()
  for (const violation of violations) {
    if (!first.has(violation.rule)) first.set(violation.rule, violation)
  }
  const firsts = [...first.values()]
  return [...firsts, ...violations.filter((violation) => !firsts.includes(violation))]
}

export function formatViolation(violation: Violation, history: History): string {
  const { rule, message, key, witnesses } = violation
  const lines = [`\n${rule}${key === undefined ? '' : ` (${key})`}: ${message}`]
  lines.push(...witnesses.map((record) => `  * ${formatRecord(record)}`))
  if (witnesses.length === 0) return lines.join('\n')
  const fromMs = Math.min(...witnesses.map(({ invokeMs }) => invokeMs)) - 50
  const toMs = Math.max(
    ...witnesses.map(({ invokeMs, completeMs }) => finite(completeMs, invokeMs)),
  )
  const isNear = ({ key: of, invokeMs, completeMs }: OperationRecord) =>
    of === key && invokeMs <= toMs && completeMs >= fromMs
  const near = history.records.filter(isNear)
  const context = near.slice(-CONTEXT_MAX)
  lines.push(`  the last ${context.length} of ${near.length} calls of that key meanwhile:`)
  lines.push(...context.map((record) => `    ${formatRecord(record)}`))
  const faults = history.faults.filter(({ atMs }) => atMs >= fromMs - 2_000 && atMs <= toMs)
  lines.push('  faults meanwhile:')
  lines.push(...faults.map(({ atMs, what }) => `    ${atMs.toFixed(1).padStart(9)} ${what}`))
  return lines.join('\n')
}

function finite(number: number, otherwise: number): number {
  return Number.isFinite(number) ? number : otherwise
}

/** Calls, faults and the nodes' logs in the order of virtual time. */
export function formatTrace({ history, logs }: RunResult): string {
  const lines = [
    ...history.records.map((record) => ({ timeMs: record.invokeMs, text: formatRecord(record) })),
    ...history.faults.map(({ atMs, kind, what }) => ({
      timeMs: atMs,
      text: `--- ${kind}: ${what}`,
    })),
    ...logs,
  ]
  lines.sort((a, b) => a.timeMs - b.timeMs)
  return lines.map(({ timeMs, text }) => `${timeMs.toFixed(3).padStart(11)}  ${text}`).join('\n')
}

/** What the lines of a history are called that come from its lists. */
const LINE_TYPES: Readonly<Record<string, string>> = Object.freeze({
  records: 'operation',
  faults: 'fault',
  finalVotes: 'votes',
  finalNodes: 'node',
  peaks: 'peak',
  incidents: 'incident',
})

/**
 * A history as JSON lines: a record a line, whose field `type` says what it is. First the plan, then
 * the calls by when they were asked, the faults, the last votes, what went wrong outside of calls, the
 * violations with the indexes of their calls, and last the hashes. A call that never settled has null
 * for its end.
 */
export function historyLines(result: RunResult): string[] {
  const { violations, traceHash, historyHash, virtualMs } = result
  const { plan, ...history } = result.history
  const lines: object[] = [{ type: 'plan', epochMs: history.epochMs, plan }]
  for (const [name, list] of Object.entries(history)) {
    if (!Array.isArray(list)) continue
    for (const item of list) lines.push({ type: LINE_TYPES[name] ?? name, ...item })
  }
  for (const violation of violations) {
    const witnesses = violation.witnesses.map(({ index }) => index)
    lines.push({ type: 'violation', ...violation, witnesses })
  }
  lines.push({ type: 'end', virtualMs, traceHash, historyHash })
  return lines.map((line) => JSON.stringify(line))
}
