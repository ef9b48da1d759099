import { CassioError, STAMP_BYTES } from '@cassiopeia/protocol'
import type { Place } from '../table/place'
import { type TableInfo, TableKind } from '../table/table-info'

/**
 * The bytes of the manifest: the payload of the record file `MANIFEST`, which checks them. Pure.
 * @see docs/formats/manifest.md
 *
 *   0  u16  version of this layout
 *   2  u48  the next table's number
 *   8  u48  the next run's number
 *  14  u48  the oldest segment of the commit log that is needed
 *  20  u32  number of partitions
 *  24  u32  number of tables
 *  28  the tables
 *
 * A table: u48 number, u8 kind, u8 flags (1 applied, 2 has `after`), u48 run, u48 bytes, u32 blocks,
 * u48 cells, u48 cell bytes, 16 B smallest stamp, 16 B largest, u48 half expired, u32 footer CRC,
 * place of the first cell, of the last, and `after` if it has one. A place: u32 partition, u16 key
 * length, key. Big-endian.
 */
const VERSION = 1
const FIXED_BYTES = 28
const TABLE_FIXED_BYTES = 6 + 1 + 1 + 6 + 6 + 4 + 6 + 6 + 2 * STAMP_BYTES + 6 + 4
const PLACE_FIXED_BYTES = 6
const Flag = Object.freeze({ applied: 1, after: 2 })

/** A live table and its part in the store. */
export interface ManifestTable {
  readonly info: TableInfo
  /** Tables of one run are disjoint; `run` says which belong together. */
  readonly run: number
  /** Cells up to here have been merged into other tables: they do not count. */
  readonly after: Place | undefined
  /** Of a table of tombstones: a merge of all data has dropped what they cover. */
  readonly applied: boolean
}

/** Everything that is true of the files of a store. */
export interface ManifestState {
  readonly nextNumber: number
  readonly nextRun: number
  readonly logFirst: number
  /** Fixed for the life of a store: another number would look for keys in other places. */
  readonly partitions: number
  readonly tables: readonly ManifestTable[]
}

export function encodeManifest(state: ManifestState): Buffer {
  const bytes = Buffer.alloc(
    state.tables.reduce((sum, table) => sum + tableBytes(table), FIXED_BYTES),
  )
  bytes.writeUInt16BE(VERSION, 0)
  bytes.writeUIntBE(state.nextNumber, 2, 6)
  bytes.writeUIntBE(state.nextRun, 8, 6)
  bytes.writeUIntBE(state.logFirst, 14, 6)
  bytes.writeUInt32BE(state.partitions, 20)
  bytes.writeUInt32BE(state.tables.length, 24)
  let at = FIXED_BYTES
  for (const table of state.tables) at = writeTable(bytes, at, table)
  return bytes
}

/** @throws CassioError CASSIO_CORRUPT when the payload is not exactly a manifest. */
export function decodeManifest(bytes: Buffer): ManifestState {
  const reader = new Reader(bytes)
  const version = reader.uint(2)
  if (version !== VERSION) throw unreadable(`its version ${version} is unknown`)
  const nextNumber = reader.uint(6)
  const nextRun = reader.uint(6)
  const logFirst = reader.uint(6)
  const partitions = reader.uint(4)
  const count = reader.uint(4)
  const tables: ManifestTable[] = []
  for (let i = 0; i < count; i += 1) tables.push(readTable(reader))
  reader.end()
  return { nextNumber, nextRun, logFirst, partitions, tables }
}

function tableBytes({ info, after }: ManifestTable): number {
  const places = [info.first, info.last, ...(after === undefined ? [] : [after])]
  return places.reduce((sum, { key }) => sum + PLACE_FIXED_BYTES + key.length, TABLE_FIXED_BYTES)
}

function writeTable(bytes: Buffer, start: number, { info, run, after, applied }: ManifestTable) {
  let at = start
  at = bytes.writeUIntBE(info.number, at, 6)
  at = bytes.writeUInt8(info.kind, at)
  const flags = (applied ? Flag.applied : 0) | (after === undefined ? 0 : Flag.after)
  at = bytes.writeUInt8(flags, at)
  at = bytes.writeUIntBE(run, at, 6)
  at = bytes.writeUIntBE(info.bytes, at, 6)
  at = bytes.writeUInt32BE(info.blocks, at)
  at = bytes.writeUIntBE(info.cells, at, 6)
  at = bytes.writeUIntBE(info.cellBytes, at, 6)
  at += info.minStamp.copy(bytes, at)
  at += info.maxStamp.copy(bytes, at)
  at = bytes.writeUIntBE(info.halfExpiredMs, at, 6)
  at = bytes.writeUInt32BE(info.footerCrc, at)
  at = writePlace(bytes, at, info.first)
  at = writePlace(bytes, at, info.last)
  return after === undefined ? at : writePlace(bytes, at, after)
}

function writePlace(bytes: Buffer, start: number, { partition, key }: Place): number {
  const at = bytes.writeUInt16BE(key.length, bytes.writeUInt32BE(partition, start))
  return at + key.copy(bytes, at)
}

function readTable(reader: Reader): ManifestTable {
  const number = reader.uint(6)
  const kind = reader.uint(1)
  if (kind !== TableKind.data && kind !== TableKind.tombstones) {
    throw unreadable(`table ${number} is of an unknown kind`)
  }
  const flags = reader.uint(1)
  const run = reader.uint(6)
  const info: TableInfo = {
    number,
    kind,
    bytes: reader.uint(6),
    blocks: reader.uint(4),
    cells: reader.uint(6),
    cellBytes: reader.uint(6),
    minStamp: reader.take(STAMP_BYTES),
    maxStamp: reader.take(STAMP_BYTES),
    halfExpiredMs: reader.uint(6),
    footerCrc: reader.uint(4),
    first: reader.place(),
    last: reader.place(),
  }
  const after = (flags & Flag.after) === 0 ? undefined : reader.place()
  return { info, run, after, applied: (flags & Flag.applied) !== 0 }
}

/** Reads fields one after the other and never beyond the end. */
class Reader {
  private at = 0

  constructor(private readonly bytes: Buffer) {}

  uint(size: number): number {
    return this.take(size).readUIntBE(0, size)
  }

  /** A copy, so that the whole manifest is not kept alive. */
  take(size: number): Buffer {
    const end = this.at + size
    if (end > this.bytes.length) throw unreadable('it ends too early')
    const part = Buffer.from(this.bytes.subarray(this.at, end))
    this.at = end
    return part
  }

  place(): Place {
    const partition = this.uint(4)
    return { partition, key: this.take(this.uint(2)) }
  }

  end(): void {
    if (this.at !== this.bytes.length) throw unreadable('it has bytes left over')
  }
}

function unreadable(what: string): CassioError {
  return new CassioError('CASSIO_CORRUPT', `the manifest cannot be read: ${what}`)
}
