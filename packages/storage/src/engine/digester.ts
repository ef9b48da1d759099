import type { Timer, Timers, WorkerHandle } from '@cassiopeia/env'
import type { DigestRequest, PartitionDigest } from '../digest/digest'
import type { DigestJob, DigestResult } from '../jobs/job'
import type { StoreSettings } from '../options'
import type { TableSet } from './table-set'

/** A worker that had nothing to do for so long gives back its thread, which takes 10 MB and more. */
const IDLE_MS = 60_000

export interface DigesterParts {
  readonly settings: StoreSettings
  readonly directory: string
  readonly timers: Timers
  readonly tables: TableSet
  readonly startWorker: () => WorkerHandle
  /** Makes sure that all cells of these partitions that were given up to now are in tables. */
  readonly settle: (partitions: readonly number[]) => Promise<void>
}

/** Sums up partitions for `CellStore.digest`, one call after the other, on a worker of its own. */
export class Digester {
  private running: Promise<void> = Promise.resolve()
  /** Calls that have not settled. */
  private calls = 0
  private worker: WorkerHandle | undefined
  private idle: Timer | undefined
  /** The last worker that was given back. */
  private ending: Promise<void> = Promise.resolve()
  private closed = false

  constructor(private readonly parts: DigesterParts) {}

  /** The caller bounds how many wait. @throws as the job; RangeError; code 'ECANCELED' when closed. */
  digest(request: DigestRequest): Promise<PartitionDigest[]> {
    const digested = this.running.then(() => this.perform(request))
    this.calls += 1
    this.idle?.cancel()
    const done = () => {
      this.calls -= 1
      if (this.calls === 0) this.rest()
    }
    this.running = digested.then(done, done)
    return digested
  }

  /** Begins no more, and ends what is under way. */
  halt(): void {
    this.closed = true
    this.idle?.cancel()
    this.worker?.cancel()
  }

  async close(): Promise<void> {
    this.halt()
    await this.running
    this.giveBack()
    await this.ending
  }

  private async perform(request: DigestRequest): Promise<PartitionDigest[]> {
    const { settings, directory, tables, settle, startWorker } = this.parts
    const { partitions, cutoffMs, provenMs } = request
    checkRequest(request, settings.partitions)
    await settle(partitions)
    if (this.closed) throw Object.assign(new Error('closed'), { code: 'ECANCELED' })
    const { version } = tables
    version.retain()
    try {
      const job: DigestJob = {
        type: 'digest',
        directory,
        tables: version.tables.map(({ entry: { info, after } }) => ({ info, after })),
        partitions,
        cutoffMs,
        provenMs,
        bytesPerSecondMax: settings.compactionBytesPerSecondMax,
      }
      this.worker ??= startWorker()
      const { digests, damages } = (await this.worker.run(job)) as DigestResult
      for (const damage of damages) tables.fence(damage)
      return digests
    } finally {
      version.release()
    }
  }

  private rest(): void {
    if (this.closed || this.worker === undefined) return
    this.idle = this.parts.timers.after(IDLE_MS, () => this.giveBack())
  }

  private giveBack(): void {
    const { worker, ending } = this
    this.worker = undefined
    if (worker !== undefined) this.ending = Promise.all([ending, worker.close()]).then(() => {})
  }
}

function checkRequest({ partitions, provenMs }: DigestRequest, count: number): void {
  const areRising = partitions.every((partition, i) => i === 0 || partition > partitions[i - 1]!)
  const [first = 0] = partitions
  if (!areRising || first < 0 || (partitions.at(-1) ?? 0) >= count) {
    throw new RangeError(`partitions must rise from 0 to below ${count}`)
  }
  if (provenMs.length !== partitions.length) {
    throw new RangeError(`${provenMs.length} proofs for ${partitions.length} partitions`)
  }
}
