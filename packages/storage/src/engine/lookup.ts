import { CELL_STAMP_AT, cellSize, compareStamps, reconcile } from '@cassiopeia/protocol'
import { Find, type Table } from '../table/table'
import type { Generation } from './generation'
import type { Version } from './version'

/** How a step of a lookup ended. */
export const Step = Object.freeze({
  /** `best` is the newest cell, undefined when the key has none. */
  done: 0,
  /** Something of `table` must be loaded before the next step. */
  load: 1,
  /** The key would be in a damaged part of `table`, so nobody can say. */
  damaged: 2,
})
export type Step = (typeof Step)[keyof typeof Step]

const NO_KEY = Buffer.alloc(0)
const NO_SLOT = -1

/**
 * The search for the newest cell of one key, in memory and in tables. The newest stamp wins wherever
 * it is found; what cannot hold a newer one is not asked. Reused from search to search.
 */
export class Lookup {
  best: Buffer | undefined
  bestAt = 0
  /** The table that the last step could not pass. */
  table: Table | undefined
  version!: Version
  private key: Buffer = NO_KEY
  private from = 0
  private to = 0
  private partition = 0
  private hash = 0
  private nextRun = 0
  private ownKey = NO_KEY
  private scratch = NO_KEY

  begin(
    version: Version,
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
  ): void {
    this.version = version
    this.key = key
    this.from = from
    this.to = to
    this.partition = partition
    this.hash = hash
    this.nextRun = 0
    this.best = undefined
    this.table = undefined
  }

  /** Looks in a memtable. */
  lookIn({ memtable }: Generation): void {
    const slot = memtable.find(this.hash, this.key, this.from, this.to)
    if (slot !== NO_SLOT) this.offer(memtable.cellOf(slot), memtable.offsetOf(slot))
  }

  /** Takes a cell of the key into account. It must stay where it is. */
  offer(cell: Buffer, at: number): void {
    if (this.best !== undefined && reconcile(cell, at, this.best, this.bestAt) <= 0) return
    this.best = cell
    this.bestAt = at
  }

  /** Goes on through the tables. */
  step(): Step {
    const { runs } = this.version
    for (; this.nextRun < runs.length; this.nextRun += 1) {
      const run = runs[this.nextRun]!
      if (!this.mayImprove(run.maxStamp)) continue
      const table = run.find(this.partition, this.key, this.from, this.to)
      if (table === undefined) continue
      const at = table.find(this.partition, this.hash, this.key, this.from, this.to)
      if (at >= 0) this.offerFrom(table, at)
      else if (at !== Find.absent) {
        this.table = table
        return at === Find.load ? Step.load : Step.damaged
      }
    }
    return Step.done
  }

  /** Makes the search independent of the caller's key and of memtables, for going on later. */
  detach(): void {
    if (this.best !== undefined) this.keep(this.best, this.bestAt)
    const length = this.to - this.from
    if (this.ownKey.length < length) this.ownKey = Buffer.allocUnsafeSlow(Math.max(64, length))
    this.key.copy(this.ownKey, 0, this.from, this.to)
    this.key = this.ownKey
    this.from = 0
    this.to = length
  }

  /** Lets go of what it found. */
  clear(): void {
    this.best = undefined
    this.table = undefined
    this.key = NO_KEY
    if (this.scratch.length > SCRATCH_KEPT) this.scratch = NO_KEY
  }

  private mayImprove(maxStamp: Buffer): boolean {
    const { best } = this
    return best === undefined || compareStamps(best, this.bestAt + CELL_STAMP_AT, maxStamp, 0) <= 0
  }

  private offerFrom(table: Table, at: number): void {
    const { block } = table
    const before = this.best
    this.offer(block, at)
    if (this.best === before || !this.mustAskMore()) return
    // The block's memory is another's after the next call into a table.
    this.keep(block, at)
  }

  /** Takes a copy of the best cell. */
  private keep(cell: Buffer, at: number): void {
    if (cell === this.scratch) return
    const size = cellSize(cell, at)
    if (this.scratch.length < size) this.scratch = Buffer.allocUnsafeSlow(Math.max(4_096, size))
    cell.copy(this.scratch, 0, at, at + size)
    this.best = this.scratch
    this.bestAt = 0
  }

  private mustAskMore(): boolean {
    const { runs } = this.version
    for (let i = this.nextRun + 1; i < runs.length; i += 1) {
      if (this.mayImprove(runs[i]!.maxStamp)) return true
    }
    return false
  }
}

const SCRATCH_KEPT = 64 * 1024
