import type { Disk } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellKeyLength,
  compareStamps,
  keyHash,
} from '@cassiopeia/protocol'
import type { TableRef } from '../jobs/job'
import type { KeyFilter } from '../table/filter'
import { comparePlaces, type Place } from '../table/place'
import { readFilter } from '../table/table-file'
import { tableName } from '../table/table-info'

interface Watched extends TableRef {
  /** Undefined when the table has none, or a damaged one: it may hold any key. */
  readonly filter: KeyFilter | undefined
}

/**
 * Answers for tombstones that come in order whether a data table may still hold what they cover: a
 * cell of the key with the tombstone's stamp or an older one. Tables are taken up when the tombstones
 * reach their first key and dropped behind their last, so that only as many filters are in memory as
 * there are runs.
 */
export class DataWatch {
  /** Those that may matter, by their first keys; from `next` on not taken up yet. */
  private readonly coming: readonly TableRef[]
  private next = 0
  private watched: Watched[] = []

  /** @param maxStamp The largest stamp that will be asked for: newer tables hold nothing as old. */
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    data: readonly TableRef[],
    maxStamp: Buffer,
  ) {
    this.coming = data
      .filter(({ info }) => compareStamps(info.minStamp, 0, maxStamp, 0) <= 0)
      .sort((a, b) => comparePlaces(a.info.first, b.info.first))
  }

  /** Whether `reach` must be called for this cell before `mayCover`. */
  mustReach(cell: Buffer, at: number, partition: number): boolean {
    const coming = this.coming[this.next]
    return coming !== undefined && compareToPlace(cell, at, partition, coming.info.first) >= 0
  }

  /** Takes up the tables that begin at the cell's key or before it. @throws the disk's own errors. */
  async reach(cell: Buffer, at: number, partition: number): Promise<void> {
    while (this.mustReach(cell, at, partition)) {
      const ref = this.coming[this.next]!
      this.next += 1
      if (compareToPlace(cell, at, partition, ref.info.last) > 0) continue
      const path = `${this.directory}/${tableName(ref.info.number)}`
      this.watched.push({ ...ref, filter: await readFilter(this.disk, path, ref.info) })
    }
  }

  /** @param tombstone At `at`; its key must not be below that of the call before. */
  mayCover(tombstone: Buffer, at: number, partition: number): boolean {
    const keyAt = at + CELL_HEADER_BYTES
    const hash = keyHash(tombstone, keyAt, keyAt + cellKeyLength(tombstone, at))
    let passed = false
    let covers = false
    for (const { info, after, filter } of this.watched) {
      if (compareToPlace(tombstone, at, partition, info.last) > 0) passed = true
      else if (compareStamps(info.minStamp, 0, tombstone, at + CELL_STAMP_AT) > 0) continue
      else if (after !== undefined && compareToPlace(tombstone, at, partition, after) <= 0) continue
      else if (filter === undefined || filter.has(hash)) {
        covers = true
        break
      }
    }
    if (passed) this.dropPassed(tombstone, at, partition)
    return covers
  }

  private dropPassed(cell: Buffer, at: number, partition: number): void {
    this.watched = this.watched.filter(
      ({ info }) => compareToPlace(cell, at, partition, info.last) <= 0,
    )
  }
}

/** Below 0, 0 or above 0, as the cell comes before, is at, or comes after the place. */
function compareToPlace(cell: Buffer, at: number, partition: number, place: Place): number {
  if (partition !== place.partition) return partition - place.partition
  const keyAt = at + CELL_HEADER_BYTES
  const { key } = place
  return cell.compare(key, 0, key.length, keyAt, keyAt + cellKeyLength(cell, at))
}
