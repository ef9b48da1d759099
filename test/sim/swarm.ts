import { formatFailure, Summary } from './report'
import { type RunResult, runSeed } from './run'

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

/** Runs seeds one after the other. */
export async function runSwarm(options: SwarmOptions): Promise<SwarmResult> {
  const { seeds, limitMs = Number.POSITIVE_INFINITY, onResult } = options
  const summary = new Summary()
  const failures: string[] = []
  const startMs = performance.now()
  for (const seed of seeds) {
    const beforeMs = performance.now()
    if (beforeMs - startMs > limitMs) break
    const result = await runSeed(seed)
    const wallMs = performance.now() - beforeMs
    summary.add(result, wallMs)
    if (result.violations.length > 0) failures.push(formatFailure(result))
    onResult?.(result, wallMs)
  }
  return { summary, failures }
}

/** `from`, `from` + `step`, … up to `to`. */
export function* range(from: number, to: number, step = 1): Generator<number> {
  for (let seed = from; seed <= to; seed += step) yield seed
}
