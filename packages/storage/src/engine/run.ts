import { compareStamps, stampMs } from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import type { ManifestTable } from '../manifest/format'
import { compareBytes } from '../memtable/key-bytes'
import { comparePlaces, type Place } from '../table/place'
import type { Table } from '../table/table'
import type { TableKind } from '../table/table-info'

/** A table of the manifest, opened. */
export interface LiveTable {
  readonly entry: ManifestTable
  readonly table: Table
}

/** Disjoint tables in order: a read asks at most one of them. */
export class Run {
  readonly kind: TableKind
  readonly maxStamp: Buffer
  readonly maxStampMs: number

  /** @param tables At least one, of one kind, in the order of their cells. */
  constructor(
    readonly number: number,
    readonly tables: readonly LiveTable[],
  ) {
    const [first] = tables
    invariant(first !== undefined, 'a run has tables')
    this.kind = first.entry.info.kind
    for (let i = 1; i < tables.length; i += 1) {
      const { info, after } = tables[i]!.entry
      const start =
        after !== undefined && comparePlaces(after, info.first) >= 0 ? after : info.first
      const isAbove = comparePlaces(tables[i - 1]!.entry.info.last, start) <= 0
      invariant(isAbove, 'the tables of a run are disjoint')
    }
    this.maxStamp = tables
      .map(({ entry }) => entry.info.maxStamp)
      .reduce((a, b) => (compareStamps(a, 0, b, 0) >= 0 ? a : b))
    this.maxStampMs = stampMs(this.maxStamp, 0)
  }

  /** Whether it may hold cells of the partitions `from` to `to`, both included. */
  overlaps(from: number, to: number): boolean {
    const { first } = this.tables[0]!.entry.info
    return first.partition <= to && this.tables.at(-1)!.entry.info.last.partition >= from
  }

  /** The table that may hold the key `key[from..to)` of `partition`. */
  find(partition: number, key: Buffer, from: number, to: number): Table | undefined {
    const { tables } = this
    let low = 0
    let high = tables.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareToPlace(tables[middle]!.entry.info.last, partition, key, from, to) < 0) {
        low = middle + 1
      } else high = middle
    }
    const { entry, table } = tables[low]!
    const { after } = entry
    if (after !== undefined && compareToPlace(after, partition, key, from, to) >= 0) {
      return undefined
    }
    return table
  }
}

/** @returns below 0, 0 or above 0, as the place is before, at or after the key. */
function compareToPlace(
  place: Place,
  partition: number,
  key: Buffer,
  from: number,
  to: number,
): number {
  return place.partition - partition || compareBytes(place.key, 0, place.key.length, key, from, to)
}
