import { keyHash } from '@cassiopeia/protocol'
import { checkReplicationFactor } from './member'
import { checkPartitionBits } from './partition'

// The layout is described in docs/PLACEMENT.md, "Encoded table". Little-endian.

/** "CSPT" */
const MAGIC = 0x54505343
const VERSION = 1
const HEADER_BYTES = 10
const CHECKSUM_BYTES = 8
const HIGH_WORD = 0x1_0000_0000
/** With at most this many members an index takes one byte, and 0xff is a hole. */
const NARROW_MEMBERS_MAX = 0xff
const NARROW_HOLE = 0xff

/** Marks a slot without a replica in an assignment. */
export const HOLE = 0xffff

/** What is encoded: the parameters of `PlacementTable`'s constructor. */
export interface PlacementTableFields {
  readonly partitionBits: number
  readonly replicationFactor: number
  readonly memberIds: readonly string[]
  readonly assignment: Uint16Array
}

export function encodePlacementTable(fields: PlacementTableFields): Uint8Array {
  const { memberIds, assignment } = fields
  const width = indexWidth(memberIds.length)
  const idsBytes = memberIds.reduce((sum, id) => sum + 1 + id.length, 0)
  const slotsBytes = assignment.length * width
  const bytes = new Uint8Array(HEADER_BYTES + idsBytes + slotsBytes + CHECKSUM_BYTES)
  const view = new DataView(bytes.buffer)

  view.setUint32(0, MAGIC, true)
  view.setUint8(4, VERSION)
  view.setUint8(5, fields.partitionBits)
  view.setUint8(6, fields.replicationFactor)
  view.setUint8(7, width)
  view.setUint16(8, memberIds.length, true)
  let at = HEADER_BYTES
  for (const id of memberIds) {
    view.setUint8(at++, id.length)
    for (let i = 0; i < id.length; i++) view.setUint8(at++, id.charCodeAt(i))
  }
  for (const member of assignment) {
    // A hole has all its bits set, so one byte of it is the narrow hole.
    if (width === 1) view.setUint8(at, member & NARROW_HOLE)
    else view.setUint16(at, member, true)
    at += width
  }
  const checksum = keyHash(bytes, 0, at)
  view.setUint32(at, checksum >>> 0, true)
  view.setUint32(at + 4, Math.floor(checksum / HIGH_WORD), true)
  return bytes
}

/**
 * Decodes the fields of a table. The sizes that the header claims are compared
 * with the length of the input before anything is allocated for them. What the
 * fields say is checked by the constructor of the table.
 *
 * @throws RangeError for bytes that are not exactly one encoded table.
 */
export function decodePlacementTable(bytes: Uint8Array): PlacementTableFields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.byteLength - CHECKSUM_BYTES
  if (end < HEADER_BYTES) damaged(`${bytes.byteLength} bytes are too few`)
  if (view.getUint32(0, true) !== MAGIC) damaged('it does not begin with its magic')
  if (view.getUint8(4) !== VERSION) damaged(`version ${view.getUint8(4)} is not known`)
  const checksum = view.getUint32(end, true) + view.getUint32(end + 4, true) * HIGH_WORD
  if (checksum !== keyHash(bytes, 0, end)) damaged('its checksum does not match')

  const partitionBits = view.getUint8(5)
  const replicationFactor = view.getUint8(6)
  const width = view.getUint8(7)
  checkPartitionBits(partitionBits)
  checkReplicationFactor(replicationFactor)
  const memberCount = view.getUint16(8, true)
  if (width !== indexWidth(memberCount)) {
    damaged(`${memberCount} members do not take indexes of ${width} bytes`)
  }
  const memberIds: string[] = []
  let at = HEADER_BYTES
  for (let i = 0; i < memberCount; i++) {
    if (at >= end) damaged('it ends within its member ids')
    const idEnd = at + 1 + view.getUint8(at)
    if (idEnd > end) damaged('it ends within its member ids')
    memberIds.push(String.fromCharCode(...bytes.subarray(at + 1, idEnd)))
    at = idEnd
  }

  const slotCount = (1 << partitionBits) * replicationFactor
  if (end - at !== slotCount * width) {
    damaged(`${slotCount} slots need ${slotCount * width} bytes, there are ${end - at}`)
  }
  const assignment = new Uint16Array(slotCount)
  for (let i = 0; i < slotCount; i++) {
    if (width === 2) assignment[i] = view.getUint16(at + 2 * i, true)
    else assignment[i] = bytes[at + i] === NARROW_HOLE ? HOLE : bytes[at + i]!
  }
  return { partitionBits, replicationFactor, memberIds, assignment }
}

function indexWidth(memberCount: number): 1 | 2 {
  return memberCount <= NARROW_MEMBERS_MAX ? 1 : 2
}

function damaged(why: string): never {
  throw new RangeError(`not an encoded placement table: ${why}`)
}
