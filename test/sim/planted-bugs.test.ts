import { makePlan } from './plan'
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs'
import { runPlan } from './run'

const FIRST_SEED = 500_000
const TIMEOUT_MS = 600_000

/** @returns how many runs it took to find the bug, or undefined when none of them did. */
async function runsToFind({ needs, seedsMax, rules }: PlantedBug): Promise<number | undefined> {
  let runs = 0
  for (let seed = FIRST_SEED; runs < seedsMax; seed += 1) {
    const plan = makePlan(seed)
    const fits = plan.mood !== 'calm' && needs.every((kind) => plan.kinds.includes(kind))
    if (!fits) continue
    runs += 1
    const { violations } = await runPlan(plan)
    if (violations.some(({ rule }) => rules.includes(rule))) return runs
  }
  return undefined
}

describe('simulation: planted bugs are found', () => {
  const table = PLANTED_BUGS.map((bug) => [bug.name, bug] as const)

  async function isFound(name: string, bug: PlantedBug): Promise<void> {
    const takeOut = bug.plant()
    try {
      const runs = await runsToFind(bug)
      process.stderr.write(`planted: ${name}: found after ${runs ?? 'too many'} runs\n`)
      expect(runs).toBeDefined()
    } finally {
      takeOut()
    }
  }

  test.each(table)('%s', isFound, TIMEOUT_MS)
})
