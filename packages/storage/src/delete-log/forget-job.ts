import type { WorkerContext } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellKeyLength,
  cellSize,
  compareStamps,
  keyHash,
  STAMP_BYTES,
} from '@cassiopeia/protocol'
import type { ForgetJob, JobResult } from '../jobs/job'
import { JobOutput } from '../jobs/job-output'
import { JobPace } from '../jobs/job-pace'
import { MeteredDisk } from '../jobs/metered-disk'
import { openCursors } from '../jobs/open-cursors'
import { MergeIterator } from '../merge/merge-iterator'
import { TableKind } from '../table/table-info'
import type { TableWriter } from '../table/table-writer'
import { DataWatch } from './data-watch'
import { ForgetRule } from './forget-rule'

/**
 * Merges delete tables and forgets the tombstones that may go: `ForgetRule` says which are proven,
 * `DataWatch` which of them may still cover something. Nothing is reported before the end: the inputs
 * are replaced as a whole.
 *
 * @throws the disk's own errors; codes 'ESYNC', 'ECANCELED'; CASSIO_CORRUPT with the field `table`.
 */
export async function runForgetJob(job: ForgetJob, context: WorkerContext): Promise<JobResult> {
  const disk = new MeteredDisk(context.disk)
  const output = new JobOutput(disk, job)
  const merge = new MergeIterator(openCursors(disk, job.directory, job.inputs, 'full'))
  const maxStamp = largest(job.inputs.map(({ info }) => info.maxStamp))
  const watch = new DataWatch(disk, job.directory, job.data, maxStamp)
  try {
    const pace = new JobPace(context, disk, 0)
    const work = new ForgetMerge(job, merge, watch, output, pace)
    await work.run()
    const tables = await output.handOver()
    const { bytesRead, bytesWritten } = disk
    const { forgotten, forgottenMaxStamp } = work
    return { tables, bytesRead, bytesWritten, forgottenMaxStamp, forgotten }
  } catch (error) {
    await output.abandon()
    throw error
  } finally {
    // They were only read: a failure to close them takes nothing back.
    await merge.close().catch(() => {})
  }
}

class ForgetMerge {
  forgotten = 0
  forgottenMaxStamp: Buffer | undefined
  private readonly rule: ForgetRule
  private writer: TableWriter | undefined

  constructor(
    private readonly job: ForgetJob,
    private readonly merge: MergeIterator,
    private readonly watch: DataWatch,
    private readonly output: JobOutput,
    private readonly pace: JobPace,
  ) {
    this.rule = new ForgetRule(job)
  }

  async run(): Promise<void> {
    const { merge, rule, watch, pace, output } = this
    await merge.seek(undefined)
    while (!merge.ended) {
      const { buffer, at, partition } = merge
      const proven = rule.allows(buffer, at, partition)
      if (proven && watch.mustReach(buffer, at, partition)) {
        await watch.reach(buffer, at, partition)
      }
      if (proven && !watch.mayCover(buffer, at, partition)) {
        this.forget(buffer, at)
      } else {
        if (this.writer !== undefined && this.isFull(this.writer)) await this.finish()
        this.writer ??= await output.begin(TableKind.tombstones)
        this.keep(this.writer, buffer, at)
        if (this.writer.wantsDrain) await this.writer.drain()
      }
      if (pace.tick()) await pace.pause()
      if (!merge.advance()) {
        await merge.load()
        await pace.pause()
      }
    }
    await this.finish()
  }

  private isFull(writer: TableWriter): boolean {
    return writer.bytes >= this.job.settings.tableBytes
  }

  private forget(cell: Buffer, at: number): void {
    this.forgotten += 1
    const stampAt = at + CELL_STAMP_AT
    this.forgottenMaxStamp ??= Buffer.alloc(STAMP_BYTES)
    if (compareStamps(cell, stampAt, this.forgottenMaxStamp, 0) <= 0) return
    cell.copy(this.forgottenMaxStamp, 0, stampAt, stampAt + STAMP_BYTES)
  }

  private keep(writer: TableWriter, cell: Buffer, at: number): void {
    const keyAt = at + CELL_HEADER_BYTES
    const hash = keyHash(cell, keyAt, keyAt + cellKeyLength(cell, at))
    writer.add(this.merge.partition, hash, cell, at, cellSize(cell, at))
  }

  private async finish(): Promise<void> {
    const { writer } = this
    this.writer = undefined
    if (writer !== undefined) await this.output.finish(writer)
  }
}

function largest(stamps: readonly Buffer[]): Buffer {
  return stamps.reduce(
    (most, stamp) => (compareStamps(stamp, 0, most, 0) > 0 ? stamp : most),
    Buffer.alloc(STAMP_BYTES),
  )
}
