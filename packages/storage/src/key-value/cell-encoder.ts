import {
  CELL_HEADER_BYTES,
  CellFlag,
  cellBytes,
  KEY_BYTES_MAX,
  setCellExpiryMs,
  VALUE_BYTES_MAX,
  ValueKind,
} from '@cassiopeia/protocol'
import { type Bytes, expiryMsOf, keyTooLarge, notBytes, valueTooLarge } from './arguments'
import type { RisingStamps } from './rising-stamps'
import { UTF8_BYTES_PER_UNIT, writeBytes, writeText } from './write-bytes'

const SCRATCH_BYTES_MIN = 4 * 1024
/** A larger scratch is let go of after use. */
const SCRATCH_KEPT_BYTES_MAX = 1024 * 1024
/** The bytes of longer text are counted first, instead of making room for the most it may need. */
const ROUGH_TEXT_MAX = 64 * 1024

const KEY_LENGTH_AT = 4
const FLAGS_AT = 6
const EXPIRY_AT = 24

/**
 * Lays out cells one behind the other in a scratch buffer, so that a write allocates nothing:
 * `buffer[0..end)` holds those since `restart`. After a throw `end` still bounds whole cells.
 *
 * It lays them out as `writeCell` does, with key and value encoded in place.
 * @see docs/formats/cell.md
 */
export class CellEncoder {
  buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES_MIN)
  end = 0

  constructor(private readonly stamps: RisingStamps) {}

  restart(): void {
    this.end = 0
    if (this.buffer.length > SCRATCH_KEPT_BYTES_MAX) {
      this.buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES_MIN)
    }
  }

  /** @throws TypeError, RangeError, CassioError CASSIO_KEY_TOO_LARGE, CASSIO_VALUE_TOO_LARGE. */
  addValue(key: Bytes, value: Bytes, ttlMs: number | undefined, wallMs: number): void {
    const expiryMs = ttlMs === undefined ? 0 : expiryMsOf(ttlMs, wallMs)
    this.makeRoom(cellBytes(keyRoom(key), valueRoom(value)))
    const keyEnd = this.putKey(key)
    const end = this.putValue(value, keyEnd)
    const kind = typeof value === 'string' ? ValueKind.text : ValueKind.bytes
    this.putHeader(keyEnd, end, expiryMs === 0 ? 0 : CellFlag.expires, kind, wallMs)
    if (expiryMs !== 0) setCellExpiryMs(this.buffer, this.end, expiryMs)
    this.end = end
  }

  /** @throws TypeError, CassioError CASSIO_KEY_TOO_LARGE. */
  addTombstone(key: Bytes, wallMs: number): void {
    this.makeRoom(cellBytes(keyRoom(key), 0))
    const end = this.putKey(key)
    this.putHeader(end, end, CellFlag.tombstone, ValueKind.bytes, wallMs)
    this.end = end
  }

  private putKey(key: Bytes): number {
    const from = this.end + CELL_HEADER_BYTES
    const end = putKey(this.buffer, from, key)
    if (end > from && end - from <= KEY_BYTES_MAX) return end
    throw keyTooLarge(end - from)
  }

  private putValue(value: Bytes, from: number): number {
    if (typeof value !== 'string') return writeBytes(this.buffer, from, value)
    const end = writeText(this.buffer, from, value, 'value')
    if (end - from <= VALUE_BYTES_MAX) return end
    throw valueTooLarge(end - from)
  }

  /** All but the expiry. */
  private putHeader(
    keyEnd: number,
    end: number,
    flags: number,
    kind: number,
    wallMs: number,
  ): void {
    const { buffer, end: at } = this
    buffer.writeUInt32BE(end - at, at)
    buffer.writeUInt16BE(keyEnd - at - CELL_HEADER_BYTES, at + KEY_LENGTH_AT)
    buffer.writeUInt16BE(flags * 256 + kind, at + FLAGS_AT)
    this.stamps.writeNext(buffer, at, wallMs)
    buffer.writeUInt32BE(0, at + EXPIRY_AT)
    buffer.writeUInt32BE(0, at + EXPIRY_AT + 4)
  }

  private makeRoom(bytes: number): void {
    const needed = this.end + bytes
    if (needed <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buffer.length))
    this.buffer.copy(larger, 0, 0, this.end)
    this.buffer = larger
  }
}

/** A scratch for the keys of reads: `buffer[0..length)` is the key that `put` was given last. */
export class KeyScratch {
  buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES_MIN)

  /** @returns its length. @throws TypeError, CassioError CASSIO_KEY_TOO_LARGE. */
  put(key: Bytes): number {
    const room = keyRoom(key)
    // Bounded: no key needs more room than the longest one.
    if (room > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(2 * room)
    const length = putKey(this.buffer, 0, key)
    if (length > 0 && length <= KEY_BYTES_MAX) return length
    throw keyTooLarge(length)
  }
}

function putKey(target: Buffer, at: number, key: Bytes): number {
  return typeof key === 'string' ? writeText(target, at, key, 'key') : writeBytes(target, at, key)
}

/** The most bytes that the key may need. */
export function keyRoom(key: Bytes): number {
  const { length } = bytesOf(key, 'key')
  if (length > KEY_BYTES_MAX) throw keyTooLarge(Buffer.byteLength(key))
  return typeof key === 'string' ? length * UTF8_BYTES_PER_UNIT : length
}

function valueRoom(value: Bytes): number {
  const { length } = bytesOf(value, 'value')
  if (length > VALUE_BYTES_MAX) throw valueTooLarge(Buffer.byteLength(value))
  if (typeof value !== 'string') return length
  if (length <= ROUGH_TEXT_MAX) return length * UTF8_BYTES_PER_UNIT
  return Buffer.byteLength(value)
}

function bytesOf(given: Bytes, what: string): Bytes {
  if (typeof given === 'string' || given instanceof Uint8Array) return given
  throw notBytes(what, given)
}
