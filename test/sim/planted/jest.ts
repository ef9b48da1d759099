import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Tells other processes which bug to plant, if any: those of jest and those of the pool. */
export const PLANTED_VARIABLE = 'CASSIO_PLANTED'
const REPOSITORY = join(__dirname, '../../..')

/** As far as we read jest's report. */
export interface TestResult {
  readonly status: string
  readonly fullName: string
  readonly failureMessages: readonly string[]
}

export interface SuiteOptions {
  /** Which of its tests, as a pattern; default all. */
  readonly tests?: string
  /** How many times as many seeds as usual. */
  readonly seedsFactor?: number
  /** The bug to be planted, if any. */
  readonly planted?: string
}

/**
 * Runs one test file in a process of its own.
 * @param suite From the repository's root, without '.test.ts'.
 * @returns what became of its tests that were run.
 */
export async function runSuite(suite: string, options: SuiteOptions): Promise<TestResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'cassio-planted-'))
  const outputFile = join(directory, 'report.json')
  try {
    const said = await runJest(suite, options, outputFile)
    const report = JSON.parse(readReport(outputFile, said)) as {
      testResults: { message: string; assertionResults: TestResult[] }[]
    }
    const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults)
    if (tests.length > 0) return tests.filter(({ status }) => status !== 'pending')
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
  suite: string,
  { tests, seedsFactor = 1, planted }: SuiteOptions,
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
    ...(planted === undefined ? {} : { [PLANTED_VARIABLE]: planted }),
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
