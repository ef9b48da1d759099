import { compareStamps } from '@cassiopeia/protocol'
import { TableKind } from '../table/table-info'
import { type LiveTable, Run } from './run'

/**
 * The tables that are live at one moment, in the order in which a read asks them: the delete log,
 * then tables of values, in each those with the newest stamps first. Never changes; a flush or a
 * compaction makes the next one.
 */
export class Version {
  readonly runs: readonly Run[]
  /** Milliseconds of the largest stamp in any table; -1 without tables. */
  readonly maxStampMs: number
  /** Scans and lookups under way, and 1 while it is the current one. */
  private users = 1

  /** @param onUnused Called once, when the version is no longer current and nobody uses it. */
  constructor(
    readonly tables: readonly LiveTable[],
    private readonly onUnused: (version: Version) => void,
  ) {
    this.runs = runsOf(tables)
    this.maxStampMs = this.runs.reduce((max, run) => Math.max(max, run.maxStampMs), -1)
  }

  retain(): void {
    this.users += 1
  }

  release(): void {
    this.users -= 1
    if (this.users === 0) this.onUnused(this)
  }
}

function runsOf(tables: readonly LiveTable[]): Run[] {
  const byRun = new Map<number, LiveTable[]>()
  for (const live of tables) {
    const list = byRun.get(live.entry.run)
    if (list === undefined) byRun.set(live.entry.run, [live])
    else list.push(live)
  }
  const runs = [...byRun].map(([number, list]) => new Run(number, list.sort(compareTables)))
  return runs.sort(
    (a, b) =>
      Number(b.kind === TableKind.tombstones) - Number(a.kind === TableKind.tombstones) ||
      compareStamps(b.maxStamp, 0, a.maxStamp, 0),
  )
}

function compareTables({ entry: a }: LiveTable, { entry: b }: LiveTable): number {
  const byPartition = a.info.last.partition - b.info.last.partition
  return byPartition || Buffer.compare(a.info.last.key, b.info.last.key)
}
