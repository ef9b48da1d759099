/** What a process of the pool does. Tasks and results are plain data. */
import { runCheckedSeed, type SeedResult } from '../checked-seed'
import { makePlan } from '../plan'
import { findPlanted, type PlantedFinding } from '../planted/find'
import { formatViolation } from '../report'
import { type PlanSize, sizeOf } from '../shrink/edits'
import { reproOf, writeRepro } from '../shrink/repro'
import { shrink } from '../shrink/shrinker'

export interface SeedTask {
  readonly type: 'seed'
  readonly seed: number
  readonly doubled: boolean
}

export interface ShrinkTask {
  readonly type: 'shrink'
  readonly seed: number
  readonly rule: string
  /** Where the repro goes. */
  readonly path: string
}
export interface ShrinkResult {
  readonly text: string
  /** Undefined when the seed did not fail a second time. */
  readonly size: PlanSize | undefined
}

export interface PlantedTask {
  readonly type: 'planted'
  readonly name: string
  readonly firstSeed: number
  readonly seedsMax: number | undefined
}

export type Task = SeedTask | ShrinkTask | PlantedTask

export function perform(task: Task): Promise<SeedResult | ShrinkResult | PlantedFinding> {
  switch (task.type) {
    case 'seed':
      return runCheckedSeed(task.seed, task.doubled)
    case 'shrink':
      return performShrink(task)
    case 'planted':
      return findPlanted(task.name, task)
  }
}

export async function performShrink({ seed, rule, path }: ShrinkTask): Promise<ShrinkResult> {
  const startMs = performance.now()
  const plan = makePlan(seed)
  const shrunk = await shrink(plan, rule)
  if (shrunk === undefined) {
    return {
      text: `seed ${seed} did not break '${rule}' again, so nothing was shrunk`,
      size: undefined,
    }
  }
  writeRepro(path, reproOf(plan, shrunk))
  const size = sizeOf(shrunk.plan)
  const text = [
    `seed ${seed}, ${rule}: shrunk from ${inWords(sizeOf(plan))}`,
    `  to ${inWords(size)}, in ${shrunk.runs} runs ` +
      `and ${Math.round((performance.now() - startMs) / 1_000)} s`,
    formatViolation(shrunk.violation, shrunk.result.history).trim().replace(/^/gm, '  '),
    `  replay: npm run simulate -- --repro ${path} --trace`,
  ]
  return { text: text.join('\n'), size }
}

function inWords({ operations, faults, clients, nodes }: PlanSize): string {
  return `${operations} calls of ${clients} clients, ${faults} faults, ${nodes} nodes`
}
