import { join } from 'node:path'
import { type FailureReport, isDoubled, RIG_RULES, type SeedResult } from './checked-seed'
import type { SimulateOptions } from './options'
import { InProcess } from './pool/in-process'
import { type Outcome, ProcessPool } from './pool/process-pool'
import type { SeedTask, ShrinkResult, ShrinkTask, Task } from './pool/tasks'
import { replayCommand } from './report'
import { SHRINK_LIMIT_MS } from './shrink/shrinker'
import { inWords, Summary } from './summary'
import { range } from './swarm'

const PROGRESS_MS = 5_000
/** A process is replaced after so many seeds. */
const SEEDS_PER_PROCESS = 200
/** A seed takes well under a second; one that takes this long hangs. */
const SEED_LIMIT_MS = 300_000
/** Failures told of at length; the summary counts all. */
const FAILURES_SHOWN = 10
/** Only the first seed of a rule is shrunk, and so many in all. */
const SHRINKS_MAX = 3

export function reproPath(out: string, rule: string, seed: number): string {
  return join(out, `${rule}-${seed}.repro.json`)
}

/** Many seeds in processes side by side, told of while it goes on and summed up in the end. */
export class SwarmRun {
  private readonly summary = new Summary()
  private readonly failures: FailureReport[] = []
  private readonly shrinks: ShrinkTask[] = []
  private readonly shrunkRules = new Set<string>()
  private readonly shrunk: ShrinkResult[] = []
  private readonly seeds: Iterator<number>
  private readonly startMs = performance.now()
  private readonly out: (text: string) => void
  private done = 0
  private lastSeed = 0
  private stopped = false

  constructor(private readonly options: SimulateOptions) {
    this.seeds = range(...options.seeds)
    // With --json only the summary goes to stdout.
    this.out = options.json ? console.error : console.log
  }

  /** @returns whether no rule was broken. */
  async run(): Promise<boolean> {
    const { jobs, json, seeds, minutes } = this.options
    const pool = this.makePool(jobs)
    const onInterrupt = () => {
      if (this.stopped) pool.kill()
      else console.error('ends when the runs under way have ended; again to end at once')
      this.stopped = true
    }
    process.on('SIGINT', onInterrupt)
    const progress = setInterval(() => console.error(this.progress()), PROGRESS_MS)
    if (minutes !== undefined) console.error(`seeds from ${seeds[0]} on, for ${minutes} min`)
    await pool.run()
    clearInterval(progress)
    process.off('SIGINT', onInterrupt)

    const elapsedMs = performance.now() - this.startMs
    const { length: failed } = this.failures
    this.out(this.summary.toText(elapsedMs))
    const last = `the last was ${this.lastSeed}`
    this.out(failed === 0 ? `no violations; ${last}` : `${failed} seeds failed; ${last}`)
    if (json) console.log(JSON.stringify(this.toJSON(elapsedMs), undefined, 2))
    return failed === 0
  }

  private makePool(jobs: number): { run(): Promise<void>; kill(): void } {
    const parts = {
      next: () => this.next(),
      onOutcome: (task: Task, outcome: Outcome<unknown>) => this.onOutcome(task, outcome),
    }
    if (jobs === 0) return new InProcess(parts)
    const limitMs = (task: Task) =>
      task.type === 'shrink' ? SHRINK_LIMIT_MS + SEED_LIMIT_MS : SEED_LIMIT_MS
    return new ProcessPool<Task, unknown>({
      ...parts,
      jobs,
      limitMs,
      tasksPerProcess: SEEDS_PER_PROCESS,
    })
  }

  private next(): Task | undefined {
    if (this.stopped) return undefined
    const shrink = this.shrinks.shift()
    if (shrink !== undefined) return shrink
    const { minutes, double } = this.options
    const isOver = minutes !== undefined && performance.now() - this.startMs > minutes * 60_000
    if (isOver) return undefined
    const { value: seed, done } = this.seeds.next()
    if (done === true) return undefined
    this.lastSeed = seed
    return { type: 'seed', seed, doubled: isDoubled(seed, double) }
  }

  private onOutcome(task: Task, outcome: Outcome<unknown>): void {
    if (task.type === 'seed') this.onSeed(task, outcome as Outcome<SeedResult>)
    else if (task.type === 'shrink') this.onShrunk(task, outcome as Outcome<ShrinkResult>)
  }

  private onSeed({ seed }: SeedTask, outcome: Outcome<SeedResult>): void {
    this.done += 1
    if ('result' in outcome) {
      const { summary, failure } = outcome.result
      this.summary.merge(summary)
      if (failure !== undefined) this.onFailure(failure)
      return
    }
    const why = 'died' in outcome ? outcome.died : outcome.error
    const text = `seed ${seed} ended its process: ${why}\nreplay: ${replayCommand(seed)}`
    this.summary.addFailure(['died'])
    this.onFailure({ seed, rules: ['died'], text })
  }

  private onFailure(failure: FailureReport): void {
    const { seed, rules, text } = failure
    this.failures.push(failure)
    const { length: count } = this.failures
    this.out(count <= FAILURES_SHOWN ? `${text}\n` : `seed ${seed} failed: ${rules.join(', ')}`)
    const rule = rules.find((each) => !RIG_RULES.includes(each))
    const { shrink, out } = this.options
    if (!shrink || rule === undefined || this.shrunkRules.has(rule)) return
    if (this.shrunkRules.size >= SHRINKS_MAX) return
    this.shrunkRules.add(rule)
    this.shrinks.push({ type: 'shrink', seed, rule, path: reproPath(out, rule, seed) })
  }

  private onShrunk({ seed, rule }: ShrinkTask, outcome: Outcome<ShrinkResult>): void {
    if ('result' in outcome) {
      this.shrunk.push(outcome.result)
      this.out(`${outcome.result.text}\n`)
    } else {
      const why = 'died' in outcome ? outcome.died : outcome.error
      this.out(`seed ${seed}, ${rule}: could not be shrunk: ${why}\n`)
    }
  }

  private progress(): string {
    const elapsedMs = performance.now() - this.startMs
    const rate = this.summary.virtualMs / elapsedMs
    return (
      `${this.done} seeds, at ${this.lastSeed}; ${this.failures.length} failed; ` +
      `${rate.toFixed(0)} virtual seconds per second; ${inWords(elapsedMs)}`
    )
  }

  private toJSON(elapsedMs: number) {
    const failures = this.failures.map(({ seed, rules }) => ({ seed, rules }))
    const { summary, lastSeed } = this
    return { elapsedMs, lastSeed, ...summary.toJSON(), failures, shrunk: this.shrunk }
  }
}
