import type { TraceEvent } from '@cassiopeia/env'
import { Scheduler } from '../../packages/env/src/sim/scheduler'
import type { Plan } from './plan'
import { type RunResult, runPlan } from './run'

/** Events shown before the first one that differs. */
const CONTEXT = 15

/** Whether two runs of one plan were the same, event by event and call by call. */
export function areSame(a: RunResult, b: RunResult): boolean {
  return a.traceHash === b.traceHash && a.historyHash === b.historyHash
}

/** Runs a plan twice and tells where the two part; undefined when they do not. */
export async function firstDifference(plan: Plan): Promise<string | undefined> {
  const first = await traced(plan)
  const second = await traced(plan)
  const length = Math.max(first.length, second.length)
  for (let index = 0; index < length; index += 1) {
    if (first[index] === second[index]) continue
    return [
      `event ${index} differs; before it:`,
      ...first.slice(Math.max(0, index - CONTEXT), index).map((line) => `    ${line}`),
      `  once  ${first[index] ?? 'the end'}`,
      `  then  ${second[index] ?? 'the end'}`,
    ].join('\n')
  }
  return undefined
}

/** The world belongs to the cluster, which takes no trace function: so it is put in under it. */
async function traced(plan: Plan): Promise<string[]> {
  const lines: string[] = []
  const methods = Scheduler.prototype as unknown as Record<'record', (event: unknown) => void>
  const { record } = methods
  methods.record = function (this: Scheduler, event: unknown) {
    record.call(this, event)
    const { timeMs, kind, about, detail } = event as Omit<TraceEvent, 'actor'> & {
      about?: { name: string }
    }
    lines.push(`${timeMs.toFixed(3)} ${kind} ${about?.name ?? 'world'} ${detail} ${this.traceHash}`)
  }
  try {
    await runPlan(plan)
  } finally {
    methods.record = record
  }
  return lines
}
