import type { WorkerContext } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKeyLength, cellSize, keyHash } from '@cassiopeia/protocol'
import type { PartitionDigest } from '../digest/digest'
import { DigestBuilder } from '../digest/digest-builder'
import { MergeIterator } from '../merge/merge-iterator'
import { DamageCursor } from './damage-cursor'
import { DamageReach } from './damage-reach'
import type { DigestJob, DigestResult, TableRef } from './job'
import { JobPace } from './job-pace'
import { MeteredDisk } from './metered-disk'
import { openCursors } from './open-cursors'

/** What lies between two partitions is passed over cell by cell while it is smaller than that. */
const PASS_BYTES_MAX = 16 * 1024
/** No key is empty, so that (partition, this) is below the first cell of the partition. */
const NO_KEY = Buffer.alloc(0)

/** Sums up partitions. @throws the disk's own errors; code 'ECANCELED'. */
export async function runDigestJob(job: DigestJob, context: WorkerContext): Promise<DigestResult> {
  const disk = new MeteredDisk(context.disk)
  const tables = job.tables.filter((ref) => hasAny(ref, job.partitions))
  const cursors = openCursors(disk, job.directory, tables, 'doubling').map(
    (cursor) => new DamageCursor(cursor),
  )
  const merge = new MergeIterator(cursors)
  try {
    const pace = new JobPace(context, disk, job.bytesPerSecondMax)
    const reach = new DamageReach(disk, job.directory, tables)
    return await new DigestWalk(job, cursors, merge, reach, pace).run()
  } finally {
    // They were only read: a failure to close them takes nothing back.
    await merge.close().catch(() => {})
  }
}

/**
 * One walk over the partitions. Those without cells cost nothing: the merge stands at the next cell
 * there is, behind them.
 */
class DigestWalk {
  private hasBegun = false
  private readonly builder: DigestBuilder

  constructor(
    private readonly job: DigestJob,
    private readonly cursors: readonly DamageCursor[],
    private readonly merge: MergeIterator,
    private readonly reach: DamageReach,
    private readonly pace: JobPace,
  ) {
    this.builder = new DigestBuilder(job.cutoffMs)
  }

  async run(): Promise<DigestResult> {
    const { partitions, provenMs } = this.job
    const { builder, reach, pace } = this
    const digests: PartitionDigest[] = []
    for (let i = 0; i < partitions.length; i += 1) {
      const partition = partitions[i]!
      builder.begin(provenMs[i]!)
      if (!reach.hides(partition)) {
        await this.goTo(partition)
        await this.sumUp(partition)
        for (const { damage } of this.cursors) if (damage !== undefined) await reach.note(damage)
      }
      digests.push(builder.take(partition, reach.hides(partition)))
    }
    await pace.pause()
    return { digests, damages: reach.damages }
  }

  /** Goes to the first cell of the partition, or to the one behind where that would be. */
  private async goTo(partition: number): Promise<void> {
    const { merge } = this
    let passedBytes = 0
    while (this.hasBegun && this.isWhole()) {
      if (merge.ended || merge.partition >= partition) return
      passedBytes += cellSize(merge.buffer, merge.at)
      if (passedBytes > PASS_BYTES_MAX) break
      await this.advance()
    }
    this.hasBegun = true
    await merge.seek({ partition, key: NO_KEY })
    await this.pace.pause()
  }

  private async sumUp(partition: number): Promise<void> {
    const { merge, builder } = this
    while (!merge.ended && merge.partition === partition) {
      const { buffer, at } = merge
      const keyAt = at + CELL_HEADER_BYTES
      builder.add(buffer, at, keyHash(buffer, keyAt, keyAt + cellKeyLength(buffer, at)))
      const passed = this.advance()
      if (passed !== undefined) await passed
    }
  }

  /** @returns what must be awaited, now and then. */
  private advance(): Promise<void> | undefined {
    const isReady = this.merge.advance()
    if (!isReady) return this.load()
    return this.pace.tick() ? this.pace.pause() : undefined
  }

  private async load(): Promise<void> {
    await this.merge.load()
    await this.pace.pause()
  }

  /** Whether no input has ended at damage: what it has beyond is missing from the merge. */
  private isWhole(): boolean {
    return this.cursors.every(({ damage }) => damage === undefined)
  }
}

/** Whether a table may have cells of one of the partitions, which are rising. */
function hasAny({ info, after }: TableRef, partitions: readonly number[]): boolean {
  const first = Math.max(info.first.partition, after?.partition ?? 0)
  let low = 0
  let high = partitions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (partitions[middle]! < first) low = middle + 1
    else high = middle
  }
  return low < partitions.length && partitions[low]! <= info.last.partition
}
