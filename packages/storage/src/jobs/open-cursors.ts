import type { Disk } from '@cassiopeia/env'
import { TableCursor } from '../table/table-cursor'
import { tableName } from '../table/table-info'
import type { TableRef } from './job'

export function openCursors(
  disk: Disk,
  directory: string,
  refs: readonly TableRef[],
): TableCursor[] {
  return refs.map((ref) => new TableCursor(disk, `${directory}/${tableName(ref.info.number)}`, ref))
}
