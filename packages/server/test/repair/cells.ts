import {
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  nodeTag,
  setCellExpiryMs,
  ValueKind,
  writeCell,
  writeStamp,
} from '@cassiopeia/protocol'

export const TAG = nodeTag('00000000-0000-4000-8000-000000000000')

export interface Version {
  readonly ms: number
  readonly counter?: number
  readonly dead?: boolean
  readonly value?: string
  /** The client gave the stamp. */
  readonly clients?: boolean
  readonly expiryMs?: number
}

export function makeCell(key: string, version: Version): Buffer {
  const { ms, counter = 0, dead = false, value = '', clients = false, expiryMs = 0 } = version
  const flags =
    (dead ? CellFlag.tombstone : 0) |
    (clients ? CellFlag.clientStamp : 0) |
    (expiryMs > 0 ? CellFlag.expires : 0)
  const keyBytes = Buffer.from(key)
  const valueBytes = Buffer.from(dead ? '' : value)
  const cell = Buffer.alloc(cellBytes(keyBytes.length, valueBytes.length))
  writeCell(cell, 0, keyBytes, valueBytes, flags, dead ? ValueKind.bytes : ValueKind.text)
  writeStamp(cell, CELL_STAMP_AT, ms, counter, TAG)
  if (expiryMs > 0) setCellExpiryMs(cell, 0, expiryMs)
  return cell
}
