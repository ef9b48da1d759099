import type { Disk } from '@cassiopeia/env'
import type { TableRef } from '../jobs/job'
import { comparePlaces, type Place } from '../table/place'
import { ReadAhead } from '../table/read-ahead'
import { TableCursor } from '../table/table-cursor'
import type { CellCursor } from './cell-cursor'

const NO_CELL = Buffer.alloc(0)

/**
 * Walks over disjoint tables one after the other. Only the one that it stands in is open, and all are
 * read ahead into the same memory, so that a chain costs no more than a table, however long it is.
 *
 * Besides what `CellCursor` says, `advance` throws CASSIO_CORRUPT too.
 */
export class ChainCursor implements CellCursor {
  /** The table of `cursor`. */
  private index = 0
  private cursor: TableCursor | undefined

  /** @param tables In the order of their cells; nobody removes their files before `close`. */
  constructor(
    private readonly disk: Disk,
    private readonly tables: readonly TableRef[],
    private readonly pathOf: (number: number) => string,
    private readonly readAhead: ReadAhead = new ReadAhead(),
  ) {}

  get ended(): boolean {
    return this.cursor === undefined || this.cursor.ended
  }

  get buffer(): Buffer {
    return this.cursor?.buffer ?? NO_CELL
  }

  get at(): number {
    return this.cursor?.at ?? 0
  }

  get partition(): number {
    return this.cursor?.partition ?? 0
  }

  async seek(after: Place | undefined): Promise<void> {
    const index = after === undefined ? 0 : this.find(after)
    const { cursor } = this
    if (cursor === undefined || index !== this.index) {
      this.readAhead.restart()
      await this.enter(index, after)
      return
    }
    // The table stays open, as its index may be large.
    await cursor.seek(after)
    if (cursor.ended) await this.enter(index + 1, undefined)
  }

  advance(): boolean {
    const { cursor } = this
    if (cursor === undefined) return true
    if (!cursor.advance()) return false
    // At a table's end the next one must be opened, unless there is none.
    return !cursor.ended || this.index + 1 >= this.tables.length
  }

  async load(): Promise<void> {
    const { cursor } = this
    if (cursor === undefined) return
    if (!cursor.ended) await cursor.load()
    if (cursor.ended) await this.enter(this.index + 1, undefined)
  }

  async close(): Promise<void> {
    await this.leave()
    this.readAhead.free()
  }

  /** The first table with a cell above `after`; their number when there is none. */
  private find(after: Place): number {
    const { tables } = this
    let low = 0
    let high = tables.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comparePlaces(tables[middle]!.info.last, after) > 0) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Goes to the first cell above `after`, in the table at `index` or in one behind it. */
  private async enter(index: number, after: Place | undefined): Promise<void> {
    await this.leave()
    for (let next = index; next < this.tables.length; next += 1) {
      const ref = this.tables[next]!
      const path = this.pathOf(ref.info.number)
      this.index = next
      this.cursor = new TableCursor(this.disk, path, ref, this.readAhead)
      await this.cursor.seek(after)
      if (!this.cursor.ended) return
      await this.leave()
    }
  }

  private async leave(): Promise<void> {
    const { cursor } = this
    this.cursor = undefined
    await cursor?.close()
  }
}
