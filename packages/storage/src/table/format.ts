import { crc32, STAMP_BYTES } from '@cassiopeia/protocol'
import type { TableInfo, TableKind } from './table-info'

/**
 * The bytes of a table: one header, data blocks back to back, the filter or the locator block, the
 * index block, one footer. Pure. @see docs/formats/table.md
 *
 * Header (24 bytes, big-endian):
 *   0  4 B  magic 'CTBL'
 *   4  u16  format version
 *   6  u8   kind of table
 *   7  u8   zero
 *   8  u48  number of the table, as in the file's name
 *  14  u48  time of creation, milliseconds since the Unix epoch
 *  20  u32  CRC-32 of bytes 0 to 19: the table's seed
 *
 * Frame of a block (16 bytes, then the stored payload):
 *   0  u32  CRC-32 of all that follows in the frame, seeded with the table's seed
 *   4  u32  position of this frame in the file
 *   8  u32  bytes of payload before compression
 *  12  u8   codec: 0 stored as it is, 1 raw DEFLATE
 *  13  u8   kind of block: 1 data, 2 filter, 3 index, 4 locator
 *  14  u16  number of cells in a data block, else 0
 *
 * Footer (96 bytes): see `encodeFooter`.
 */
export const HEADER_BYTES = 24
export const FRAME_HEADER_BYTES = 16
export const FOOTER_BYTES = 96
export const TABLE_FORMAT_VERSION = 1
/** Positions are u32. */
export const TABLE_BYTES_MAX = 0xffff_ffff

export const BlockKind = Object.freeze({ data: 1, filter: 2, index: 3, locator: 4 })
export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind]
export const Codec = Object.freeze({ none: 0, deflate: 1 })
export type Codec = (typeof Codec)[keyof typeof Codec]

const HEADER_MAGIC = 0x4354424c
const FOOTER_MAGIC = 0x43544246
const HEADER_CRC_AT = 20
const FOOTER_CRC_AT = 92

export interface TableHeader {
  readonly kind: TableKind
  readonly number: number
  readonly createdMs: number
}

export function encodeHeader(header: TableHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt32BE(HEADER_MAGIC, 0)
  bytes.writeUInt16BE(TABLE_FORMAT_VERSION, 4)
  bytes[6] = header.kind
  bytes.writeUIntBE(header.number, 8, 6)
  bytes.writeUIntBE(header.createdMs, 14, 6)
  bytes.writeUInt32BE(headerSeed(bytes), HEADER_CRC_AT)
  return bytes
}

/** The CRC of a table's header, with which all its blocks seed their own. */
export function headerSeed(header: Buffer): number {
  return crc32(header.subarray(0, HEADER_CRC_AT))
}

/** @returns what is wrong with a header whose table has this seed, in words; or undefined. */
export function headerFault(header: Buffer, seed: number): string | undefined {
  const sound = headerSeed(header) === seed && header.readUInt32BE(HEADER_CRC_AT) === seed
  return sound ? undefined : 'the header fails its checksum'
}

/** What a frame holds, as its writer knows it. */
export interface FrameFields {
  readonly position: number
  readonly payloadBytes: number
  readonly codec: Codec
  readonly kind: BlockKind
  readonly cells: number
}

/** Fills in the frame's header; the stored payload already lies behind it, up to the end. */
export function sealFrame(frame: Buffer, seed: number, fields: FrameFields): void {
  frame.writeUInt32BE(fields.position, 4)
  frame.writeUInt32BE(fields.payloadBytes, 8)
  frame[12] = fields.codec
  frame[13] = fields.kind
  frame.writeUInt16BE(fields.cells, 14)
  frame.writeUInt32BE(crc32(frame.subarray(4), seed), 0)
}

/** @returns what is wrong with the whole frame that should lie at `position`; or undefined. */
export function frameFault(
  frame: Buffer,
  seed: number,
  position: number,
  kind: BlockKind,
): string | undefined {
  if (frame.readUInt32BE(0) !== crc32(frame.subarray(4), seed)) {
    return `the ${nameOfBlock(kind)} fails its checksum`
  }
  const written = frame.readUInt32BE(4)
  if (written !== position || frameKind(frame, 0) !== kind) {
    return `the ${nameOfBlock(kind)} belongs elsewhere: it was written for byte ${written}`
  }
  const stored = frame.length - FRAME_HEADER_BYTES
  const codec = frameCodec(frame, 0)
  if (codec > Codec.deflate || (codec === Codec.none && framePayloadBytes(frame, 0) !== stored)) {
    return `the ${nameOfBlock(kind)} has an unknown codec or a wrong size`
  }
  return undefined
}

