import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plan } from '../plan'
import { FIRST_SEED, plansFor, plantedBug } from '../planted/find'
import { type ClusterBug, isClusterBug } from '../planted/planted-bug'
import { type RunResult, runPlan } from '../run'
import { sizeOf } from './edits'
import { readRepro, reproOf, writeRepro } from './repro'
import { shrink } from './shrinker'

const TIMEOUT_MS = 600_000
/** What a person can follow. */
const SIZE_MAX = 50
/** Of the runs that shrinking may take: enough for this bug, little enough for a test. */
const RUNS_MAX = 200

async function firstFailing(bug: ClusterBug): Promise<RunResult> {
  for (const plan of plansFor(bug, FIRST_SEED)) {
    const result = await runPlan(plan)
    if (result.violations.some(({ rule }) => bug.rules.includes(rule))) return result
  }
  throw new Error('there are seeds without end')
}

test(
  'shrinker: a planted bug that a seed has found: shrunk to few calls and faults, kept in a file',
  async () => {
    const bug = plantedBug('an operation that fails stays in flight')
    if (!isClusterBug(bug)) throw new Error('clusters show it')
    const directory = mkdtempSync(join(tmpdir(), 'cassio-shrink-'))
    const path = join(directory, 'deep/in/repro.json')
    const takeOut = bug.plant()
    try {
      const { plan, violations } = await firstFailing(bug)
      const { rule } = violations.find((each) => bug.rules.includes(each.rule))!
      const shrunk = (await shrink(plan, rule, { runsMax: RUNS_MAX }))!
      expect(shrunk.violation.rule).toBe(rule)
      const { operations, faults } = sizeOf(shrunk.plan)
      expect(operations + faults).toBeLessThanOrEqual(SIZE_MAX)

      writeRepro(path, reproOf(plan, shrunk))
      const again = await runPlan(readRepro(path).plan)
      expect(again.violations.map((each) => each.rule)).toContain(rule)
      expect(again.traceHash).toBe(shrunk.result.traceHash)
    } finally {
      takeOut()
    }
    expect((await runPlan(readRepro(path).plan)).violations).toEqual([])
    rmSync(directory, { recursive: true })
  },
  TIMEOUT_MS,
)

test('shrinker: a plan that breaks no rule: nothing', async () => {
  const [plan] = plansFor(plantedBug('a read is content with one vote less') as ClusterBug, 1)
  expect(await shrink(plan!, 'time-travel', { run: clean })).toBeUndefined()
})

test('shrinker: no more runs than allowed, though every one of them fails', async () => {
  const [plan] = plansFor(plantedBug('a read is content with one vote less') as ClusterBug, 1)
  let runs = 0
  const run = async (asked: Plan) => {
    runs += 1
    return { ...(await clean(asked)), violations: [violation] }
  }
  const shrunk = await shrink(plan!, 'leak', { run, runsMax: 7 })
  expect([runs, shrunk!.runs]).toEqual([7, 7])
})

test('shrinker: plans that cannot be run: count as clean', async () => {
  const [plan] = plansFor(plantedBug('a read is content with one vote less') as ClusterBug, 1)
  let runs = 0
  const run = async (asked: Plan) => {
    runs += 1
    if (runs > 1) throw new Error('no such cluster')
    return { ...(await clean(asked)), violations: [violation] }
  }
  const shrunk = await shrink(plan!, 'leak', { run })
  expect(shrunk!.plan).toEqual(plan)
})

const violation = { rule: 'leak', message: 'still in flight', witnesses: [] }

async function clean(plan: Plan): Promise<RunResult> {
  return { plan, history: { records: [] }, violations: [] } as unknown as RunResult
}
