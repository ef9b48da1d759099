import {
  CELL_STAMP_AT,
  CellFlag,
  cellFlags,
  cellKey,
  cellValue,
  compareStamps,
  crc32,
  STAMP_BYTES,
  stampMs,
} from '@cassiopeia/protocol'
import { countsIn, isDeadIn } from '@cassiopeia/storage'

/**
 * What one replica tells another of a key's newest version, without the value:
 *
 *   0  u16  key length
 *   2  u8   1: dead, a tombstone or expired
 *   3  16 B stamp
 *  19  u32  CRC-32 of the value; 0 unless the client gave the stamp
 *  23  key
 */
export const ENTRY_HEADER_BYTES = 23
const FLAGS_AT = 2
const STAMP_AT = 3
const CHECKSUM_AT = STAMP_AT + STAMP_BYTES
const DEAD = 1

/**
 * Whether a cell counts in a comparison: also when it is too new for the digest, since it may cover
 * what another replica holds; not when it is dead and proven, as another may have forgotten it.
 */
export function counts(cell: Buffer, at: number, cutoffMs: number, provenMs: number): boolean {
  return stampMs(cell, at + CELL_STAMP_AT) > cutoffMs || countsIn(cell, at, cutoffMs, provenMs)
}

export function entryOf(cell: Buffer, at: number, cutoffMs: number): Buffer {
  const key = cellKey(cell, at)
  const dead = isDeadIn(cell, at, cutoffMs)
  const isClients = (cellFlags(cell, at) & CellFlag.clientStamp) !== 0
  const entry = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + key.length)
  entry.writeUInt16BE(key.length, 0)
  entry[FLAGS_AT] = dead ? DEAD : 0
  const stampAt = at + CELL_STAMP_AT
  cell.copy(entry, STAMP_AT, stampAt, stampAt + STAMP_BYTES)
  entry.writeUInt32BE(isClients && !dead ? crc32(cellValue(cell, at)) : 0, CHECKSUM_AT)
  key.copy(entry, ENTRY_HEADER_BYTES)
  return entry
}

/** Cuts entries that lie back to back. @throws RangeError when they do not fill `bytes`. */
export function splitEntries(bytes: Buffer): Buffer[] {
  const entries: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.length - at
    const size = rest < ENTRY_HEADER_BYTES ? rest + 1 : ENTRY_HEADER_BYTES + bytes.readUInt16BE(at)
    if (size > rest) throw new RangeError('an entry is cut off')
    entries.push(bytes.subarray(at, at + size))
    at += size
  }
  return entries
}

export function entryKey(entry: Buffer): Buffer {
  return entry.subarray(ENTRY_HEADER_BYTES)
}

/** What two replicas have to do about one key. */
export interface Difference {
  readonly key: Buffer
  /** The one replica lacks what the other has. Both: their versions share a stamp, and differ. */
  readonly pull: boolean
  readonly push: boolean
}

/**
 * Finds what differs between the entries of this replica and another's. Both in the order of keys,
 * over the same range of them.
 */
export function compareEntries(own: readonly Buffer[], other: readonly Buffer[]): Difference[] {
  const differences: Difference[] = []
  let i = 0
  let j = 0
  while (i < own.length || j < other.length) {
    const order = orderOf(own[i], other[j])
    if (order < 0) {
      differences.push({ key: entryKey(own[i]!), pull: false, push: true })
      i += 1
    } else if (order > 0) {
      differences.push({ key: entryKey(other[j]!), pull: true, push: false })
      j += 1
    } else {
      const difference = compareVersions(own[i]!, other[j]!)
      if (difference !== undefined) differences.push(difference)
      i += 1
      j += 1
    }
  }
  return differences
}

function orderOf(own: Buffer | undefined, other: Buffer | undefined): number {
  if (own === undefined) return 1
  if (other === undefined) return -1
  return Buffer.compare(entryKey(own), entryKey(other))
}

function compareVersions(own: Buffer, other: Buffer): Difference | undefined {
  const key = entryKey(own)
  const byStamp = compareStamps(own, STAMP_AT, other, STAMP_AT)
  if (byStamp !== 0) return { key, pull: byStamp < 0, push: byStamp > 0 }
  const ownDead = own[FLAGS_AT] === DEAD
  const otherDead = other[FLAGS_AT] === DEAD
  // One has expired, or has been deleted under a stamp that the client gave twice.
  if (ownDead !== otherDead) return { key, pull: otherDead, push: ownDead }
  if (own.readUInt32BE(CHECKSUM_AT) === other.readUInt32BE(CHECKSUM_AT)) return undefined
  // Which of the two wins is decided where both values are known.
  return { key, pull: true, push: true }
}
