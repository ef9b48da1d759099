import type { Clock } from './clock'
import type { Disk } from './disk'
import type { Timers } from './timers'

/**
 * Work beside the event loop: sorting, merging, hashing. The real adapter runs each worker on a
 * thread of its own; the simulated one, and tests that run from sources, run it on the loop, between
 * other events, with the process's own ports.
 */
export interface Workers {
  /** A worker for jobs of one kind. It costs nothing until its first job. */
  start(entry: WorkerEntry): WorkerHandle

  /**
   * Memory that passes to jobs as it is, without a copy: views of it in a job show the same bytes.
   * From `run` until its promise settles it is the job's. Zero at first.
   */
  allocate(bytes: number): Uint8Array
}

/** The code that a worker runs, named twice: as a function, and as what a thread can load. */
export interface WorkerEntry {
  readonly run: WorkerMain
  /** The path of the CommonJS module that exports `run` under `name`: its own `__filename`. */
  readonly module: string
  readonly name: string
}

/**
 * Does one job. What it gets and gives must be plain data (structured clone), in which a Buffer
 * arrives as a Uint8Array. An error that it throws reaches the caller with its message, its name and
 * its own enumerable fields, `code` among them, but without its class.
 */
export type WorkerMain = (job: unknown, context: WorkerContext) => Promise<unknown>

/** The ports that a worker has. */
export interface WorkerPorts {
  readonly disk: Disk
  /**
   * On a thread, monotonic time has an origin of its own: a job is given delays, not points of time.
   */
  readonly clock: Clock
  readonly timers: Timers
}

export interface WorkerContext extends WorkerPorts {
  /** Tells the caller something before the job is done; plain data. Does not wait. */
  progress(message: unknown): void
  /** Whether the caller no longer wants the result: a job looks from time to time and throws. */
  readonly cancelled: boolean
}

export interface JobOptions {
  /** Memory that moves to the worker: the caller's views of it may be empty afterwards. */
  readonly transfer?: readonly ArrayBuffer[]
  /** Called in order, and never after the job's promise has settled. */
  readonly onProgress?: (message: unknown) => void
}

export interface WorkerHandle {
  /**
   * One job at a time; those that are given meanwhile wait their turn, and the caller bounds how
   * many. The job, and all that it refers to, belongs to the worker until the promise settles.
   * @throws what the job threw; an Error with code 'EWORKER' when the thread died, and the next job
   * starts another; 'ECANCELED' after `cancel` or `close`, for jobs that had not begun; an Error
   * named 'DataCloneError' for what is not plain data.
   */
  run(job: unknown, options?: JobOptions): Promise<unknown>
  /** Asks the job under way to end, and drops those that wait. The promises still settle. */
  cancel(): void
  /** Cancels, waits until the job under way has settled, ends the thread. Idempotent. */
  close(): Promise<void>
}
