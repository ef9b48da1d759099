import { FIRST_SEED, findInClusters } from './planted/find'
import { type ClusterBug, isClusterBug } from './planted/planted-bug'
import { PLANTED_BUGS } from './planted-bugs'

const TIMEOUT_MS = 600_000
/** What takes more seeds, and what other tests must find, is for `npm run simulate:sensitivity`. */
const QUICK_SEEDS_MAX = 60

describe('simulation: planted bugs are found', () => {
  const quick = PLANTED_BUGS.filter(isClusterBug).filter((bug) => bug.seedsMax <= QUICK_SEEDS_MAX)
  const table = quick.map((bug) => [bug.name, bug] as const)

  async function isFound(name: string, bug: ClusterBug): Promise<void> {
    const { found, runs, by, where } = await findInClusters(bug, { firstSeed: FIRST_SEED })
    const how = found ? `after ${runs} runs, by ${by}, ${where}` : `not in ${runs} runs ${by}`
    process.stderr.write(`planted: ${name}: found ${how}\n`)
    expect(found).toBe(true)
  }

  test.each(table)('%s', isFound, TIMEOUT_MS)

  test('simulation: planted bugs have names of their own', () => {
    expect(new Set(PLANTED_BUGS.map(({ name }) => name)).size).toBe(PLANTED_BUGS.length)
  })

  test('simulation: every planted bug can be planted, and taken out again', () => {
    for (const bug of PLANTED_BUGS) bug.plant()()
  })
})
