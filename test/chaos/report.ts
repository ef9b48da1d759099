import type { Violation } from '../sim/checkers'
import { formatRecord, type History, type OperationRecord } from '../sim/history'
import { formatViolation } from '../sim/report'
import type { EndingResult } from './ending'
import { CHAOS_KINDS, type ChaosKind, nodeName } from './faults'
import { longestSilence, type Silence } from './judge'
import type { LifeCounts } from './lives'
import type { ChaosPlan } from './plan'

const VIOLATIONS_SHOWN = 5
const MIB = 1024 * 1024

/** What came of a run, as `--json` prints it. */
export interface ChaosReport {
  readonly seed: number
  readonly minutes: number
  readonly nodes: number
  readonly options: ChaosPlan['options']
  readonly timeoutMs: number
  /** Laid, by kind; and of those that were not, why. */
  readonly faults: Readonly<Record<string, number>>
  readonly skipped: Readonly<Record<string, string>>
  /** By 'verb outcome'; failures and unknown outcomes by error code. */
  readonly calls: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  readonly violations: readonly {
    readonly rule: string
    readonly message: string
    readonly key: string | undefined
    readonly witnesses: readonly string[]
  }[]
  readonly longestSilence: Silence
  readonly servingMs: number | undefined
  readonly convergenceMs: number | undefined
  readonly repair: EndingResult['repair']
  readonly lives: LifeCounts
  readonly damaged: { readonly node: string; readonly starts: boolean } | undefined
  readonly residentMib: readonly (number | undefined)[]
  /** What nodes have counted since their last start. */
  readonly counters: Readonly<Record<string, number>>
  readonly proxied: { readonly connections: number; readonly flippedBits: number }
  readonly loopDelayMaxMs: number
  /** Where logs and history are; undefined when they were removed. */
  readonly directory: string | undefined
}

export interface ReportSources {
  readonly plan: ChaosPlan
  readonly minutes: number
  readonly history: History
  readonly violations: readonly Violation[]
  readonly ending: EndingResult
  readonly faults: ReadonlyMap<ChaosKind, number>
  readonly noSmallDisk: string | undefined
  readonly lives: LifeCounts
  readonly damaged: ChaosReport['damaged']
  readonly counters: ChaosReport['counters']
  readonly proxied: ChaosReport['proxied']
  readonly loopDelayMaxMs: number
  readonly chaosFromMs: number
  readonly chaosToMs: number
  readonly directory: string | undefined
}

export function makeReport(sources: ReportSources): ChaosReport {
  const { plan, history, violations, ending, minutes, faults } = sources
  const { records } = history
  const bad = records.filter(({ outcome }) => outcome !== 'ok')
  return {
    seed: plan.seed,
    minutes,
    nodes: plan.nodes,
    options: plan.options,
    timeoutMs: plan.timeoutMs,
    faults: Object.fromEntries(faults),
    skipped: skipped(sources),
    calls: count(records.map(({ verb, outcome }) => `${verb} ${outcome}`)),
    errors: count(bad.map(errorOf)),
    violations: violations.map(({ rule, message, key, witnesses }) => ({
      rule,
      message,
      key,
      witnesses: witnesses.map(formatRecord),
    })),
    longestSilence: longestSilence(history, sources.chaosFromMs, sources.chaosToMs),
    servingMs: ending.servingMs,
    convergenceMs: ending.convergenceMs,
    repair: ending.repair,
    lives: sources.lives,
    damaged: sources.damaged,
    residentMib: ending.residentBytes.map((bytes) =>
      bytes === undefined ? undefined : Math.round(bytes / MIB),
    ),
    counters: sources.counters,
    proxied: sources.proxied,
    loopDelayMaxMs: Math.round(sources.loopDelayMaxMs),
    directory: sources.directory,
  }
}

function skipped({ plan, faults, noSmallDisk }: ReportSources): Record<string, string> {
  const reasons: Record<string, string> = {}
  for (const kind of CHAOS_KINDS) {
    if (faults.has(kind)) continue
    if (!plan.kinds.includes(kind)) reasons[kind] = 'not in this seed'
    else if (kind === 'diskFull' && noSmallDisk !== undefined) reasons[kind] = noSmallDisk
    else reasons[kind] = 'no occasion'
  }
  return reasons
}

function errorOf({ outcome, error }: OperationRecord): string {
  return `${outcome} ${error === undefined ? 'never settled' : error.split(':')[0]}`
}

function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return Object.fromEntries(Object.entries(counts).sort((a, b) => b[1] - a[1]))
}

/** The same for people. */
export function formatReport(
  report: ChaosReport,
  history: History,
  violations: readonly Violation[],
): string {
  const { longestSilence: silence, lives, damaged, repair, skipped: left } = report
  const disks = damaged === undefined ? [] : [`damaged: ${inWords(damaged)}`]
  return [
    `chaos, seed ${report.seed}: ${report.nodes} nodes, ${report.minutes} min, ` +
      `calls of ${report.timeoutMs} ms, ${list(report.options)}`,
    `faults: ${list(report.faults)}${Object.entries(left)
      .map(([kind, why]) => `; no ${kind}: ${why}`)
      .join('')}`,
    `calls: ${list(report.calls)}`,
    `errors: ${list(report.errors) || 'none'}`,
    `longest time without success: ${seconds(silence.forMs)}, from ${seconds(silence.atMs)} on`,
    `after heal: all nodes served after ${seconds(report.servingMs)}, ` +
      `all was equal after ${seconds(report.convergenceMs)}`,
    repair === undefined
      ? 'no repair was asked for'
      : `a repair then: ${repair.verified} of ${repair.total} partitions verified, ` +
        `${repair.differed} differed`,
    `nodes: ${lives.starts} starts, ${lives.killed} killed, ${lives.stopped} stopped, ` +
      `${lives.stoppedByDisk} stopped by themselves on full disks`,
    ...disks,
    `resident memory: ${report.residentMib.map(mib).join(', ')}`,
    `since their last start nodes counted: ${list(report.counters)}`,
    `the proxies took ${report.proxied.connections} connections and flipped ` +
      `${report.proxied.flippedBits} bits; the clients' event loop was late by up to ` +
      `${report.loopDelayMaxMs} ms`,
    violations.length === 0
      ? 'no violations'
      : `${violations.length} violations: ${list(count(violations.map(({ rule }) => rule)))}`,
    ...violations.slice(0, VIOLATIONS_SHOWN).map((each) => formatViolation(each, history)),
    ...(report.directory === undefined
      ? []
      : [`logs and history: ${report.directory}`, `again: ${againCommand(report)}`]),
  ].join('\n')
}

function againCommand({ seed, minutes, nodes }: ChaosReport): string {
  return (
    `npm run chaos -- --seed ${seed} --minutes ${minutes} --nodes ${nodes}   ` +
    '(the same faults at the same times; what happens between them is another matter)'
  )
}

function inWords({ node, starts }: NonNullable<ChaosReport['damaged']>): string {
  return `${node}, which ${starts ? 'serves what is whole' : 'refuses to start, as it may'}`
}

function list(counts: object): string {
  return Object.entries(counts)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : `${(ms / 1_000).toFixed(1)} s`
}

function mib(size: number | undefined, index: number): string {
  return `${nodeName(index)} ${size === undefined ? 'unknown' : `${size} MiB`}`
}
