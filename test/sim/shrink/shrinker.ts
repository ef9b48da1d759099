/**
 * Makes a failing plan small: takes out whatever is not needed for the same rule to be broken. `edits`
 * says what can be taken out, `ddmin` how much of it at once, `repro` keeps what is left.
 *
 * What is taken out shifts nothing by plan: calls and faults keep their times, and every stream of
 * chance is keyed. Yet a message less is a draw less on its own link, and an event less a draw less for
 * the order of events that fall together; so what is left runs a little otherwise, and may no longer
 * fail though it could. The large steps therefore try some other seeds of the world as well.
 */
import type { Violation } from '../checkers'
import type { FaultKind } from '../faults'
import type { Plan } from '../plan'
import { type RunResult, runPlan } from '../run'
import { ddmin } from './ddmin'
import {
  callsOf,
  callsWithin,
  cutChaos,
  fancyOptions,
  keepCalls,
  plainerPlans,
  sizeOf,
  withFaults,
  withNodes,
  withoutClient,
  withoutKind,
  withoutLead,
  withPlainCalls,
  withPlainOptions,
} from './edits'

export const SHRINK_RUNS_MAX = 300
export const SHRINK_LIMIT_MS = 600_000

/** Worlds that a large step is tried in. */
const WORLDS = 6
/** Far from the seeds that people give. */
const WORLD_STEP = 1_000_000_007
/** After the last witness, for answers under way. */
const AFTERMATH_MS = 5
const NODES_MIN = 3
const NEAR_MS = [0, 30, 150, 750, 3_000] as const
/** Keys that are tried alone. */
const KEYS_MAX = 3
const ROUNDS_MAX = 4

export interface ShrinkOptions {
  /** Default 300. */
  readonly runsMax?: number
  /** Wall time. Default ten minutes. */
  readonly limitMs?: number
  /** Told of each step by its name. */
  readonly onStep?: (step: string, plan: Plan, runs: number) => void
  /** How a plan is run; for tests. */
  readonly run?: (plan: Plan) => Promise<RunResult>
}

export interface Shrunk {
  readonly plan: Plan
  readonly result: RunResult
  readonly violation: Violation
  readonly runs: number
}

/** @returns undefined when the plan does not break the rule. */
export async function shrink(
  plan: Plan,
  rule: string,
  options: ShrinkOptions = {},
): Promise<Shrunk | undefined> {
  const shrinker = new Shrinker(rule, options)
  return (await shrinker.begin(plan)) ? shrinker.run() : undefined
}

class Shrinker {
  private best!: Shrunk
  private runs = 0
  private readonly startMs = performance.now()
  private readonly seen = new Set<string>()
  private readonly runsMax: number
  private readonly limitMs: number
  private readonly runPlan: (plan: Plan) => Promise<RunResult>

  constructor(
    private readonly rule: string,
    private readonly options: ShrinkOptions,
  ) {
    this.runsMax = options.runsMax ?? SHRINK_RUNS_MAX
    this.limitMs = options.limitMs ?? SHRINK_LIMIT_MS
    this.runPlan = options.run ?? runPlan
  }

  begin(plan: Plan): Promise<boolean> {
    return this.tryOnce(plan)
  }

  async run(): Promise<Shrunk> {
    let weight = Number.POSITIVE_INFINITY
    for (let round = 0; round < ROUNDS_MAX && weightOf(this.best.plan) < weight; round += 1) {
      weight = weightOf(this.best.plan)
      for (const [name, step] of this.steps) {
        if (this.isSpent) break
        await step()
        this.options.onStep?.(name, this.best.plan, this.runs)
      }
    }
    return { ...this.best, runs: this.runs }
  }

