import { formatFailure } from './report'
import { type RunResult, runSeed } from './run'
import { Summary } from './summary'

export interface SwarmOptions {
  readonly seeds: Iterable<number>
  /** No new seed is begun after this much wall time. */
  readonly limitMs?: number
  readonly onResult?: (result: RunResult, wallMs: number) => void
}

export interface SwarmResult {
  readonly summary: Summary
  /** What each failing seed has to say. */
  readonly failures: readonly string[]
}

/** Runs seeds one after the other in this process, for tests; the command has processes for them. */
export async function runSwarm(options: SwarmOptions): Promise<SwarmResult> {
  const { seeds, limitMs = Number.POSITIVE_INFINITY, onResult } = options
  const summary = new Summary()
  const failures: string[] = []
  const startMs = performance.now()
  for (const seed of seeds) {
    if (performance.now() - startMs > limitMs) break
    const { result, wallMs, cpuMs } = await measured(() => runSeed(seed))
    summary.add(result, wallMs, cpuMs)
    if (result.violations.length > 0) {
      summary.addFailure(result.violations.map(({ rule }) => rule))
      failures.push(formatFailure(result))
    }
    onResult?.(result, wallMs)
  }
  return { summary, failures }
}

export async function measured(
  run: () => Promise<RunResult>,
): Promise<{ result: RunResult; wallMs: number; cpuMs: number }> {
  const startMs = performance.now()
  const startCpu = process.cpuUsage()
  const result = await run()
  const { user, system } = process.cpuUsage(startCpu)
  return { result, wallMs: performance.now() - startMs, cpuMs: (user + system) / 1_000 }
}

/** `from`, `from` + `step`, … up to `to`. */
export function* range(from: number, to: number, step = 1): Generator<number> {
  for (let seed = from; seed <= to; seed += step) yield seed
}
