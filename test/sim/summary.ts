import { FAULT_KINDS } from './faults'
import { PROBES } from './probes'
import type { RunResult } from './run'

type Counts = Record<string, number>

/** What some runs took. */
export interface Effort {
  seeds: number
  virtualMs: number
  wallMs: number
  /** Of all threads of the process: garbage is collected by others. */
  cpuMs: number
  events: number
}

/** As it goes from process to process, and to whoever asks for JSON. */
export interface SummaryData {
  readonly effort: Effort
  /** By number of nodes: bigger clusters are slower. */
  readonly effortByNodes: Readonly<Record<string, Effort>>
  /** Seeds that ran twice and were compared. */
  readonly doubled: number
  readonly moods: Counts
  /** By 'verb outcome'. */
  readonly calls: Counts
  readonly faults: Counts
  /** The nodes' own counters: the rare paths are probes. All names, also those at 0. */
  readonly probes: Counts
  /** How often each site of 'buggify' has fired. */
  readonly buggified: Counts
  /** Seeds that broke a rule, by rule. */
  readonly rules: Counts
}

const LINE_WIDTH = 100

const PARTS = ['moods', 'calls', 'faults', 'probes', 'buggified', 'rules'] as const

/** Adds up what many runs did, so that one can see that the rare paths are walked. */
export class Summary {
  private readonly effort = noEffort()
  private readonly effortByNodes: Record<string, Effort> = {}
  private doubled = 0
  private readonly moods: Counts = {}
  private readonly calls: Counts = {}
  private readonly faults: Counts = {}
  private readonly probes: Counts = {}
  private readonly buggified: Counts = {}
  private readonly rules: Counts = {}

  add(result: RunResult, wallMs: number, cpuMs: number): void {
    const { plan, history, virtualMs, events, counters, buggified } = result
    const spent = { seeds: 1, virtualMs, wallMs, cpuMs, events }
    addEffort(this.effort, spent)
    this.effortByNodes[plan.nodes] ??= noEffort()
    addEffort(this.effortByNodes[plan.nodes]!, spent)
    bump(this.moods, plan.mood)
    for (const { verb, outcome } of history.records) bump(this.calls, `${verb} ${outcome}`)
    for (const { kind } of history.faults) if (isFault(kind)) bump(this.faults, kind)
    for (const [name, value] of Object.entries(counters)) bump(this.probes, name, value)
    for (const [name, value] of Object.entries(buggified)) bump(this.buggified, name, value)
  }

  /** A seed has broken these rules. */
  addFailure(rules: readonly string[]): void {
    for (const rule of new Set(rules)) bump(this.rules, rule)
  }

  addDoubled(): void {
    this.doubled += 1
  }

  merge(other: SummaryData): void {
    addEffort(this.effort, other.effort)
    for (const [nodes, effort] of Object.entries(other.effortByNodes)) {
      this.effortByNodes[nodes] ??= noEffort()
      addEffort(this.effortByNodes[nodes], effort)
    }
    this.doubled += other.doubled
    for (const part of PARTS) {
      for (const [name, count] of Object.entries(other[part])) bump(this[part], name, count)
    }
  }

  get seeds(): number {
    return this.effort.seeds
  }

  get virtualMs(): number {
    return this.effort.virtualMs
  }

  counter(name: string): number {
    return this.probes[name] ?? 0
  }

  fired(kind: string): number {
    return this.faults[kind] ?? 0
  }

  toJSON(): SummaryData {
    const { effort, effortByNodes, doubled, moods, calls, faults, probes, buggified, rules } = this
    return { effort, effortByNodes, doubled, moods, calls, faults, probes, buggified, rules }
  }

  /** @param elapsedMs Wall time of the whole, when several processes ran side by side. */
  toText(elapsedMs = this.effort.wallMs): string {
    const { effort, moods, doubled } = this
    const rate = effort.virtualMs / Math.max(1, elapsedMs)
    return [
      `${effort.seeds} seeds (${list(moods)}), ${doubled} of them run twice: ` +
        `${(effort.virtualMs / 3_600_000).toFixed(2)} virtual hours in ${inWords(elapsedMs)}`,
      `speed: ${rate.toFixed(0)} virtual seconds per second; ${this.speedByNodes()}`,
      `calls: ${this.callTable()}`,
      `faults fired:${table(this.faults)}${never(FAULT_KINDS, this.faults)}`,
      `probes hit:${table(hit(this.probes))}${this.neverHit()}`,
      ...(Object.keys(this.buggified).length > 0
        ? [`rare paths taken at random:${table(this.buggified)}`]
        : []),
      `rules broken, by seeds: ${list(byCount(this.rules)) || 'none'}`,
    ].join('\n')
  }

  toString(): string {
    return this.toText()
  }

  /** Named, and what each of them would have been. */
  private neverHit(): string {
    const missing = Object.keys(this.probes).filter((name) => this.probes[name] === 0)
    const whatOf = (name: string) => PROBES.find((probe) => probe.name === name)?.what
    return missing
      .map((name) => [name, whatOf(name)].filter((part) => part !== undefined).join(': '))
      .map((line) => `\n  never: ${line}`)
      .join('')
  }

  private speedByNodes(): string {
    const parts = Object.entries(this.effortByNodes).map(
      ([nodes, { virtualMs, cpuMs }]) =>
        `${(virtualMs / Math.max(1, cpuMs)).toFixed(0)} with ${nodes} nodes`,
    )
    const perSecond = Math.round(this.effort.events / Math.max(1, this.effort.wallMs / 1_000))
    return `per second of a core ${parts.join(', ')}; ${perSecond} events per second`
  }

  private callTable(): string {
    const verbs = [...new Set(Object.keys(this.calls).map((name) => name.split(' ')[0]!))]
    const of = (verb: string, outcome: string) => this.calls[`${verb} ${outcome}`] ?? 0
    return verbs
      .map(
        (verb) =>
          `${verb} ok ${of(verb, 'ok')}, fail ${of(verb, 'fail')}, unknown ${of(verb, 'unknown')}`,
      )
      .join('; ')
  }
}

function isFault(kind: string): boolean {
  return FAULT_KINDS.some((each) => each === kind)
}

function noEffort(): Effort {
  return { seeds: 0, virtualMs: 0, wallMs: 0, cpuMs: 0, events: 0 }
}

function addEffort(to: Effort, more: Effort): void {
  to.seeds += more.seeds
  to.virtualMs += more.virtualMs
  to.wallMs += more.wallMs
  to.cpuMs += more.cpuMs
  to.events += more.events
}

function bump(counts: Counts, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by
}

function hit(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

function byCount(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).sort((a, b) => b[1] - a[1]))
}

function list(counts: Counts): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

/** Sorted by their names, in columns below a heading. */
function table(counts: Counts): string {
  const entries = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1))
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  const cells = entries.map(
    ([name, count]) => name.padEnd(width) + String(Math.round(count)).padStart(10),
  )
  const columns = Math.max(1, Math.floor(LINE_WIDTH / (width + 14)))
  const rows = Array.from({ length: Math.ceil(cells.length / columns) }, (_, row) =>
    cells.slice(row * columns, (row + 1) * columns).join('    '),
  )
  return rows.map((row) => `\n  ${row}`).join('')
}

function never(names: readonly string[], counts: Counts): string {
  const missing = names.filter((name) => (counts[name] ?? 0) === 0)
  return missing.length === 0 ? '' : `\n  never: ${missing.join(', ')}`
}

export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 100) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