  private readonly steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['nothing after the violation', () => this.cutTime()],
    ['only its key', () => this.onlyItsKey()],
    ['only what was near', () => this.onlyWhatWasNear()],
    ['fewer kinds of faults', () => this.fewerKinds()],
    ['fewer faults', () => this.fewerFaults()],
    ['fewer calls', () => this.fewerCalls()],
    ['fewer clients', () => this.fewerClients()],
    ['fewer nodes', () => this.fewerNodes()],
    ['plain options', () => this.plainOptions()],
    ['no lead', () => this.noLead()],
  ]

  private async cutTime(): Promise<void> {
    const { plan, result, violation } = this.best
    const { records } = result.history
    const planned = records.filter(({ phase }) => phase === 'chaos')
    const beganMs = chaosBeganMs(this.best)
    const seenMs = violation.witnesses.map(({ invokeMs, completeMs }) =>
      Number.isFinite(completeMs) ? completeMs : invokeMs,
    )
    const endMs = seenMs.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...seenMs)
    const lastMs = Math.max(...planned.map(({ invokeMs }) => invokeMs))
    const begun = callsWithin(plan, result.history, 0, Math.min(endMs, lastMs))
    const chaosMs = Math.ceil(Math.min(plan.chaosMs, endMs - beganMs + AFTERMATH_MS))
    // Faults in the midst of which it happened end with the chaos: so the calls alone, too.
    const calls = keepCalls(plan, begun, result.history)
    if (!(await this.try(cutChaos(calls, chaosMs), WORLDS))) await this.try(calls)
    // What shows only in the end may have been done early.
    for (const share of [0.5, 0.75]) {
      const { plan: now, result: latest } = this.best
      const cutMs = Math.round(now.chaosMs * share)
      const kept = callsWithin(now, latest.history, 0, chaosBeganMs(this.best) + cutMs)
      await this.try(cutChaos(keepCalls(now, kept, latest.history), cutMs))
    }
  }

  /** The rule may be broken on several keys: any of them will do. */
  private async onlyItsKey(): Promise<void> {
    const { plan, result } = this.best
    if (plan.keys.length === 1) return
    const broken = result.violations.filter(({ rule }) => rule === this.rule)
    const keys = new Set(broken.map(({ key }) => key).filter((key) => key !== undefined))
    for (const key of [...keys].slice(0, KEYS_MAX)) {
      const kept = callsOf(plan).filter(([client, index]) => {
        return plan.operations[client]![index]!.key === key
      })
      const calls = keepCalls(plan, kept, result.history)
      const alone = { ...calls, keys: plan.keys.filter((each) => each === key) }
      if (await this.try(alone, WORLDS)) return
      if (await this.try(calls)) return
    }
  }

  /** The calls that show it, and those around them. */
  private async onlyWhatWasNear(): Promise<void> {
    const { plan, result, violation } = this.best
    if (violation.witnesses.length === 0) return
    const fromMs = Math.min(...violation.witnesses.map(({ invokeMs }) => invokeMs))
    const toMs = Math.max(...violation.witnesses.map(({ invokeMs }) => invokeMs))
    for (const aroundMs of NEAR_MS) {
      const near = callsWithin(plan, result.history, fromMs - aroundMs, toMs + aroundMs)
      if (near.length === callsOf(plan).length) return
      if (await this.try(keepCalls(plan, near, result.history), WORLDS)) return
    }
  }

  private async fewerKinds(): Promise<void> {
    const none: Plan = { ...this.best.plan, kinds: [], faults: [] }
    if (this.best.plan.kinds.length > 0 && (await this.try(none, WORLDS))) return
    for (const kind of [...this.best.plan.kinds]) {
      await this.try(withoutKind(this.best.plan, kind as FaultKind), WORLDS)
    }
  }

  private async fewerFaults(): Promise<void> {
    const { plan } = this.best
    await ddmin(plan.faults, (faults, isLarge) =>
      this.try(withFaults(this.best.plan, faults), isLarge ? 2 : 1),
    )
    const kinds = this.best.plan.kinds.filter((kind) =>
      this.best.plan.faults.some((fault) => fault.kind === kind),
    )
    if (kinds.length < this.best.plan.kinds.length) await this.try({ ...this.best.plan, kinds })
  }

  private async fewerCalls(): Promise<void> {
    // Places are those of the plan before: each call has its own object, which says where it is now.
    const { plan } = this.best
    const calls = callsOf(plan).sort((a, b) => this.beganMs(a) - this.beganMs(b))
    let kept = calls
    await ddmin(calls, async (wanted, isLarge) => {
      const places = wanted.map((call) => placeAmong(call, kept))
      const { plan: now, result } = this.best
      const fails = await this.try(keepCalls(now, places, result.history), isLarge ? WORLDS : 1)
      if (fails) kept = [...wanted]
      return fails
    })
  }

  private async fewerClients(): Promise<void> {
    for (let client = this.best.plan.operations.length - 1; client >= 0; client -= 1) {
      if (this.best.plan.operations.length === 1) return
      const isIdle = this.best.plan.operations[client]!.length === 0
      await this.try(withoutClient(this.best.plan, client), isIdle ? WORLDS : 1)
    }
  }

  private async fewerNodes(): Promise<void> {
    for (let nodes = NODES_MIN; nodes < this.best.plan.nodes; nodes += 1) {
      if (await this.try(withNodes(this.best.plan, nodes), WORLDS)) return
    }
  }

  private async plainOptions(): Promise<void> {
    await this.try(withPlainCalls(this.best.plan))
    const { length } = plainerPlans(this.best.plan)
    // From the last on, as what works takes itself out of the list.
    for (let index = length - 1; index >= 0; index -= 1) {
      await this.try(plainerPlans(this.best.plan)[index]!, 2)
    }
    const { length: groups } = fancyOptions(this.best.plan)
    if (groups === 0) return
    const [all, ...others] = withPlainOptions(this.best.plan)
    if ((await this.try(all!, 2)) || others.length === 0) return
    for (let group = others.length - 1; group >= 0; group -= 1) {
      const left = withPlainOptions(this.best.plan)
      await this.try(left.length === 1 ? left[0]! : left[group + 1]!)
    }
  }

  private async noLead(): Promise<void> {
    const plan = withoutLead(this.best.plan)
    if (plan !== undefined) await this.try(plan, 2)
  }

  private get isSpent(): boolean {
    return this.runs >= this.runsMax || performance.now() - this.startMs > this.limitMs
  }

  /** @returns whether the plan breaks the rule, in one of so many worlds; it is the best one then. */
  private async try(plan: Plan, worlds = 1): Promise<boolean> {
    for (let world = 0; world < worlds; world += 1) {
      if (await this.tryOnce({ ...plan, seed: plan.seed + world * WORLD_STEP })) return true
    }
    return false
  }

  private async tryOnce(plan: Plan): Promise<boolean> {
    const text = JSON.stringify(plan)
    if (this.isSpent || this.seen.has(text)) return false
    this.seen.add(text)
    this.runs += 1
    // As it will be read from the file.
    const asData = JSON.parse(text) as Plan
    const result = await this.resultOf(asData)
    const violation = result?.violations.find(({ rule }) => rule === this.rule)
    if (result === undefined || violation === undefined) return false
    this.best = { plan: asData, result, violation, runs: this.runs }
    return true
  }

  /** Undefined when it cannot be run: options that do not go together, a cluster that does not form. */
  private resultOf(plan: Plan): Promise<RunResult | undefined> {
    return this.runPlan(plan).catch(() => undefined)
  }

  private beganMs([client, index]: readonly [number, number]): number {
    const { records } = this.best.result.history
    const own = records.filter((each) => each.client === client && each.phase === 'chaos')
    return own[index]?.invokeMs ?? Number.POSITIVE_INFINITY
  }
}

function weightOf(plan: Plan): number {
  const { operations, faults, clients, nodes } = sizeOf(plan)
  return operations + faults + clients + nodes + fancyOptions(plan).length + plan.kinds.length
}

/** When the chaos of a run began: the first call waits for as long as it was planned to, from then on. */
function chaosBeganMs({ plan, result }: Shrunk): number {
  for (const [client, calls] of plan.operations.entries()) {
    const first = result.history.records.find(
      (record) => record.client === client && record.phase === 'chaos',
    )
    if (first !== undefined) return first.invokeMs - Math.max(0, calls[0]!.waitMs)
  }
  return 0
}

type Place = readonly [client: number, index: number]

/** Where a call stands in a plan that has only `kept` of the calls. */
function placeAmong([client, index]: Place, kept: readonly Place[]): Place {
  const before = kept.filter(([other, at]) => other === client && at < index).length
  return [client, before]
}
