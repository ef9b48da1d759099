import type { Disk } from '@cassiopeia/env'
import { groupDisjoint } from '../compaction/tiers'
import { ChainCursor } from '../merge/chain-cursor'
import { READ_AHEAD_BYTES_MAX, ReadAhead, type ReadAheadGrowth } from '../table/read-ahead'
import { tableName } from '../table/table-info'
import type { TableRef } from './job'

/**
 * Cursors over all the tables, as few as possible: those that do not overlap follow one another. A
 * table is opened when its cells are reached, so that damage is met there and not before.
 */
export function openCursors(
  disk: Disk,
  directory: string,
  refs: readonly TableRef[],
  growth: ReadAheadGrowth,
): ChainCursor[] {
  const pathOf = (number: number) => `${directory}/${tableName(number)}`
  return groupDisjoint(refs).map((chain) => {
    const largest = chain.reduce((most, { info }) => Math.max(most, info.bytes), 0)
    const readAhead = new ReadAhead(Math.min(READ_AHEAD_BYTES_MAX, largest), growth)
    return new ChainCursor(disk, chain, pathOf, readAhead)
  })
}
