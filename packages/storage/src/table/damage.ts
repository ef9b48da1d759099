import { CassioError } from '@cassiopeia/protocol'
import type { TableDamage } from '../jobs/job'

/** What a reader throws of damage: the fields that make a `TableDamage` of it survive a thread. */
export interface TableCorruption extends CassioError {
  /** Number of the table. */
  readonly table: number
  /** Position and size of the damage in its file, in bytes. */
  readonly at: number
  readonly bytes: number
}

export function corruption(path: string, damage: TableDamage): TableCorruption {
  const { table, at, bytes, what } = damage
  const where = `${bytes} bytes at ${at}`
  const error = new CassioError('CASSIO_CORRUPT', `${path} is damaged, ${where}: ${what}`)
  return Object.assign(error, { table, at, bytes })
}
