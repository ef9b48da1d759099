import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { InlineWorkers } from '../inline-workers'
import { describeError, restoreError, workerError } from '../job-errors'
import { JobQueue, type JobRunner } from '../job-queue'
import type { JobOptions, WorkerEntry, WorkerHandle, WorkerPorts, Workers } from '../workers'
import type { ThreadData, ThreadReply, ThreadRequest } from './thread-messages'

/** The compiled module that threads begin with. */
const bootstrap = join(__dirname, 'worker-thread.js')

/**
 * One thread per handle, from its first job until `close`. Threads load compiled code only: for an
 * entry whose module is a '.ts' file, as in tests that run from sources, jobs run inline over the
 * given ports. A thread keeps the process alive while it has a job, and not when it is idle.
 */
export class ThreadWorkers implements Workers {
  private readonly inline: InlineWorkers

  constructor(private readonly ports: WorkerPorts) {
    this.inline = new InlineWorkers(ports)
  }

  start(entry: WorkerEntry): WorkerHandle {
    if (entry.module.endsWith('.ts')) return this.inline.start(entry)
    return new JobQueue(new ThreadRunner(entry), this.ports.timers)
  }

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(new SharedArrayBuffer(bytes))
  }
}

interface RunningJob {
  readonly id: number
  readonly onProgress: ((message: unknown) => void) | undefined
  resolve(result: unknown): void
  reject(error: Error): void
}

class ThreadRunner implements JobRunner {
  private thread: Worker | undefined
  private running: RunningJob | undefined
  private lastId = 0
  private readonly cancelledId = new Int32Array(new SharedArrayBuffer(4))

  constructor(private readonly entry: WorkerEntry) {}

  perform(job: unknown, { transfer = [], onProgress }: JobOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.lastId += 1
      const request: ThreadRequest = { id: this.lastId, job }
      try {
        this.thread ??= this.startThread()
        this.thread.postMessage(request, [...transfer])
      } catch (error) {
        reject(restoreError(describeError(error)))
        return
      }
      this.running = { id: this.lastId, onProgress, resolve, reject }
      this.thread.ref()
    })
  }

  cancel(): void {
    Atomics.store(this.cancelledId, 0, this.lastId)
  }

  async stop(): Promise<void> {
    await this.thread?.terminate()
  }

  private startThread(): Worker {
    const { module, name } = this.entry
    const workerData: ThreadData = { module, name, cancelledId: this.cancelledId }
    let thread: Worker
    try {
      thread = new Worker(bootstrap, { name, workerData })
    } catch (error) {
      throw workerError(`no thread could be started: ${(error as Error).message}`)
    }
    thread.unref()
    let cause: Error | undefined
    thread.on('message', (reply: ThreadReply) => this.receive(reply))
    thread.on('messageerror', (error) => {
      // Nobody would answer the job any more.
      cause = error
      void thread.terminate()
    })
    // 'exit' follows, after the messages that were sent before.
    thread.on('error', (error) => {
      cause = error
    })
    thread.on('exit', (exitCode) => this.threadEnded(exitCode, cause))
    return thread
  }

  private receive(reply: ThreadReply): void {
    const { running } = this
    // A job that goes on after its end has nobody to tell.
    if (running?.id !== reply.id) return
    if (reply.type === 'progress') {
      running.onProgress?.(reply.message)
      return
    }
    this.running = undefined
    this.thread?.unref()
    if (reply.type === 'done') running.resolve(reply.result)
    else running.reject(restoreError(reply.error))
  }

  private threadEnded(exitCode: number, cause: Error | undefined): void {
    const { running } = this
    this.thread = undefined
    this.running = undefined
    const reason = cause === undefined ? `exit code ${exitCode}` : cause.message
    running?.reject(workerError(`the thread '${this.entry.name}' died: ${reason}`, cause))
  }
}
