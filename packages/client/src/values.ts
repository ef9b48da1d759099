import {
  CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  cellKeyLength,
  cellSize,
  encodeValue,
  setCellExpiryMs,
  VALUE_BYTES_MAX,
  ValueKind,
  writeCell,
} from '@cassiopeia/protocol'

const NO_VALUE = Buffer.alloc(0)

/** What a write says besides key and value. */
export interface CellTerms {
  /** Milliseconds to live; the coordinator makes it absolute. */
  readonly ttlMs: number | undefined
  /** 16 bytes, when the caller gives the stamp. */
  readonly stamp: Buffer | undefined
}

/**
 * The cell of a set. @returns a buffer of its own: the value is copied.
 * @throws TypeError for what cannot be stored; CassioError CASSIO_VALUE_TOO_LARGE over 16 MiB.
 */
export function valueCell(key: Buffer, value: unknown, terms: CellTerms): Buffer {
  const { kind, bytes } = encodeValue(value)
  if (bytes.length > VALUE_BYTES_MAX) {
    throw new CassioError(
      'CASSIO_VALUE_TOO_LARGE',
      `the value has ${bytes.length} bytes; no node takes more than ${VALUE_BYTES_MAX}`,
    )
  }
  return buildCell(key, bytes, 0, kind, terms)
}

/** The cell of a del. */
export function tombstoneCell(key: Buffer, terms: CellTerms): Buffer {
  return buildCell(key, NO_VALUE, CellFlag.tombstone, ValueKind.bytes, terms)
}

export function cellValueBytes(cell: Buffer): number {
  return cellSize(cell, 0) - CELL_HEADER_BYTES - cellKeyLength(cell, 0)
}

function buildCell(
  key: Buffer,
  value: Buffer,
  flags: number,
  kind: number,
  { ttlMs, stamp }: CellTerms,
): Buffer {
  const cell = Buffer.allocUnsafe(cellBytes(key.length, value.length))
  const expires = ttlMs === undefined ? 0 : CellFlag.expires
  const isStamped = stamp === undefined ? 0 : CellFlag.clientStamp
  writeCell(cell, 0, key, value, flags | expires | isStamped, kind)
  if (ttlMs !== undefined) setCellExpiryMs(cell, 0, ttlMs)
  stamp?.copy(cell, CELL_STAMP_AT)
  return cell
}
