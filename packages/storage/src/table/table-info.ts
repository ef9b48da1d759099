import type { Place } from './place'

/** What a table holds: cells with values, or the tombstones of the delete log. */
export const TableKind = Object.freeze({ data: 1, tombstones: 2 })
export type TableKind = (typeof TableKind)[keyof typeof TableKind]

/** What is known of a table without opening it: the manifest keeps this, jobs carry it. */
export interface TableInfo {
  /** The number in its file's name; never given twice in the life of a store. */
  readonly number: number
  readonly kind: TableKind
  /** Size of the file. */
  readonly bytes: number
  readonly blocks: number
  readonly cells: number
  /** Bytes of the cells as they are encoded, before compression. */
  readonly cellBytes: number
  readonly first: Place
  readonly last: Place
  /** 16 bytes each. */
  readonly minStamp: Buffer
  readonly maxStamp: Buffer
  /**
   * Wall clock milliseconds from which half of the table's cells, or more, have expired; 0 when
   * that time never comes.
   */
  readonly halfExpiredMs: number
  /** The CRC in its footer, which binds the file's identity: another file is not taken for it. */
  readonly footerCrc: number
}

/** Options of the tables that a job writes. */
export interface TableSettings {
  /** Bytes of cells in a block before compression, 512 to 32,768; a larger cell has its own block. */
  readonly blockBytes: number
  /** Bits of Bloom filter for each cell, 0 (no filter, nor a locator) to 32. */
  readonly filterBitsPerKey: number
  readonly compression: Compression
  /** A merge begins another table above this size. */
  readonly tableBytes: number
}

export type Compression = 'none' | 'deflate'

const NAME_DIGITS = 16
const NAME_PATTERN = /^(\d{16})\.table$/

export function tableName(number: number): string {
  return `${String(number).padStart(NAME_DIGITS, '0')}.table`
}

/** @returns the number in a table's file name, or undefined for any other name. */
export function tableNumberOf(name: string): number | undefined {
  const digits = NAME_PATTERN.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** A structured clone turns Buffers into Uint8Arrays; this turns them back. */
export function reviveTableInfo(info: TableInfo): TableInfo {
  return {
    ...info,
    first: revivePlace(info.first),
    last: revivePlace(info.last),
    minStamp: reviveBuffer(info.minStamp),
    maxStamp: reviveBuffer(info.maxStamp),
  }
}

export function revivePlace(place: Place): Place {
  return { partition: place.partition, key: reviveBuffer(place.key) }
}

function reviveBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
