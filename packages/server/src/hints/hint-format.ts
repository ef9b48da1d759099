import {
  CELL_HEADER_BYTES,
  cellFault,
  cellSize,
  crc32,
  KEY_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '@cassiopeia/protocol'

/**
 * The bytes of a hint file: one file header, then batches, each a batch header and its hints. Pure.
 * @see docs/formats/hints.md
 *
 * File header (88 bytes, big-endian):
 *   0  4 B  magic 'CHNT'
 *   4  u16  format version
 *   6  u48  number of the file, as in its name
 *  12  u48  when its first hint was kept, milliseconds since the Unix epoch
 *  18  u16  length of the member id, 1 to 64
 *  20  64 B id of the member that missed the writes, ASCII, then zeros
 *  84  u32  CRC-32 of bytes 0 to 83
 *
 * Batch header (28 bytes, big-endian):
 *   0  4 B  magic 'CHBT'
 *   4  u32  CRC-32 of all that follows in the batch, seeded with the file header's CRC
 *   8  u32  position of this batch in the file
 *  12  u32  bytes of hints that follow
 *  16  u32  number of hints
 *  20  u48  when the first of them was kept, milliseconds since the Unix epoch
 *  26  u16  zero
 *
 * Hint: u32 partition, then the cell.
 */
export const FILE_HEADER_BYTES = 88
export const BATCH_HEADER_BYTES = 28
export const HINT_HEADER_BYTES = 4
export const HINT_FORMAT_VERSION = 1

export const CELL_BYTES_MAX = CELL_HEADER_BYTES + KEY_BYTES_MAX + VALUE_BYTES_MAX
/** No batch has more bytes of hints: one of the largest cells fills a batch alone. */
export const BATCH_HINT_BYTES_MAX = HINT_HEADER_BYTES + CELL_BYTES_MAX

const FILE_MAGIC = 0x43484e54
const BATCH_MAGIC = 0x43484254
/** The batch magic as bytes, for finding batches behind a damaged one. */
export const BATCH_MAGIC_BYTES: Buffer = Buffer.from('CHBT', 'latin1')

const FILE_CRC_AT = 84
const BATCH_CRC_AT = 4
const BATCH_FIELDS_AT = 8

export interface HintFileHeader {
  readonly number: number
  readonly createdMs: number
  readonly memberId: string
}

export interface HintBatchHeader {
  readonly crc: number
  readonly hintBytes: number
  readonly hints: number
  readonly keptMs: number
}

/** `seed` binds the batches to their file. */
export type HintFileHeaderReading =
  | { readonly header: HintFileHeader; readonly seed: number; readonly fault?: undefined }
  | { readonly fault: string }

/** @param version Only for tests of files from the future. */
export function encodeFileHeader(header: HintFileHeader, version = HINT_FORMAT_VERSION): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  bytes.writeUInt32BE(FILE_MAGIC, 0)
  bytes.writeUInt16BE(version, 4)
  bytes.writeUIntBE(header.number, 6, 6)
  bytes.writeUIntBE(header.createdMs, 12, 6)
  bytes.writeUInt16BE(header.memberId.length, 18)
  bytes.write(header.memberId, 20, 'latin1')
  bytes.writeUInt32BE(fileSeed(bytes), FILE_CRC_AT)
  return bytes
}

/** The CRC of a file header, with which every batch of the file seeds its own. */
export function fileSeed(header: Buffer): number {
  return crc32(header.subarray(0, FILE_CRC_AT))
}

