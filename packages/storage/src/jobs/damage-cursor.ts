import type { CellCursor } from '../merge/cell-cursor'
import { systemCode } from '../system-error'
import type { TableCorruption } from '../table/damage'
import type { Place } from '../table/place'

/**
 * A cursor that ends where damage lies, instead of throwing, and remembers it until it seeks again: of
 * several that are merged the others go on.
 */
export class DamageCursor implements CellCursor {
  /** What has ended it. */
  damage: TableCorruption | undefined

  constructor(private readonly cursor: CellCursor) {}

  get ended(): boolean {
    return this.damage !== undefined || this.cursor.ended
  }

  get buffer(): Buffer {
    return this.cursor.buffer
  }

  get at(): number {
    return this.cursor.at
  }

  get partition(): number {
    return this.cursor.partition
  }

  async seek(after: Place | undefined): Promise<void> {
    this.damage = undefined
    try {
      await this.cursor.seek(after)
    } catch (error) {
      this.meet(error)
    }
  }

  advance(): boolean {
    try {
      return this.cursor.advance()
    } catch (error) {
      this.meet(error)
      return true
    }
  }

  async load(): Promise<void> {
    try {
      await this.cursor.load()
    } catch (error) {
      this.meet(error)
    }
  }

  close(): Promise<void> {
    return this.cursor.close()
  }

  private meet(error: unknown): void {
    const { table } = error as Partial<TableCorruption>
    if (systemCode(error) !== 'CASSIO_CORRUPT' || table === undefined) throw error
    this.damage = error as TableCorruption
  }
}
