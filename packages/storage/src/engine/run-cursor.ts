import type { Disk } from '@cassiopeia/env'
import type { CellCursor } from '../merge/cell-cursor'
import { comparePlaces, type Place } from '../table/place'
import { TableCursor } from '../table/table-cursor'
import type { Run } from './run'

const NOTHING = Buffer.alloc(0)

/** Walks over the tables of a run, one after the other. The version that has the run is retained. */
export class RunCursor implements CellCursor {
  private index = 0
  private cursor: TableCursor | undefined

  constructor(
    private readonly disk: Disk,
    private readonly run: Run,
    private readonly pathOf: (number: number) => string,
  ) {}

  get ended(): boolean {
    return this.cursor === undefined || this.cursor.ended
  }

  get buffer(): Buffer {
    return this.cursor?.buffer ?? NOTHING
  }

  get at(): number {
    return this.cursor?.at ?? 0
  }

  get partition(): number {
    return this.cursor?.partition ?? 0
  }

  async seek(after: Place | undefined): Promise<void> {
    const { tables } = this.run
    const index =
      after === undefined
        ? 0
        : tables.findIndex(({ entry }) => comparePlaces(entry.info.last, after) > 0)
    await this.open(index < 0 ? tables.length : index, after)
  }

  advance(): boolean {
    const { cursor } = this
    if (cursor === undefined) return true
    if (!cursor.advance()) return false
    // At a table's end the next one must be opened, unless there is none.
    return !cursor.ended || this.index + 1 >= this.run.tables.length
  }

  async load(): Promise<void> {
    const { cursor } = this
    if (cursor === undefined) return
    if (!cursor.ended) await cursor.load()
    if (cursor.ended) await this.open(this.index + 1, undefined)
  }

  async close(): Promise<void> {
    const { cursor } = this
    this.cursor = undefined
    await cursor?.close()
  }

  private async open(index: number, after: Place | undefined): Promise<void> {
    const { tables } = this.run
    await this.close()
    for (let next = index; next < tables.length; next += 1) {
      this.index = next
      const { info, after: dead } = tables[next]!.entry
      this.cursor = new TableCursor(this.disk, this.pathOf(info.number), { info, after: dead })
      await this.cursor.seek(after)
      if (!this.cursor.ended) return
      await this.close()
    }
  }
}