/** Reads the header of a file that is kept for `memberId` under `number`. */
export function decodeFileHeader(
  bytes: Buffer,
  memberId: string,
  number: number,
): HintFileHeaderReading {
  if (bytes.length < FILE_HEADER_BYTES) return { fault: 'it is shorter than its header' }
  const seed = fileSeed(bytes)
  if (bytes.readUInt32BE(0) !== FILE_MAGIC) return { fault: 'it is not a hint file' }
  if (bytes.readUInt32BE(FILE_CRC_AT) !== seed) return { fault: 'its header fails its checksum' }
  const version = bytes.readUInt16BE(4)
  if (version !== HINT_FORMAT_VERSION) {
    return { fault: `format version ${version} is unknown, this program reads 1` }
  }
  const header: HintFileHeader = {
    number: bytes.readUIntBE(6, 6),
    createdMs: bytes.readUIntBE(12, 6),
    memberId: bytes.toString('latin1', 20, 20 + bytes.readUInt16BE(18)),
  }
  if (header.memberId !== memberId) return { fault: `it was kept for ${header.memberId}` }
  if (header.number !== number) return { fault: `it was made as number ${header.number}` }
  return { header, seed }
}

/** Lays out the header of the batch that is all of `batch`: its hints are there already. */
export function encodeBatchHeader(
  batch: Buffer,
  seed: number,
  position: number,
  hints: number,
  keptMs: number,
): void {
  batch.writeUInt32BE(BATCH_MAGIC, 0)
  batch.writeUInt32BE(position, 8)
  batch.writeUInt32BE(batch.length - BATCH_HEADER_BYTES, 12)
  batch.writeUInt32BE(hints, 16)
  batch.writeUIntBE(keptMs, 20, 6)
  batch.writeUInt16BE(0, 26)
  batch.writeUInt32BE(crc32(batch.subarray(BATCH_FIELDS_AT), seed), BATCH_CRC_AT)
}

/**
 * Reads the batch header at `bytes[at]`, unverified.
 * @returns undefined when no batch can begin here: wrong magic, or made for another position.
 */
export function decodeBatchHeader(
  bytes: Buffer,
  at: number,
  position: number,
): HintBatchHeader | undefined {
  if (bytes.readUInt32BE(at) !== BATCH_MAGIC || bytes.readUInt32BE(at + 8) !== position) {
    return undefined
  }
  return {
    crc: bytes.readUInt32BE(at + BATCH_CRC_AT),
    hintBytes: bytes.readUInt32BE(at + 12),
    hints: bytes.readUInt32BE(at + 16),
    keptMs: bytes.readUIntBE(at + 20, 6),
  }
}

/**
 * Checks the whole batch at `bytes[at]`, cell by cell.
 * @returns undefined when it is sound, or what is wrong with it, in words.
 */
export function batchFault(
  bytes: Buffer,
  at: number,
  header: HintBatchHeader,
  seed: number,
): string | undefined {
  const end = at + BATCH_HEADER_BYTES + header.hintBytes
  if (crc32(bytes.subarray(at + BATCH_FIELDS_AT, end), seed) !== header.crc) {
    return 'a batch fails its checksum'
  }
  let hints = 0
  for (let hint = at + BATCH_HEADER_BYTES; hint < end; hints += 1) {
    const cell = hint + HINT_HEADER_BYTES
    if (end - cell < CELL_HEADER_BYTES) return 'a batch ends within a hint'
    const cellEnd = cell + cellSize(bytes, cell)
    if (cellEnd > end) return 'a cell is longer than its batch'
    const fault = cellFault(bytes, cell, cellEnd)
    if (fault !== undefined) return fault
    hint = cellEnd
  }
  return hints === header.hints ? undefined : `a batch has ${hints} hints, not ${header.hints}`
}

const NAME_DIGITS = 16
const NAME_PATTERN = /^(\d{16})\.hints$/
const MEMBER_ID_PATTERN = /^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$/

export function hintFileName(number: number): string {
  return `${String(number).padStart(NAME_DIGITS, '0')}.hints`
}

/** @returns the number in a hint file's name, or undefined for any other name. */
export function hintFileNumberOf(name: string): number | undefined {
  const digits = NAME_PATTERN.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Whether a directory may have this name. Member ids come from others; ours are UUIDs. */
export function isMemberId(name: string): boolean {
  return MEMBER_ID_PATTERN.test(name)
}
