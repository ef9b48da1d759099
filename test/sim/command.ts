import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { HELP, parseOptions, type SimulateOptions, UsageError } from './options'
import { makePlan, type Plan } from './plan'
import { plantFromEnvironment } from './planted/find'
import { PLANTED_VARIABLE } from './planted/jest'
import { performShrink } from './pool/tasks'
import { formatFailure, formatTrace, historyLines } from './report'
import { runPlan } from './run'
import { readRepro } from './shrink/repro'
import { reproPath, SwarmRun } from './swarm-run'

/** What the shell is told. */
const ExitCode = Object.freeze({ ok: 0, violations: 1, usage: 2 })

/** @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv)
    if (options.help) {
      console.log(HELP)
      return ExitCode.ok
    }
    const isClean = await perform(options)
    return isClean ? ExitCode.ok : ExitCode.violations
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n--help says what there is`)
    return ExitCode.usage
  }
}

function perform(options: SimulateOptions): Promise<boolean> {
  const { seed, repro, plant } = options
  if (plant !== undefined) {
    process.env[PLANTED_VARIABLE] = plant
    plantFromEnvironment()
  }
  if (seed !== undefined) return runOne(makePlan(seed), options)
  if (repro !== undefined) return runOne(readRepro(repro).plan, options)
  return new SwarmRun(options).run()
}

async function runOne(plan: Plan, options: SimulateOptions): Promise<boolean> {
  const { trace, history, repro, seed, shrink, out } = options
  const result = await runPlan(plan)
  if (trace) console.log(formatTrace(result))
  if (history !== undefined) {
    mkdirSync(dirname(history), { recursive: true })
    writeFileSync(history, `${historyLines(result).join('\n')}\n`)
  }
  const { violations, virtualMs, historyHash, traceHash } = result
  const name = repro ?? `seed ${seed}`
  if (violations.length === 0) {
    console.log(
      `${name}: no violations in ${Math.round(virtualMs)} virtual ms (${plan.mood}: ` +
        `${plan.kinds.join(', ')}); trace hash ${traceHash}, history hash ${historyHash}`,
    )
    return true
  }
  const replay = repro === undefined ? undefined : `npm run simulate -- --repro ${repro} --trace`
  console.log(formatFailure(result, replay))
  // Who looks at the trace has shrunk it, or wants it as it is.
  if (shrink && !trace && seed !== undefined) {
    const { rule } = violations[0]!
    const task = { type: 'shrink', seed, rule, path: reproPath(out, rule, seed) } as const
    console.log(`\n${(await performShrink(task)).text}`)
  }
  return false
}
