import { crc32 } from '@cassiopeia/protocol'

/**
 * The bytes of a commit log segment: one segment header, then batches, each a batch header and its
 * cells. Pure. @see docs/formats/commit-log.md
 *
 * Segment header (32 bytes, big-endian):
 *   0  4 B  magic 'CLSG'
 *   4  u16  format version
 *   6  u48  segment number, as in the file's name
 *  12  u48  number of the oldest segment that is still needed once this one exists
 *  18  u48  time of creation, milliseconds since the Unix epoch
 *  24  u32  how many bytes of the segment before this one count; 0 when there is none
 *  28  u32  CRC-32 of bytes 0 to 27
 *
 * Batch header (24 bytes, big-endian):
 *   0  4 B  magic 'CLBT'
 *   4  u32  CRC-32 of all that follows in the batch, seeded with the segment header's CRC
 *   8  u32  position of this batch in the segment
 *  12  u32  how many bytes of the segment were known to be synced when the batch was written
 *  16  u32  bytes of cells that follow
 *  20  u32  number of cells
 */
export const SEGMENT_HEADER_BYTES = 32
export const BATCH_HEADER_BYTES = 24
export const LOG_FORMAT_VERSION = 1

const SEGMENT_MAGIC = 0x434c5347
const BATCH_MAGIC = 0x434c4254
/** The batch magic as bytes, for finding batches behind a damaged one. */
export const BATCH_MAGIC_BYTES: Buffer = Buffer.from('CLBT', 'latin1')

const SEGMENT_CRC_AT = 28
const BATCH_CRC_AT = 4
const BATCH_FIELDS_AT = 8
const CELL_BYTES_AT = 16

export interface SegmentHeader {
  readonly number: number
  /** The oldest segment still needed: those below it may be gone, none from it on may be missing. */
  readonly first: number
  readonly createdMs: number
  /**
   * How many bytes of segment `number - 1` count: those known to be durable when this one was
   * begun. 0 when there was none. An empty batch may follow them, whole or torn.
   */
  readonly previousBytes: number
}

export interface BatchHeader {
  readonly crc: number
  readonly position: number
  readonly durableBytes: number
  readonly cellBytes: number
  readonly cells: number
}

/** What a segment file's first bytes say. `seed` binds the batches to their file. */
export type SegmentHeaderReading =
  | { readonly header: SegmentHeader; readonly seed: number; readonly fault?: undefined }
  /** `whole`: the checksum bears it out, so that no torn write explains the fault. */
  | { readonly fault: string; readonly whole: boolean }

/** @param version Only for tests of files from the future. */
export function encodeSegmentHeader(header: SegmentHeader, version = LOG_FORMAT_VERSION): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  bytes.writeUInt32BE(SEGMENT_MAGIC, 0)
  bytes.writeUInt16BE(version, 4)
  bytes.writeUIntBE(header.number, 6, 6)
  bytes.writeUIntBE(header.first, 12, 6)
  bytes.writeUIntBE(header.createdMs, 18, 6)
  bytes.writeUInt32BE(header.previousBytes, 24)
  bytes.writeUInt32BE(segmentSeed(bytes), SEGMENT_CRC_AT)
  return bytes
}

/** The CRC of a segment header, with which every batch of the segment seeds its own. */
export function segmentSeed(header: Buffer): number {
  return crc32(header.subarray(0, SEGMENT_CRC_AT))
}

/** @param bytes At least `SEGMENT_HEADER_BYTES`. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeaderReading {
  const seed = segmentSeed(bytes)
  if (bytes.readUInt32BE(0) !== SEGMENT_MAGIC)
    return { fault: 'it is not a commit log segment', whole: false }
  if (bytes.readUInt32BE(SEGMENT_CRC_AT) !== seed) {
    return { fault: 'the segment header fails its checksum', whole: false }
  }
  const version = bytes.readUInt16BE(4)
  if (version !== LOG_FORMAT_VERSION) {
    const known = `this program reads ${LOG_FORMAT_VERSION}`
    return { fault: `format version ${version} is unknown, ${known}`, whole: true }
  }
  const number = bytes.readUIntBE(6, 6)
  const first = bytes.readUIntBE(12, 6)
  const createdMs = bytes.readUIntBE(18, 6)
  return { header: { number, first, createdMs, previousBytes: bytes.readUInt32BE(24) }, seed }
}

/** Lays out a batch header over `cells`, which together are the batch's cells in order. */
export function encodeBatchHeader(
  target: Buffer,
  seed: number,
  position: number,
  durableBytes: number,
  cellCount: number,
  cells: readonly Buffer[],
): void {
  let cellBytes = 0
  for (const range of cells) cellBytes += range.length
  target.writeUInt32BE(BATCH_MAGIC, 0)
  target.writeUInt32BE(position, 8)
  target.writeUInt32BE(durableBytes, 12)
  target.writeUInt32BE(cellBytes, CELL_BYTES_AT)
  target.writeUInt32BE(cellCount, 20)
  let crc = crc32(target.subarray(BATCH_FIELDS_AT, BATCH_HEADER_BYTES), seed)
  for (const range of cells) crc = crc32(range, crc)
  target.writeUInt32BE(crc, BATCH_CRC_AT)
}

/**
 * Reads the batch header at `bytes[at]`, unverified.
 * @returns undefined when no batch can begin here: wrong magic, or made for another position.
 */
export function decodeBatchHeader(
  bytes: Buffer,
  at: number,
  position: number,
): BatchHeader | undefined {
  if (bytes.readUInt32BE(at) !== BATCH_MAGIC || bytes.readUInt32BE(at + 8) !== position) {
    return undefined
  }
  return {
    crc: bytes.readUInt32BE(at + BATCH_CRC_AT),
    position,
    durableBytes: bytes.readUInt32BE(at + 12),
    cellBytes: bytes.readUInt32BE(at + CELL_BYTES_AT),
    cells: bytes.readUInt32BE(at + 20),
  }
}

/** How long the batch at `bytes[at]` says that it is, its header included; unverified. */
export function batchBytesAt(bytes: Buffer, at: number): number {
  return BATCH_HEADER_BYTES + bytes.readUInt32BE(at + CELL_BYTES_AT)
}

/** Whether the whole batch at `bytes[at]` bears out its checksum. */
export function batchIsSound(
  bytes: Buffer,
  at: number,
  header: BatchHeader,
  seed: number,
): boolean {
  const end = at + BATCH_HEADER_BYTES + header.cellBytes
  return crc32(bytes.subarray(at + BATCH_FIELDS_AT, end), seed) === header.crc
}

const NAME_DIGITS = 16
const NAME_PATTERN = /^(\d{16})\.log$/

export function segmentName(number: number): string {
  return `${String(number).padStart(NAME_DIGITS, '0')}.log`
}

/** @returns the number in a segment's file name, or undefined for any other name. */
export function segmentNumberOf(name: string): number | undefined {
  const digits = NAME_PATTERN.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
