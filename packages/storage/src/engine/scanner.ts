import type { Disk, Timers } from '@cassiopeia/env'
import type { CellCursor } from '../merge/cell-cursor'
import { ChainCursor } from '../merge/chain-cursor'
import { MergeIterator } from '../merge/merge-iterator'
import type { Generation } from './generation'
import { MemtableCursor } from './memtable-cursor'
import type { TableSet } from './table-set'

/** Cells that a scan visits in one turn of the event loop. */
const TURN_CELLS = 1_000

export interface ScannerParts {
  readonly disk: Disk
  readonly timers: Timers
  readonly tables: TableSet
  readonly generations: readonly Generation[]
  /** Throws when the store has been closed. */
  readonly check: () => void
}

/** Visits cells in order: memtables and tables merged, the newest version of each key. */
export class Scanner {
  constructor(private readonly parts: ScannerParts) {}

  async scan(
    from: number,
    to: number,
    afterKey: Buffer | undefined,
    visit: (cell: Buffer, at: number, partition: number) => boolean,
  ): Promise<void> {
    const { tables, disk, timers } = this.parts
    const generations = [...this.parts.generations]
    for (const generation of generations) generation.retain()
    const { version } = tables
    version.retain()
    const cursors: CellCursor[] = [
      ...generations.map(
        ({ memtable, orders }) => new MemtableCursor(memtable, orders, from, to, timers),
      ),
      ...version.runs
        .filter((run) => run.overlaps(from, to))
        .map((run) => {
          const refs = run.tables.map(({ entry }) => entry)
          return new ChainCursor(disk, refs, (number) => tables.pathOf(number))
        }),
    ]
    const merged = new MergeIterator(cursors)
    try {
      // Partition −1 does not exist, so that everything is above it.
      const after =
        afterKey === undefined
          ? { partition: from - 1, key: LAST_KEY }
          : { partition: from, key: afterKey }
      await merged.seek(after)
      let visited = 0
      while (!merged.ended && merged.partition <= to) {
        if (!visit(merged.buffer, merged.at, merged.partition)) return
        visited += 1
        if (visited % TURN_CELLS === 0) {
          await new Promise<void>((resolve) => timers.soon(resolve))
          this.parts.check()
        }
        if (!merged.advance()) {
          await merged.load()
          this.parts.check()
        }
      }
    } finally {
      await merged.close()
      version.release()
      for (const generation of generations) generation.release()
    }
  }
}

/** No key is above it: keys have at most this many bytes. */
const LAST_KEY = Buffer.alloc(65_535, 0xff)
