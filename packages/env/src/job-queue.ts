import { canceledError } from './job-errors'
import type { Timers } from './timers'
import type { JobOptions, WorkerHandle } from './workers'

/** Where the jobs of one handle are done: on the event loop or on a thread. */
export interface JobRunner {
  /** Does one job; called again only when it has settled. */
  perform(job: unknown, options: JobOptions): Promise<unknown>
  /** Asks the job under way to end. */
  cancel(): void
  /** Frees whatever jobs ran on. Called once, with no job under way. */
  stop(): Promise<void>
}

interface QueuedJob {
  readonly job: unknown
  readonly options: JobOptions
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** The order of jobs, which is the same wherever they are done: one at a time, first come first. */
export class JobQueue implements WorkerHandle {
  private readonly waiting: QueuedJob[] = []
  private working = false
  private closed: Promise<void> | undefined
  private whenIdle: (() => void) | undefined

  constructor(
    private readonly runner: JobRunner,
    private readonly timers: Timers,
  ) {}

  run(job: unknown, options: JobOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const queued = { job, options, resolve, reject }
      if (this.closed !== undefined) {
        this.drop(queued)
      } else {
        this.waiting.push(queued)
        if (!this.working) void this.work()
      }
    })
  }

  cancel(): void {
    for (const queued of this.waiting.splice(0)) this.drop(queued)
    if (this.working) this.runner.cancel()
  }

  close(): Promise<void> {
    this.closed ??= this.end()
    return this.closed
  }

  private async work(): Promise<void> {
    this.working = true
    for (;;) {
      const queued = this.waiting.shift()
      if (queued === undefined) break
      try {
        queued.resolve(await this.runner.perform(queued.job, queued.options))
      } catch (error) {
        queued.reject(error)
      }
    }
    this.working = false
    this.whenIdle?.()
  }

  // By way of the timers: after a simulated process's end nothing settles.
  private drop(queued: QueuedJob): void {
    this.timers.soon(() => queued.reject(canceledError()))
  }

  private async end(): Promise<void> {
    this.cancel()
    if (this.working) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve
      })
    }
    await this.runner.stop()
    // After the rejections of the jobs that were dropped.
    await new Promise<void>((resolve) => this.timers.soon(resolve))
  }
}
