import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { formatFailure } from './report'
import { runPlan } from './run'
import { readRepro } from './shrink/repro'

const DIRECTORY = join(__dirname, 'regressions')

/** Plans that have failed once, shrunk and kept: `npm run simulate` writes them, see docs/TESTING.md. */
describe('simulation: regressions', () => {
  const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.json'))

  test.each(files)('%s: clean', async (file) => {
    const path = `test/sim/regressions/${file}`
    const { plan, why } = readRepro(join(DIRECTORY, file))
    expect(why).toMatch(/\w+ \w+/)
    const result = await runPlan(plan)
    const replay = `npm run simulate -- --repro ${path} --trace`
    if (result.violations.length > 0) throw new Error(formatFailure(result, replay))
    // A plan that asks nothing would hide what it was kept for.
    expect(result.history.records.some(({ phase }) => phase === 'chaos')).toBe(true)
  })
})
