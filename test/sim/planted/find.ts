import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makePlan, type Plan } from '../plan'
import { PLANTED_BUGS } from '../planted-bugs'
import { runPlan } from '../run'
import { type ClusterBug, isClusterBug, type PlantedBug, type TestedBug } from './planted-bug'

/** Not the seeds of the swarm. */
export const FIRST_SEED = 500_000

/** Tells other processes which bug to plant, if any: those of jest and those of the pool. */
export const PLANTED_VARIABLE = 'CASSIO_PLANTED'

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
  return isClusterBug(bug) ? findInClusters(bug, options) : findByTests(bug, options)
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

const REPOSITORY = join(__dirname, '../../..')

/** Runs the tests that must notice the bug, with the bug in each of their worlds, until one fails. */
async function findByTests(bug: TestedBug, { seedsMax }: FindOptions): Promise<PlantedFinding> {
  const { name } = bug
  const runsMax = seedsMax ?? bug.runsMax ?? 1
  for (let runs = 1; runs <= runsMax; runs += 1) {
    let passed = 0
    for (const suite of bug.suites) {
      const tests = await runSuite(bug, suite)
      const failed = tests.find(({ status }) => status === 'failed')
      if (failed !== undefined) {
        const seed = /(call \d+ of \d+, )?seed \d+/.exec(failed.failureMessages.join('\n'))
        return { name, found: true, runs, runsMax, where: seed?.[0] ?? '', by: failed.fullName }
      }
      passed += tests.filter(({ status }) => status === 'passed').length
    }
    // Else a test that has been renamed would let the bug pass for one that is not noticed.
    if (passed === 0) throw new Error(`no test of '${name}' has run`)
  }
  return { name, found: false, runs: runsMax, runsMax, where: '', by: '' }
}

/** As far as we read jest's report. */
interface TestResult {
  readonly status: string
  readonly fullName: string
  readonly failureMessages: readonly string[]
}

async function runSuite(bug: TestedBug, suite: string): Promise<TestResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'cassio-planted-'))
  const outputFile = join(directory, 'report.json')
  try {
    const said = await runJest(bug, suite, outputFile)
    const report = JSON.parse(readReport(outputFile, said)) as {
      testResults: { message: string; assertionResults: TestResult[] }[]
    }
    const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults)
    if (tests.length > 0) return tests
    const messages = report.testResults.map(({ message }) => message).join('\n')
    throw new Error(`${suite} could not be run: ${messages || said}`)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function readReport(path: string, said: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new Error(`jest wrote no report: ${said}`)
  }
}

/** @returns the end of what it said. */
function runJest(
  { name, tests, seedsFactor = 1 }: TestedBug,
  suite: string,
  outputFile: string,
): Promise<string> {
  const args = [
    require.resolve('jest/bin/jest'),
    `${suite}.test.ts`,
    ...(tests === undefined ? [] : ['-t', tests]),
    '--runInBand',
    '--json',
    `--outputFile=${outputFile}`,
    `--setupFiles=${join(__dirname, 'plant-in-jest.ts')}`,
  ]
  const env = {
    ...process.env,
    [PLANTED_VARIABLE]: name,
    CASSIO_SEEDS_FACTOR: String(seedsFactor),
  }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: REPOSITORY, env })
    let said = ''
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-4_000)
    })
    child.stdout.resume()
    child.on('error', reject)
    child.on('close', () => resolve(said))
  })
}
