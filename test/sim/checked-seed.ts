import { KeyedRandom } from '@cassiopeia/env'
import { areSame, firstDifference } from './reconcile'
import { formatFailure, replayCommand } from './report'
import { runSeed } from './run'
import { Summary, type SummaryData } from './summary'
import { measured } from './swarm'

/** Why a seed failed. */
export interface FailureReport {
  readonly seed: number
  /** All rules that were broken, in the order in which they were noticed. */
  readonly rules: readonly string[]
  readonly text: string
}

export interface SeedResult {
  readonly summary: SummaryData
  readonly failure: FailureReport | undefined
}

/** Rules of the rig itself: there is no violation in a history that could be shrunk. */
export const RIG_RULES: readonly string[] = Object.freeze(['determinism', 'threw', 'died'])

/** Whether a seed belongs to the share that runs twice: always the same ones. */
export function isDoubled(seed: number, share: number): boolean {
  return new KeyedRandom(seed, 'double').chance(share)
}

/**
 * Runs a seed and says what was wrong; a seed that fails also runs twice, since what is seen in a run
 * that cannot be repeated is hard to find.
 */
export async function runCheckedSeed(seed: number, doubled: boolean): Promise<SeedResult> {
  const summary = new Summary()
  try {
    const { result, wallMs, cpuMs } = await measured(() => runSeed(seed))
    summary.add(result, wallMs, cpuMs)
    const rules = new Set(result.violations.map(({ rule }) => rule))
    const texts = rules.size === 0 ? [] : [formatFailure(result)]
    if (doubled || rules.size > 0) {
      summary.addDoubled()
      if (!areSame(result, await runSeed(seed))) {
        rules.add('determinism')
        const where = (await firstDifference(result.plan)) ?? 'two further runs were the same'
        texts.push(`determinism: seed ${seed} ran twice and was not the same: ${where}`)
      }
    }
    summary.addFailure([...rules])
    const failure = { seed, rules: [...rules], text: texts.join('\n') }
    return { summary: summary.toJSON(), failure: rules.size === 0 ? undefined : failure }
  } catch (error) {
    const text = `seed ${seed} could not be run: ${(error as Error).stack}\nreplay: ${replayCommand(seed)}`
    summary.addFailure(['threw'])
    return { summary: summary.toJSON(), failure: { seed, rules: ['threw'], text } }
  }
}
