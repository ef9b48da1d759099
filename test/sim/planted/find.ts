import { makePlan, type Plan } from '../plan'
import { PLANTED_BUGS } from '../planted-bugs'
import { runPlan } from '../run'
import { PLANTED_VARIABLE, runSuite } from './jest'
import { type ClusterBug, isClusterBug, type PlantedBug, type TestedBug } from './planted-bug'

/** Not the seeds of the swarm. */
export const FIRST_SEED = 500_000

/** Whether and how a planted bug was found. */
export interface PlantedFinding {
  readonly name: string
  readonly found: boolean
  /** Runs that it took: of seeds with the faults it needs, or of the suites. */
  readonly runs: number
  readonly runsMax: number
  /** Where: a seed, or what the failing test says of it. */
  readonly where: string
  /** The rule that was broken, or the test that failed. */
  readonly by: string
}

export interface FindOptions {
  readonly firstSeed: number
  /** Instead of the bug's own bound. */
  readonly seedsMax?: number | undefined
}

export function plantedBug(name: string): PlantedBug {
  const bug = PLANTED_BUGS.find((each) => each.name === name)
  if (bug === undefined) throw new Error(`there is no planted bug '${name}'`)
  return bug
}

/** Plants the bug that the environment names, for as long as this process lives. */
export function plantFromEnvironment(): void {
  const name = process.env[PLANTED_VARIABLE]
  if (name !== undefined) plantedBug(name).plant()
}

export function findPlanted(name: string, options: FindOptions): Promise<PlantedFinding> {
  const bug = plantedBug(name)
  return isClusterBug(bug) ? findInClusters(bug, options) : findByTests(bug)
}

/** The seeds from `firstSeed` on whose plans have what it takes to show the bug. */
export function* plansFor({ needs }: ClusterBug, firstSeed: number): Generator<Plan> {
  for (let seed = firstSeed; ; seed += 1) {
    const plan = makePlan(seed)
    if (plan.mood !== 'calm' && needs.every((kind) => plan.kinds.includes(kind))) yield plan
  }
}

export async function findInClusters(
  bug: ClusterBug,
  { firstSeed, seedsMax = bug.seedsMax }: FindOptions,
): Promise<PlantedFinding> {
  const { name, rules } = bug
  let runs = 0
  let note = ''
  for (const plan of plansFor(bug, firstSeed)) {
    if (runs === seedsMax) break
    runs += 1
    const rule = await ruleBrokenBy(bug, plan)
    if (rule === undefined || !rules.includes(rule)) continue
    const where = `seed ${plan.seed}`
    const without = (await runPlan(plan)).violations
    if (without.length === 0) return { name, found: true, runs, runsMax: seedsMax, where, by: rule }
    note = `${where} breaks ${without[0]!.rule} without the bug, too`
  }
  return { name, found: false, runs, runsMax: seedsMax, where: '', by: note }
}

/** The first of the bug's rules that a run breaks with the bug in; else any other; else undefined. */
async function ruleBrokenBy(bug: ClusterBug, plan: Plan): Promise<string | undefined> {
  const takeOut = bug.plant()
  try {
    const broken = (await runPlan(plan)).violations.map(({ rule }) => rule)
    return broken.find((rule) => bug.rules.includes(rule)) ?? broken[0]
  } finally {
    takeOut()
  }
}

/** Runs the tests that must notice the bug, with the bug in each of their worlds, until one fails. */
async function findByTests(bug: TestedBug): Promise<PlantedFinding> {
  const { name, runsMax = 1 } = bug
  let note = ''
  for (let runs = 1; runs <= runsMax; runs += 1) {
    let passed = 0
    for (const suite of bug.suites) {
      const tests = await runSuite(suite, { ...bug, planted: name })
      const failed = tests.find(({ status }) => status === 'failed')
      passed += tests.filter(({ status }) => status === 'passed').length
      if (failed === undefined) continue
      const by = failed.fullName
      const [without] = await runSuite(suite, { tests: patternOf(by) })
      if (without?.status === 'passed') {
        const seed = /(call \d+ of \d+, )?seed \d+/.exec(failed.failureMessages.join('\n'))
        return { name, found: true, runs, runsMax, where: seed?.[0] ?? '', by }
      }
      note = `'${by}' fails without the bug, too`
    }
    // Else a test that has been renamed would let the bug pass for one that is not noticed.
    if (passed === 0 && note === '') throw new Error(`no test of '${name}' has run`)
  }
  return { name, found: false, runs: runsMax, runsMax, where: '', by: note }
}

/** For a test of this very name. */
function patternOf(name: string): string {
  return `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`
}
