import type { Clock } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CellFlag,
  cellFlags,
  cellKeyLength,
  cellSize,
  isExpired,
} from '@cassiopeia/protocol'
import { copyBytes } from './write-bytes'

/** Whether a cell stands for a value by now: neither a tombstone nor expired. */
export function isLive(cell: Buffer, at: number, clock: Clock): boolean {
  const flags = cellFlags(cell, at)
  if ((flags & (CellFlag.tombstone | CellFlag.expires)) === 0) return true
  return (flags & CellFlag.tombstone) === 0 && !isExpired(cell, at, clock.wallMs())
}

/** A copy of the cell's value, the caller's own. */
export function copyOfValue(cell: Buffer, at: number): Buffer {
  const from = at + CELL_HEADER_BYTES + cellKeyLength(cell, at)
  return copyBytes(cell, from, at + cellSize(cell, at))
}
