import type { Disk } from '@cassiopeia/env'
import { KEY_BYTES_MAX } from '@cassiopeia/protocol'
import { messageOf } from '../system-error'
import type { TableCorruption } from '../table/damage'
import { openTableFile, readIndex } from '../table/table-file'
import type { TableIndex } from '../table/table-index'
import { tableName } from '../table/table-info'
import type { TableDamage, TableRef } from './job'

const NO_KEY = Buffer.alloc(0)
/** No key is above it. */
const LAST_KEY = Buffer.alloc(KEY_BYTES_MAX, 0xff)

interface Hidden {
  /** Partitions, both included. */
  readonly from: number
  readonly to: number
  /** Whether there may be cells of such a partition in what is damaged. */
  readonly has: (partition: number) => boolean
}

/**
 * Which partitions damage that cursors have met may have cells of: with a damaged block those between
 * its separator and the next one's, else all that the table has.
 */
export class DamageReach {
  readonly damages: TableDamage[] = []
  private readonly hidden: Hidden[] = []

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly tables: readonly TableRef[],
  ) {}

  hides(partition: number): boolean {
    return this.hidden.some(
      ({ from, to, has }) => from <= partition && partition <= to && has(partition),
    )
  }

  /** Takes note of damage, once. @throws the disk's own errors. */
  async note(error: TableCorruption): Promise<void> {
    const { table, at, bytes } = error
    if (this.damages.some((known) => known.table === table && known.at === at)) return
    this.damages.push({ table, at, bytes, what: messageOf(error) })
    const ref = this.tables.find(({ info }) => info.number === table)!
    const { first, last } = ref.info
    const has = (await this.blockReach(ref, at, bytes)) ?? (() => true)
    this.hidden.push({ from: first.partition, to: last.partition, has })
  }

  /** @returns undefined unless the damage is just one block. */
  private async blockReach(
    ref: TableRef,
    at: number,
    bytes: number,
  ): Promise<Hidden['has'] | undefined> {
    const index = await this.indexOf(ref)
    if (index === undefined) return undefined
    for (let block = 0; block < index.blocks; block += 1) {
      if (index.position(block) !== at || index.bytesOf(block) !== bytes) continue
      return (partition) =>
        index.find(partition, NO_KEY, 0, 0) <= block &&
        index.find(partition, LAST_KEY, 0, KEY_BYTES_MAX) >= block
    }
    return undefined
  }

  private async indexOf({ info }: TableRef): Promise<TableIndex | undefined> {
    const path = `${this.directory}/${tableName(info.number)}`
    const { file, layout } = await openTableFile(this.disk, path, info)
    if (file === undefined) return undefined
    try {
      const index = await readIndex(file, layout)
      return typeof index === 'string' ? undefined : index
    } finally {
      await file.close()
    }
  }
}
