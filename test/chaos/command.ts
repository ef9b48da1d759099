import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { formatReport } from './report'
import { removeData, runChaos } from './run'

/** What the shell is told; 130 and 143 as usual when a signal ended it. */
const ExitCode = Object.freeze({ ok: 0, violations: 1, usage: 2, interrupted: 128 })
const SIGNAL_NUMBERS = Object.freeze({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 })
const MINUTES_DEFAULT = 2
const NODES_DEFAULT = 5
const NODES_MIN = 3
const NODES_MAX = 9
const SEED_MAX = 1_000_000_000

export const HELP = `Real nodes, real faults, and the simulation's checkers. See docs/TESTING.md.

  npm run chaos -- [--minutes M] [--seed S] [--nodes N] [--keep] [--json]

  --minutes M   how long faults come. Default ${MINUTES_DEFAULT}; afterwards all must become equal
  --seed S      decides settings, calls and which faults come when. Default: a new one, printed
  --nodes N     ${NODES_MIN} to ${NODES_MAX}. Default ${NODES_DEFAULT}
  --keep        data, logs and history stay; otherwise logs and history do, and only on failure
  --json        the report as JSON on stdout, everything else on stderr
  --help        this

Exits with 1 when a rule was broken, or a node did not start again or stopped by itself.
`

interface CommandOptions {
  readonly minutes: number
  readonly seed: number
  readonly nodes: number
  readonly keep: boolean
  readonly json: boolean
  readonly help: boolean
}

/** @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  let options: CommandOptions
  try {
    options = readOptions(argv)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`)
    return ExitCode.usage
  }
  if (options.help) {
    console.log(HELP)
    return ExitCode.ok
  }
  const aborter = new AbortController()
  let exitCode: number = ExitCode.ok
  for (const [name, number] of Object.entries(SIGNAL_NUMBERS)) {
    process.on(name, () => {
      exitCode = ExitCode.interrupted + number
      aborter.abort()
    })
  }
  // Whoever has started this is gone.
  process.on('disconnect', () => aborter.abort())
  const isFine = await perform(options, aborter.signal)
  if (aborter.signal.aborted) return exitCode || ExitCode.interrupted
  return isFine ? ExitCode.ok : ExitCode.violations
}

async function perform(options: CommandOptions, signal: AbortSignal): Promise<boolean> {
  const { keep, json, nodes } = options
  const directory = mkdtempSync(join(tmpdir(), 'cassio-chaos-'))
  const say = (line: string) => console.error(line)
  let keeps = keep
  try {
    const result = await runChaos({ ...options, directory, signal, say })
    if (result === undefined) return false
    const { report, history, violations } = result
    keeps = report.directory !== undefined
    if (json) console.log(JSON.stringify(report))
    const words = formatReport(report, history, violations)
    if (json) say(words)
    else console.log(words)
    return violations.length === 0
  } catch (error) {
    // The rig, or a cluster that did not even form: the logs may tell.
    keeps = true
    say(`logs: ${directory}`)
    throw error
  } finally {
    if (!keeps) rmSync(directory, { recursive: true, force: true })
    else if (!keep) removeData(directory, nodes)
  }
}

function readOptions(argv: readonly string[]): CommandOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string', default: String(MINUTES_DEFAULT) },
      seed: { type: 'string' },
      nodes: { type: 'string', default: String(NODES_DEFAULT) },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { seed = String(1 + Math.floor(Math.random() * SEED_MAX)), keep, json, help } = values
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new RangeError('--minutes is above 0, to 1440')
  return {
    minutes,
    seed: wholeNumber('seed', seed, 0, 2 ** 31),
    nodes: wholeNumber('nodes', values.nodes, NODES_MIN, NODES_MAX),
    keep,
    json,
    help,
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= min && number <= max) return number
  throw new RangeError(`--${name} is a whole number from ${min} to ${max}, not ${text}`)
}
