import { canceledError, describeError, restoreError } from './job-errors'
import { JobQueue, type JobRunner } from './job-queue'
import { plainData } from './plain-data'
import type {
  JobOptions,
  WorkerContext,
  WorkerEntry,
  WorkerHandle,
  WorkerMain,
  WorkerPorts,
  Workers,
} from './workers'

/**
 * Does jobs on the event loop, with the given ports. Bytes pass by reference, and `transfer` leaves
 * them where they are; all else is as on a thread. Beginning, progress and end each come in a turn
 * of their own, by `timers.soon`: under simulation, from the simulator's queue.
 */
export class InlineWorkers implements Workers {
  constructor(private readonly ports: WorkerPorts) {}

  start(entry: WorkerEntry): WorkerHandle {
    return new JobQueue(new InlineRunner(entry.run, this.ports), this.ports.timers)
  }

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(bytes)
  }
}

class InlineRunner implements JobRunner {
  private context: InlineContext | undefined

  constructor(
    private readonly main: WorkerMain,
    private readonly ports: WorkerPorts,
  ) {}

  perform(job: unknown, { onProgress }: JobOptions): Promise<unknown> {
    const { timers } = this.ports
    const context = new InlineContext(this.ports, onProgress)
    this.context = context
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        timers.soon(() => {
          context.settled = true
          action()
        })
      }
      timers.soon(() => {
        this.execute(job, context).then(
          (result) => settle(() => resolve(result)),
          (error) => settle(() => reject(restoreError(describeError(error)))),
        )
      })
    })
  }

  cancel(): void {
    if (this.context !== undefined) this.context.cancelled = true
  }

  async stop(): Promise<void> {
    this.context = undefined
  }

  private async execute(job: unknown, context: InlineContext): Promise<unknown> {
    if (context.cancelled) throw canceledError()
    return plainData(await this.main(plainData(job), context))
  }
}

class InlineContext implements WorkerContext {
  readonly disk
  readonly clock
  readonly timers
  cancelled = false
  /** The caller has been told: what a job that goes on has to say is dropped. */
  settled = false

  constructor(
    { disk, clock, timers }: WorkerPorts,
    private readonly onProgress: ((message: unknown) => void) | undefined,
  ) {
    this.disk = disk
    this.clock = clock
    this.timers = timers
  }

  progress(message: unknown): void {
    const plain = plainData(message)
    this.timers.soon(() => {
      if (!this.settled) this.onProgress?.(plain)
    })
  }
}