export function framePayloadBytes(frame: Buffer, at: number): number {
  return frame.readUInt32BE(at + 8)
}

export function frameCodec(frame: Buffer, at: number): number {
  return frame[at + 12]!
}

export function frameKind(frame: Buffer, at: number): number {
  return frame[at + 13]!
}

export function frameCells(frame: Buffer, at: number): number {
  return frame.readUInt16BE(at + 14)
}

function nameOfBlock(kind: BlockKind): string {
  if (kind === BlockKind.filter) return 'filter'
  if (kind === BlockKind.locator) return 'locator'
  return kind === BlockKind.index ? 'index' : 'block'
}

/** Where the parts of a table lie; with `TableInfo` all that its footer says. */
export interface TableLayout {
  /** Seeds the CRC of every block: the CRC of the header, which therefore need not be read. */
  readonly seed: number
  /** Where the filter lies, or the locator in its place. */
  readonly filterAt: number
  /** Of the frame; 0 when the table has neither. */
  readonly filterBytes: number
  readonly indexAt: number
  readonly indexBytes: number
}

/** The facts of a `TableInfo` that the footer holds. */
export type FooterInfo = Omit<TableInfo, 'first' | 'last' | 'footerCrc'>

/**
 *   0  4 B  magic 'CTBF'             40  u32  cells
 *   4  u16  format version           44  u48  bytes of cells as encoded
 *   6  u8   kind of table            50  16 B smallest stamp
 *   7  u8   zero                     66  16 B largest stamp
 *   8  u48  number of the table      82  u48  half expired, milliseconds since the Unix epoch; or 0
 *  14  u16  zero                     88  u32  bytes of the whole file
 *  16  u32  the table's seed         92  u32  CRC-32 of bytes 0 to 91
 *  20  u32  position of the filter or locator
 *  24  u32  bytes of its frame
 *  28  u32  position of the index
 *  32  u32  bytes of its frame
 *  36  u32  blocks
 */
export function encodeFooter(info: FooterInfo, layout: TableLayout): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  bytes.writeUInt32BE(FOOTER_MAGIC, 0)
  bytes.writeUInt16BE(TABLE_FORMAT_VERSION, 4)
  bytes[6] = info.kind
  bytes.writeUIntBE(info.number, 8, 6)
  bytes.writeUInt32BE(layout.seed, 16)
  bytes.writeUInt32BE(layout.filterAt, 20)
  bytes.writeUInt32BE(layout.filterBytes, 24)
  bytes.writeUInt32BE(layout.indexAt, 28)
  bytes.writeUInt32BE(layout.indexBytes, 32)
  bytes.writeUInt32BE(info.blocks, 36)
  bytes.writeUInt32BE(info.cells, 40)
  bytes.writeUIntBE(info.cellBytes, 44, 6)
  info.minStamp.copy(bytes, 50, 0, STAMP_BYTES)
  info.maxStamp.copy(bytes, 66, 0, STAMP_BYTES)
  bytes.writeUIntBE(info.halfExpiredMs, 82, 6)
  bytes.writeUInt32BE(info.bytes, 88)
  bytes.writeUInt32BE(footerCrc(bytes), FOOTER_CRC_AT)
  return bytes
}

/** The CRC in a footer: the table's identity. */
export function footerCrc(footer: Buffer): number {
  return crc32(footer.subarray(0, FOOTER_CRC_AT))
}

/** What a footer says, or what is wrong with it. */
export type FooterReading =
  | { readonly layout: TableLayout; readonly fault?: undefined }
  | { readonly layout?: undefined; readonly fault: string }

/** Reads the footer that `info` was made with; any other, however sound, is at fault. */
export function decodeFooter(bytes: Buffer, info: TableInfo): FooterReading {
  if (bytes.readUInt32BE(0) !== FOOTER_MAGIC) return { fault: 'it does not end as a table does' }
  const crc = footerCrc(bytes)
  if (bytes.readUInt32BE(FOOTER_CRC_AT) !== crc) return { fault: 'the footer fails its checksum' }
  const version = bytes.readUInt16BE(4)
  if (version !== TABLE_FORMAT_VERSION) {
    return { fault: `format version ${version}: this program reads ${TABLE_FORMAT_VERSION}` }
  }
  const same = bytes.readUIntBE(8, 6) === info.number && bytes.readUInt32BE(88) === info.bytes
  if (crc !== info.footerCrc || !same) return { fault: 'it is another table' }
  return {
    layout: {
      seed: bytes.readUInt32BE(16),
      filterAt: bytes.readUInt32BE(20),
      filterBytes: bytes.readUInt32BE(24),
      indexAt: bytes.readUInt32BE(28),
      indexBytes: bytes.readUInt32BE(32),
    },
  }
}
