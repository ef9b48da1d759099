import type { Violation } from './checkers'
import { formatRecord, type OperationRecord } from './history'
import type { RunResult } from './run'

/** Calls of the same key shown around a violation. */
const CONTEXT_MAX = 30

export function replayCommand(seed: number): string {
  return `npm run simulate -- --seed ${seed} --trace`
}

/** What a failing seed has to say: the rule, the key, its witnesses, and how to see it again. */
export function formatFailure(result: RunResult): string {
  const { plan, violations, history, traceHash, historyHash } = result
  const shown = violations.slice(0, 3).map((violation) => formatViolation(violation, result))
  const rest = violations.length - shown.length
  return [
    `seed ${plan.seed} failed: ${violations.length} violations (${plan.mood}: ` +
      `${plan.kinds.join(', ')}; ${plan.nodes} nodes, ${plan.operations.length} clients, ` +
      `sync ${plan.node.sync}, ${history.records.length} calls)`,
    ...shown,
    ...(rest > 0 ? [`… and ${rest} more`] : []),
    `trace hash ${traceHash}, history hash ${historyHash}`,
    `replay: ${replayCommand(plan.seed)}`,
  ].join('\n')
}

function formatViolation(violation: Violation, { history }: RunResult): string {
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

/** Adds up what many runs did, so that one can see that the rare paths are walked. */
export class Summary {
  seeds = 0
  virtualMs = 0
  wallMs = 0
  events = 0
  private readonly outcomes = new Map<string, number>()
  private readonly faults = new Map<string, number>()
  private readonly counters = new Map<string, number>()
  private readonly moods = new Map<string, number>()

  add(result: RunResult, wallMs: number): void {
    this.seeds += 1
    this.virtualMs += result.virtualMs
    this.wallMs += wallMs
    this.events += result.events
    bump(this.moods, result.plan.mood)
    for (const { verb, outcome } of result.history.records)
      bump(this.outcomes, `${verb} ${outcome}`)
    for (const { kind } of result.history.faults) if (kind !== 'heal') bump(this.faults, kind)
    for (const [name, value] of Object.entries(result.counters)) bump(this.counters, name, value)
  }

  get operations(): number {
    return [...this.outcomes.values()].reduce((sum, count) => sum + count, 0)
  }

  counter(name: string): number {
    return this.counters.get(name) ?? 0
  }

  fired(kind: string): number {
    return this.faults.get(kind) ?? 0
  }

  toString(): string {
    const { seeds, virtualMs, wallMs, events, operations } = this
    const speed = virtualMs / Math.max(1, wallMs)
    return [
      `${seeds} seeds (${list(this.moods)}), ${Math.round(virtualMs / 1_000)} virtual seconds in ` +
        `${(wallMs / 1_000).toFixed(1)} s: ${speed.toFixed(0)} virtual seconds per second, ` +
        `${Math.round((events / Math.max(1, wallMs)) * 1_000)} events per second`,
      `${operations} calls: ${list(this.outcomes)}`,
      `faults: ${list(this.faults)}`,
      `nodes: ${list(this.counters)}`,
    ].join('\n')
  }
}

function bump(counts: Map<string, number>, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by)
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ')
}
