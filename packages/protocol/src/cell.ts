import { compareStamps } from './stamp'

/**
 * A cell is one version of one key, laid out once by whoever makes it. The same bytes travel to the
 * replicas and lie in the commit log and the memtable.
 *
 *   0  u32  size of the whole cell, this header included
 *   4  u16  key length, 1 to 65,535
 *   6  u8   flags: 1 tombstone, 2 expires, 4 the stamp was given by the client
 *   7  u8   kind of value: 0 bytes, 1 UTF-8 text, 2 MessagePack
 *   8  16 B stamp
 *  24  u48  expiry, milliseconds since the Unix epoch; 0 unless the cell expires
 *  30  u16  zero
 *  32  key, then value (none when a tombstone)
 *
 * Big-endian. @see docs/formats/cell.md
 */
export const CELL_HEADER_BYTES = 32
export const CELL_STAMP_AT = 8
const KEY_LENGTH_AT = 4
const FLAGS_AT = 6
const KIND_AT = 7
const EXPIRY_AT = 24

export const KEY_BYTES_MAX = 65_535
/** The default of `maxValueBytes`, and the most that it may be set to. */
export const VALUE_BYTES_DEFAULT = 1024 * 1024
export const VALUE_BYTES_MAX = 16 * 1024 * 1024
export const EXPIRY_MS_MAX = 2 ** 48 - 1

export const CellFlag = Object.freeze({ tombstone: 1, expires: 2, clientStamp: 4 })
const ALL_FLAGS = CellFlag.tombstone | CellFlag.expires | CellFlag.clientStamp

export const ValueKind = Object.freeze({ bytes: 0, text: 1, messagePack: 2 })
export type ValueKind = (typeof ValueKind)[keyof typeof ValueKind]

export function cellBytes(keyBytes: number, valueBytes: number): number {
  return CELL_HEADER_BYTES + keyBytes + valueBytes
}

/**
 * Lays out a cell at `target[at]` with a blank stamp and no expiry; the caller fills in both.
 * @returns the cell's size. `target` must have room for `cellBytes(…)`.
 */
export function writeCell(
  target: Buffer,
  at: number,
  key: Uint8Array,
  value: Uint8Array,
  flags: number,
  kind: number,
): number {
  const size = cellBytes(key.length, value.length)
  target.writeUInt32BE(size, at)
  target.writeUInt16BE(key.length, at + KEY_LENGTH_AT)
  target[at + FLAGS_AT] = flags
  target[at + KIND_AT] = kind
  target.fill(0, at + CELL_STAMP_AT, at + CELL_HEADER_BYTES)
  target.set(key, at + CELL_HEADER_BYTES)
  target.set(value, at + CELL_HEADER_BYTES + key.length)
  return size
}

export function cellSize(cell: Buffer, at: number): number {
  return cell.readUInt32BE(at)
}

export function cellKeyLength(cell: Buffer, at: number): number {
  return cell.readUInt16BE(at + KEY_LENGTH_AT)
}

export function cellFlags(cell: Buffer, at: number): number {
  return cell[at + FLAGS_AT]!
}

export function setCellFlags(cell: Buffer, at: number, flags: number): void {
  cell[at + FLAGS_AT] = flags
}

export function cellKind(cell: Buffer, at: number): number {
  return cell[at + KIND_AT]!
}

export function cellExpiryMs(cell: Buffer, at: number): number {
  return cell.readUIntBE(at + EXPIRY_AT, 6)
}

export function setCellExpiryMs(cell: Buffer, at: number, expiryMs: number): void {
  cell.writeUIntBE(expiryMs, at + EXPIRY_AT, 6)
}

export function isTombstone(cell: Buffer, at: number): boolean {
  return (cell[at + FLAGS_AT]! & CellFlag.tombstone) !== 0
}

/** @param wallMs The judge's wall clock. An expired cell reads as a tombstone with its stamp. */
export function isExpired(cell: Buffer, at: number, wallMs: number): boolean {
  return (cell[at + FLAGS_AT]! & CellFlag.expires) !== 0 && cellExpiryMs(cell, at) <= wallMs
}

/** A view of the key, not a copy: it lives as long as the cell's buffer keeps these bytes. */
export function cellKey(cell: Buffer, at: number): Buffer {
  const from = at + CELL_HEADER_BYTES
  return cell.subarray(from, from + cellKeyLength(cell, at))
}

/** A view of the value, not a copy. */
export function cellValue(cell: Buffer, at: number): Buffer {
  return cell.subarray(at + CELL_HEADER_BYTES + cellKeyLength(cell, at), at + cellSize(cell, at))
}

/**
 * Checks the layout of a foreign cell that must fill `cell[at..end)` exactly.
 * @returns undefined when it is sound, or what is wrong with it, in words.
 */
export function cellFault(cell: Buffer, at: number, end: number): string | undefined {
  if (end - at < CELL_HEADER_BYTES) return 'cell is shorter than its header'
  if (cellSize(cell, at) !== end - at) return 'cell size does not match its message'
  const keyLength = cellKeyLength(cell, at)
  const flags = cellFlags(cell, at)
  const valueBytes = end - at - CELL_HEADER_BYTES - keyLength
  if (keyLength === 0) return 'key is empty'
  if (valueBytes < 0) return 'key is longer than its cell'
  if ((flags & ~ALL_FLAGS) !== 0) return 'unknown cell flags'
  if (cellKind(cell, at) > ValueKind.messagePack) return 'unknown kind of value'
  if ((flags & CellFlag.tombstone) !== 0 && valueBytes > 0) return 'tombstone carries a value'
  if (((flags & CellFlag.expires) !== 0) !== cellExpiryMs(cell, at) > 0) {
    return 'expiry and its flag disagree'
  }
  if (cell.readUInt16BE(at + 30) !== 0) return 'reserved cell bytes are not zero'
  return undefined
}

/**
 * Which of two versions of one key survives: the larger stamp; with equal, client-given stamps a
 * tombstone, then the larger value bytes, then the larger remaining header. A total order, so
 * keeping the larger is commutative, associative and idempotent.
 *
 * @returns below 0, 0 or above 0, as `a` loses, is the same cell, or wins.
 */
export function reconcile(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const byStamp = compareStamps(a, aAt + CELL_STAMP_AT, b, bAt + CELL_STAMP_AT)
  if (byStamp !== 0) return byStamp
  const byTombstone = Number(isTombstone(a, aAt)) - Number(isTombstone(b, bAt))
  if (byTombstone !== 0) return byTombstone
  const byValue = Buffer.compare(cellValue(a, aAt), cellValue(b, bAt))
  if (byValue !== 0) return byValue
  return Buffer.compare(
    a.subarray(aAt + FLAGS_AT, aAt + CELL_HEADER_BYTES),
    b.subarray(bAt + FLAGS_AT, bAt + CELL_HEADER_BYTES),
  )
}

/** A copy of the cell with the value left out, for answers that want keys alone. */
export function cellWithoutValue(cell: Buffer, at: number): Buffer {
  const size = CELL_HEADER_BYTES + cellKeyLength(cell, at)
  const copy = Buffer.from(cell.subarray(at, at + size))
  copy.writeUInt32BE(size, 0)
  return copy
}
