import { parseArgs } from 'node:util'

/** What the command was asked to do. */
export interface SimulateOptions {
  readonly seed: number | undefined
  readonly repro: string | undefined
  /** First and last; the last may be without end. */
  readonly seeds: readonly [number, number]
  readonly minutes: number | undefined
  readonly jobs: number
  readonly trace: boolean
  readonly history: string | undefined
  readonly double: number
  readonly shrink: boolean
  readonly out: string
  readonly json: boolean
  readonly plant: string | undefined
  readonly help: boolean
}

export class UsageError extends Error {}

const SEEDS_DEFAULT = 200
const JOBS_MAX = 256
/** Where an unnamed range of seeds begins, below this. */
const RANDOM_SEED_MAX = 1_000_000_000

export const HELP = `Simulates whole clusters from seeds, and checks what their clients saw. See docs/TESTING.md.

  npm run simulate -- [--seeds A..B] [--minutes M] [--jobs N]    many seeds
  npm run simulate -- --seed N [--trace] [--history FILE]        one seed
  npm run simulate -- --repro FILE [--trace] [--history FILE]    one plan, as the shrinker wrote it
  npm run simulate:sensitivity -- --help                         does the rig find planted bugs?

Which runs
  --seeds A..B     the seeds to run; 'A..' goes on without end. Default 1..${SEEDS_DEFAULT}
  --minutes M      begins no further seed after M minutes. Without --seeds it begins at a seed of
                   its own choice, so that every night sees others
  --jobs N         processes side by side, each on a core; 0 runs everything in this process, for
                   profilers (node --cpu-prof test/sim/simulate.js …). Default 1
  --seed N         this seed alone; the same seed and the same code give the same run
  --repro FILE     this plan alone, such as those in test/sim/regressions

What else is done
  --double P       share of the seeds, 0 to 1, that run twice and must be the same. Default 0.1;
                   seeds that fail always do
  --no-shrink      leaves a failing seed as large as it is. Otherwise the first seed that breaks a
                   rule is shrunk to a few calls and faults (up to 300 runs, or 10 minutes)
  --out DIR        where shrunk plans go. Default data/simulate

What is told
  --trace          calls, faults and the nodes' logs, in the order of virtual time
  --history FILE   of one run: plan, calls, faults, last votes and violations as JSON, one a line
  --json           the summary as JSON on stdout, everything else on stderr
  --plant NAME     plants a bug of planted-bugs.ts first: to see what a failure looks like
  --help           this

Exits with 1 when a rule was broken, with 2 when it was called wrongly.

A first look at a failure:
  npm run simulate -- --seeds 1..1000 --jobs 2      prints the rule, the calls that show it, the seed
  npm run simulate -- --repro data/simulate/….json --trace   the same, as small as it gets
`

export function parseOptions(argv: readonly string[]): SimulateOptions {
  const values = parse(argv)
  const minutes = values.minutes === undefined ? undefined : number('minutes', values.minutes, 0)
  const seed = values.seed === undefined ? undefined : wholeNumber('seed', values.seed)
  const isSingle = seed !== undefined || values.repro !== undefined
  if (isSingle && (values.seeds ?? values.minutes) !== undefined) {
    throw new UsageError('--seed and --repro run once: --seeds and --minutes have nothing to say')
  }
  if (seed !== undefined && values.repro !== undefined) {
    throw new UsageError('--seed and --repro are two different runs')
  }
  if (!isSingle && (values.trace === true || values.history !== undefined)) {
    throw new UsageError('--trace and --history are for one run: give --seed or --repro')
  }
  const jobs = wholeNumber('jobs', values.jobs ?? '1')
  if (jobs < 0 || jobs > JOBS_MAX) throw new UsageError(`--jobs is 0 to ${JOBS_MAX}`)
  const double = number('double', values.double ?? '0.1', 0)
  if (double > 1) throw new UsageError('--double is a share: 0 to 1')
  return {
    seed,
    repro: values.repro,
    seeds: rangeOf(values.seeds, minutes !== undefined),
    minutes,
    jobs,
    trace: values.trace ?? false,
    history: values.history,
    double,
    shrink: values['no-shrink'] !== true,
    out: values.out ?? 'data/simulate',
    json: values.json ?? false,
    plant: values.plant,
    help: values.help ?? false,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        seed: { type: 'string' },
        repro: { type: 'string' },
        seeds: { type: 'string' },
        minutes: { type: 'string' },
        jobs: { type: 'string' },
        trace: { type: 'boolean' },
        history: { type: 'string' },
        double: { type: 'string' },
        'no-shrink': { type: 'boolean' },
        out: { type: 'string' },
        json: { type: 'boolean' },
        plant: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function rangeOf(text: string | undefined, isTimed: boolean): readonly [number, number] {
  if (text === undefined) {
    if (!isTimed) return [1, SEEDS_DEFAULT]
    return [Math.floor(Math.random() * RANDOM_SEED_MAX), Number.MAX_SAFE_INTEGER]
  }
  const [from, to, ...rest] = text.split('..')
  const first = wholeNumber('seeds', from!)
  const last =
    to === undefined ? first : to === '' ? Number.MAX_SAFE_INTEGER : wholeNumber('seeds', to)
  if (rest.length > 0 || last < first) throw new UsageError(`--seeds ${text}: expected A..B`)
  return [first, last]
}

export function wholeNumber(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isSafeInteger(value)) throw new UsageError(`--${name}: not a whole number: '${text}'`)
  return value
}

function number(name: string, text: string, min: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!(value >= min)) throw new UsageError(`--${name}: not a number from ${min} on: '${text}'`)
  return value
}
