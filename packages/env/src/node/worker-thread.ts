/**
 * The first module of a thread of `ThreadWorkers`: loads the entry's module and does the jobs that
 * arrive. Whatever goes wrong outside of a job ends the thread, which the other side sees.
 */
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { canceledError, describeError } from '../job-errors'
import type { WorkerContext, WorkerMain } from '../workers'
import { NodeClock } from './node-clock'
import { NodeDisk } from './node-disk'
import { NodeTimers } from './node-timers'
import type { ThreadData, ThreadReply, ThreadRequest } from './thread-messages'

if (parentPort === null) throw new Error('worker-thread is only for threads of ThreadWorkers')
const port = parentPort
/** As a share of the processor: about a third of what a thread of normal priority gets. */
const NICE = 5
const { module: path, name, cancelledId } = workerData as ThreadData
const main = (require(path) as Record<string, unknown>)[name] as WorkerMain
if (typeof main !== 'function') throw new TypeError(`${path} exports no function '${name}'`)

giveWay()
const ports = { disk: new NodeDisk(), clock: new NodeClock(), timers: new NodeTimers() }

/** Where a system has priorities for threads, the event loop goes first. */
function giveWay(): void {
  // Elsewhere the call would concern the whole process.
  if (process.platform !== 'linux') return
  try {
    setPriority(NICE)
  } catch {
    // Not allowed here: the threads are equals then.
  }
}

class ThreadContext implements WorkerContext {
  readonly disk = ports.disk
  readonly clock = ports.clock
  readonly timers = ports.timers

  constructor(private readonly id: number) {}

  get cancelled(): boolean {
    return Atomics.load(cancelledId, 0) >= this.id
  }

  progress(message: unknown): void {
    post({ type: 'progress', id: this.id, message })
  }
}

function post(reply: ThreadReply): void {
  port.postMessage(reply)
}

async function perform({ id, job }: ThreadRequest): Promise<void> {
  try {
    const context = new ThreadContext(id)
    if (context.cancelled) throw canceledError()
    post({ type: 'done', id, result: await main(job, context) })
  } catch (error) {
    fail(id, error)
  }
}

function fail(id: number, error: unknown): void {
  try {
    post({ type: 'failed', id, error: describeError(error) })
  } catch (cause) {
    // A field of the error cannot travel after all; this one has none.
    post({ type: 'failed', id, error: describeError(cause) })
  }
}

port.on('message', (request: ThreadRequest) => void perform(request))
