import type { WorkerContext } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKeyLength, isTombstone, keyHash } from '@cassiopeia/protocol'
import { SortedEntries } from '../merge/sort-entries'
import { TableKind } from '../table/table-info'
import type { TableWriter } from '../table/table-writer'
import type { FlushJob, JobResult } from './job'
import { JobOutput } from './job-output'
import { JobPace } from './job-pace'
import { MeteredDisk } from './metered-disk'

/** Writes a memtable as tables. @throws the disk's own errors; codes 'ESYNC', 'ECANCELED'. */
export async function runFlushJob(job: FlushJob, context: WorkerContext): Promise<JobResult> {
  const disk = new MeteredDisk(context.disk)
  const output = new JobOutput(disk, job)
  const pace = new JobPace(context, disk, 0)
  let data: TableWriter | undefined
  let tombstones: TableWriter | undefined
  try {
    const entries = new SortedEntries(job.memtable)
    await pace.pause()
    for (; !entries.ended; entries.advance()) {
      const { buffer, at, partition } = entries
      let writer: TableWriter
      if (isTombstone(buffer, at)) {
        writer = tombstones ??= await output.begin(TableKind.tombstones)
      } else {
        writer = data ??= await output.begin(TableKind.data)
      }
      const keyAt = at + CELL_HEADER_BYTES
      const hash = keyHash(buffer, keyAt, keyAt + cellKeyLength(buffer, at))
      writer.add(partition, hash, buffer, at, entries.size)
      if (writer.wantsDrain) {
        await writer.drain()
        await pace.pause()
      } else if (pace.tick()) await pace.pause()
    }
    for (const writer of [data, tombstones]) if (writer !== undefined) await output.finish(writer)
    const tables = await output.handOver()
    const { bytesRead, bytesWritten } = disk
    return { tables, bytesRead, bytesWritten, forgottenMaxStamp: undefined, forgotten: 0 }
  } catch (error) {
    await output.abandon()
    throw error
  }
}
