import type { Disk } from '@cassiopeia/env'
import { CassioError, crc32 } from '@cassiopeia/protocol'
import { parentOf } from './directory'
import { removeIfThere } from './remove-if-there'
import { syncDirectory, syncFile } from './sync-file'
import { systemCode } from './system-error'

/**
 * A record file holds one small payload and is only ever replaced as a whole: a node's identity,
 * its cluster map, its clock reservation. @see docs/formats/record-file.md
 *
 *   0  4 B  magic 'CREC'
 *   4  u16  format version
 *   6  u16  zero
 *   8  u32  bytes of payload
 *  12  u32  CRC-32 of bytes 0 to 11 and the payload
 *  16  payload, to the end of the file
 */
const HEADER_BYTES = 16
const MAGIC = 0x43524543
const VERSION = 1
const CRC_AT = 12
/** Records are read and written whole. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024

/**
 * @returns the payload, or undefined when there is no such file.
 * @throws CassioError CASSIO_CORRUPT when there is one and it is not exactly what was written.
 */
export async function readRecord(disk: Disk, path: string): Promise<Buffer | undefined> {
  let bytes: Buffer
  try {
    bytes = await disk.readFile(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  const fault = faultOf(bytes)
  if (fault === undefined) return bytes.subarray(HEADER_BYTES)
  throw new CassioError(
    'CASSIO_CORRUPT',
    `${path} is damaged: ${fault}. Restore the file from a copy, or empty the data directory and ` +
      'let the replicas rebuild this node.',
  )
}

/**
 * Replaces the record: after a crash the file holds the old payload or the new one, whole, and the
 * new one once the promise has resolved. The directory must exist.
 *
 * One write per path at a time, which the caller sees to: two would share the file written aside.
 *
 * @throws RangeError when the payload is over `RECORD_BYTES_MAX`; otherwise the disk's own error, and
 * then the file holds the old payload or the new one.
 */
export async function writeRecord(disk: Disk, path: string, payload: Buffer): Promise<void> {
  if (payload.length > RECORD_BYTES_MAX) {
    throw new RangeError(`a record holds up to ${RECORD_BYTES_MAX} bytes, not ${payload.length}`)
  }
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(MAGIC, 0)
  header.writeUInt16BE(VERSION, 4)
  header.writeUInt32BE(payload.length, 8)
  header.writeUInt32BE(crcOf(header, payload), CRC_AT)
  const aside = `${path}.aside`
  // A crash between writing aside and renaming leaves the file aside.
  await removeIfThere(disk, aside)
  const file = await disk.open(aside, 'create')
  try {
    await file.append([header, payload])
    await syncFile(file)
  } finally {
    await file.close()
  }
  await disk.rename(aside, path)
  await syncDirectory(disk, parentOf(path))
}

function faultOf(bytes: Buffer): string | undefined {
  if (bytes.length < HEADER_BYTES) return 'it is shorter than its header'
  if (bytes.readUInt32BE(0) !== MAGIC) return 'it is not a record file'
  const payload = bytes.subarray(HEADER_BYTES)
  if (bytes.readUInt32BE(8) !== payload.length) return 'its length is not what its header says'
  if (bytes.readUInt32BE(CRC_AT) !== crcOf(bytes, payload)) return 'it fails its checksum'
  const version = bytes.readUInt16BE(4)
  return version === VERSION ? undefined : `format version ${version} is unknown`
}

function crcOf(header: Buffer, payload: Buffer): number {
  return crc32(payload, crc32(header.subarray(0, CRC_AT)))
}
