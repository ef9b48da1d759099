import { formatFailure, formatTrace } from './report'
import { runSeed } from './run'
import { range, runSwarm } from './swarm'

export interface CommandOptions {
  readonly seed?: string
  readonly seeds?: string
  readonly minutes?: string
  readonly trace?: boolean
}

const PROGRESS_EVERY = 100

/** @returns how many seeds failed. */
export async function main(options: CommandOptions): Promise<number> {
  if (options.seed !== undefined) return runOne(wholeNumber(options.seed), options.trace ?? false)
  const [from, to] = (options.seeds ?? '1..200').split('..').map(wholeNumber)
  const limitMs = options.minutes === undefined ? undefined : Number(options.minutes) * 60_000
  let done = 0
  const { summary, failures } = await runSwarm({
    seeds: range(from!, to ?? from!),
    ...(limitMs === undefined ? {} : { limitMs }),
    onResult: (result) => {
      if (result.violations.length > 0) console.log(`${formatFailure(result)}\n`)
      done += 1
      if (done % PROGRESS_EVERY === 0) console.error(`${done} seeds, at ${result.plan.seed}`)
    },
  })
  console.log(String(summary))
  console.log(failures.length === 0 ? 'no violations' : `${failures.length} seeds failed`)
  return failures.length
}

async function runOne(seed: number, trace: boolean): Promise<number> {
  const result = await runSeed(seed)
  if (trace) console.log(formatTrace(result))
  const { violations, virtualMs, historyHash, traceHash, plan } = result
  if (violations.length > 0) {
    console.log(formatFailure(result))
    return 1
  }
  const { mood, kinds } = plan
  console.log(
    `seed ${seed}: no violations in ${Math.round(virtualMs)} virtual ms (${mood}: ` +
      `${kinds.join(', ')}); trace hash ${traceHash}, history hash ${historyHash}`,
  )
  return 0
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new RangeError(`not a seed: ${text}`)
  return number
}
