import type { WorkerContext } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CellFlag,
  cellFlags,
  cellKeyLength,
  cellSize,
  cellWithoutValue,
  isExpired,
  isTombstone,
  keyHash,
  setCellFlags,
} from '@cassiopeia/protocol'
import { MergeIterator } from '../merge/merge-iterator'
import { copyKey, type Place } from '../table/place'
import { TableKind } from '../table/table-info'
import type { TableWriter } from '../table/table-writer'
import type { JobResult, MergeJob, MergeProgress, TableRef } from './job'
import { JobOutput } from './job-output'
import { JobPace } from './job-pace'
import { MeteredDisk } from './metered-disk'
import { openCursors } from './open-cursors'

/**
 * Merges data tables. @throws the disk's own errors; codes 'ESYNC', 'ECANCELED'; CASSIO_CORRUPT with
 * the field `table`, be that an input or a cover: the store leaves it out the next time.
 */
export async function runMergeJob(job: MergeJob, context: WorkerContext): Promise<JobResult> {
  const disk = new MeteredDisk(context.disk)
  const output = new JobOutput(disk, job)
  // Covers come first: of equal cells the first input's is shown, and a cover's is dropped here.
  const covers = openCursors(disk, job.directory, job.covers, 'doubling')
  const inputs = openCursors(disk, job.directory, job.inputs, 'full')
  const merge = new MergeIterator([...covers, ...inputs])
  try {
    const pace = new JobPace(context, disk, job.bytesPerSecondMax)
    await new DataMerge(job, context, merge, covers.length, output, pace).run()
    const tables = await output.handOver()
    const { bytesRead, bytesWritten } = disk
    return { tables, bytesRead, bytesWritten, forgottenMaxStamp: undefined, forgotten: 0 }
  } catch (error) {
    await output.abandon()
    throw error
  } finally {
    // They were only read: a failure to close them takes nothing back.
    await merge.close().catch(() => {})
  }
}

/** One merge under way. Nothing is awaited per cell, but what a cell brings about now and then. */
class DataMerge {
  private data: TableWriter | undefined
  private tombstones: TableWriter | undefined
  /** The data table is full, and this is its last cell's place: the next cell begins another. */
  private fullAt: Place | undefined

  constructor(
    private readonly job: MergeJob,
    private readonly context: WorkerContext,
    private readonly merge: MergeIterator,
    /** So many inputs of `merge`, the first ones, are covers. */
    private readonly coverCount: number,
    private readonly output: JobOutput,
    private readonly pace: JobPace,
  ) {}

  async run(): Promise<void> {
    const { merge, pace, output } = this
    const { inputs, nowMs } = this.job
    // Covers may be much longer than the inputs: they are read where these have partitions.
    const { from, lastPartition } = spanOf(inputs)
    await merge.seek(from)
    while (!merge.ended) {
      const { buffer, at } = merge
      let writer: TableWriter | undefined
      if (merge.winnerIndex < this.coverCount) {
        if (merge.partition > lastPartition) break
      } else if (isTombstone(buffer, at) || isExpired(buffer, at, nowMs)) {
        if (this.isFull(this.tombstones)) await this.finishTombstones()
        writer = this.tombstones ??= await output.begin(TableKind.tombstones)
        this.addTombstone(writer, buffer, at)
      } else {
        if (this.fullAt !== undefined) await this.report(this.fullAt)
        writer = this.data ??= await output.begin(TableKind.data)
        this.add(writer, buffer, at)
        if (this.isFull(writer)) this.fullAt = this.place(buffer, at)
      }
      if (writer?.wantsDrain) {
        await writer.drain()
        await pace.pause()
      } else if (pace.tick()) await pace.pause()
      if (!merge.advance()) {
        await merge.load()
        await pace.pause()
      }
    }
    await this.finish()
  }

  private isFull(writer: TableWriter | undefined): boolean {
    return writer !== undefined && writer.bytes >= this.job.settings.tableBytes
  }

  private place(buffer: Buffer, at: number): Place {
    const keyAt = at + CELL_HEADER_BYTES
    const key = copyKey(buffer, keyAt, keyAt + cellKeyLength(buffer, at))
    return { partition: this.merge.partition, key }
  }

  private addTombstone(writer: TableWriter, buffer: Buffer, at: number): void {
    if (isTombstone(buffer, at)) {
      this.add(writer, buffer, at)
      return
    }
    const tombstone = cellWithoutValue(buffer, at)
    setCellFlags(tombstone, 0, cellFlags(tombstone, 0) | CellFlag.tombstone)
    this.add(writer, tombstone, 0)
  }

  private add(writer: TableWriter, cell: Buffer, at: number): void {
    const keyAt = at + CELL_HEADER_BYTES
    const hash = keyHash(cell, keyAt, keyAt + cellKeyLength(cell, at))
    writer.add(this.merge.partition, hash, cell, at, cellSize(cell, at))
  }

  /**
   * Hands over what is done, so that the inputs can be let go of up to a place. That takes with it
   * the expired cells up to there, so their tombstones must be handed over too, and not later.
   */
  private async report(upTo: Place): Promise<void> {
    await this.finish()
    this.fullAt = undefined
    const tables = await this.output.handOver()
    this.context.progress({ tables, upTo } satisfies MergeProgress)
  }

  private async finish(): Promise<void> {
    const { data } = this
    this.data = undefined
    if (data !== undefined) await this.output.finish(data)
    await this.finishTombstones()
  }

  /** Completes the delete table; it is handed over with the next data table. */
  private async finishTombstones(): Promise<void> {
    const { tombstones } = this
    this.tombstones = undefined
    if (tombstones !== undefined) await this.output.finish(tombstones)
  }
}

/** The partitions that the inputs have cells in: just before the first, and the last. */
function spanOf(inputs: readonly TableRef[]): { from: Place | undefined; lastPartition: number } {
  let first = Number.POSITIVE_INFINITY
  let lastPartition = -1
  for (const { info, after } of inputs) {
    first = Math.min(first, after?.partition ?? info.first.partition)
    lastPartition = Math.max(lastPartition, info.last.partition)
  }
  // No key is empty, so this place is below the partition's first cell.
  const from = lastPartition < 0 ? undefined : { partition: first, key: Buffer.alloc(0) }
  return { from, lastPartition }
}
