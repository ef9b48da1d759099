import { createHash } from 'node:crypto'
import * as zlib from 'node:zlib'

type Crc32 = (bytes: Uint8Array, seed?: number) => number

const native = (zlib as { crc32?: Crc32 }).crc32

/**
 * CRC-32 (IEEE 802.3, as in zlib and gzip) of `bytes`, continued from `seed`.
 *
 * A seed other than 0 binds the checksum to something that is not in the bytes, such as a frame's
 * number. Node has a native one from 20.15 and 22.2 on; before that the table below serves.
 */
export const crc32: Crc32 = native === undefined ? crc32InScript : crc32Native

/** zlib begins anew, from 0, when it is given no memory at all: some empty views come to that. */
function crc32Native(bytes: Uint8Array, seed = 0): number {
  return bytes.length === 0 ? seed : native!(bytes, seed)
}

/** The same function without the native one; some 20 times slower. Exported for its test. */
export function crc32InScript(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed
  for (let i = 0; i < bytes.length; i += 1) {
    crc = CRC_TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

const CRC_TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** SHA-256 of UTF-8 text, in hexadecimal. For names that must not collide; never on a hot path. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
