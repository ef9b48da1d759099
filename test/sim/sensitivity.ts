import { parseArgs } from 'node:util'
import { UsageError, wholeNumber } from './options'
import { FIRST_SEED, type PlantedFinding } from './planted/find'
import type { PlantedBug } from './planted/planted-bug'
import { PLANTED_BUGS } from './planted-bugs'
import { type Outcome, ProcessPool } from './pool/process-pool'
import type { PlantedTask } from './pool/tasks'
import { inWords } from './summary'

const HELP = `Plants each known bug in the database, and says how soon the rig finds it. See docs/TESTING.md.

  npm run simulate:sensitivity -- [--jobs N] [--name TEXT] [--rig RIG]

  --jobs N         bugs tried side by side, each in a process of its own. Default 1
  --name TEXT      only bugs whose name has TEXT in it
  --rig RIG        only those that 'cluster' (seeds of whole clusters), 'engine' (the store's own
                   tests) or 'tests' (scenarios and unit tests) must find
  --seeds-max N    seeds within which clusters must show each, instead of its own bound
  --first-seed N   where the seeds begin. Default ${FIRST_SEED}
  --json           the findings as JSON on stdout, everything else on stderr

Exits with 1 when a bug was not found: then the rig would miss such a bug of ours as well.
`
const LIMIT_MS = 3_600_000
const RIGS = ['cluster', 'engine', 'tests'] as const

interface SensitivityOptions {
  readonly bugs: readonly PlantedBug[]
  readonly jobs: number
  readonly firstSeed: number
  readonly seedsMax: number | undefined
  readonly json: boolean
}

interface Row extends PlantedFinding {
  readonly rig: string
  readonly wallMs: number
}

/** @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parse(argv)
    if (options === undefined) {
      console.log(HELP)
      return 0
    }
    const rows = await findAll(options)
    const out = options.json ? console.error : console.log
    out(summaryOf(rows))
    if (options.json) console.log(JSON.stringify(rows, undefined, 2))
    return rows.every(({ found }) => found) ? 0 : 1
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n--help says what there is`)
    return 2
  }
}

/** Tells of each finding as it comes. */
async function findAll(options: SensitivityOptions): Promise<Row[]> {
  const { bugs, jobs, firstSeed, seedsMax, json } = options
  const rows: Row[] = []
  const begunMs = new Map<string, number>()
  const waiting = [...bugs]
  const out = json ? console.error : console.log
  const pool = new ProcessPool<PlantedTask, PlantedFinding>({
    jobs,
    // What one has planted must not be there for the next.
    tasksPerProcess: 1,
    limitMs: () => LIMIT_MS,
    next: () => {
      const bug = waiting.shift()
      if (bug === undefined) return undefined
      begunMs.set(bug.name, performance.now())
      return { type: 'planted', name: bug.name, firstSeed, seedsMax }
    },
    onOutcome: ({ name }, outcome) => {
      const { rig = 'cluster' } = bugs.find((bug) => bug.name === name)!
      const wallMs = performance.now() - begunMs.get(name)!
      const row = { ...findingOf(name, outcome), rig, wallMs }
      rows.push(row)
      out(lineOf(row))
    },
  })
  out(`${bugs.length} planted bugs; runs it took of those allowed, and what found it`)
  await pool.run()
  return rows
}

function findingOf(name: string, outcome: Outcome<PlantedFinding>): PlantedFinding {
  if ('result' in outcome) return outcome.result
  const by = `could not be tried: ${'died' in outcome ? outcome.died : outcome.error}`
  return { name, found: false, runs: 0, runsMax: 0, where: '', by }
}

function lineOf({ name, found, runs, runsMax, where, by, rig, wallMs }: Row): string {
  const took = `${runs} of ${runsMax}`.padStart(11)
  const head = `${found ? 'found    ' : 'NOT FOUND'} ${rig.padEnd(7)} ${took}  ${name}`
  const tail = [by, where, inWords(wallMs)].filter((part) => part !== '').join(', ')
  return `${head}\n${' '.repeat(31)}${tail}`
}

function summaryOf(rows: readonly Row[]): string {
  const missed = rows.filter(({ found }) => !found)
  const runs = rows.filter(({ found, rig }) => found && rig === 'cluster').map((row) => row.runs)
  runs.sort((a, b) => a - b)
  const median = runs[Math.floor(runs.length / 2)]
  return [
    `${rows.length - missed.length} of ${rows.length} planted bugs found` +
      (median === undefined ? '' : `; those of whole clusters after ${median} seeds (median)`),
    ...missed.map(({ name }) => `not found: ${name}`),
  ].join('\n')
}

/** @returns undefined when help is asked for. */
function parse(argv: readonly string[]): SensitivityOptions | undefined {
  const values = parseValues(argv)
  if (values.help === true) return undefined
  const { name = '', rig } = values
  if (rig !== undefined && !RIGS.some((each) => each === rig)) {
    throw new UsageError(`--rig is one of ${RIGS.join(', ')}`)
  }
  const isWanted = (bug: PlantedBug) =>
    bug.name.includes(name) && (rig === undefined || (bug.rig ?? 'cluster') === rig)
  const bugs = PLANTED_BUGS.filter(isWanted)
  if (bugs.length === 0) throw new UsageError('no planted bug is called so')
  const seedsMax = values['seeds-max']
  const jobs = wholeNumber('jobs', values.jobs ?? '1')
  if (jobs < 1) throw new UsageError('--jobs is 1 or more')
  return {
    bugs,
    jobs,
    firstSeed: wholeNumber('first-seed', values['first-seed'] ?? String(FIRST_SEED)),
    seedsMax: seedsMax === undefined ? undefined : wholeNumber('seeds-max', seedsMax),
    json: values.json ?? false,
  }
}

function parseValues(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        jobs: { type: 'string' },
        name: { type: 'string' },
        rig: { type: 'string' },
        'seeds-max': { type: 'string' },
        'first-seed': { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
