import { isUtf8 } from 'node:buffer'
import { CassioError, encodeText, KEY_BYTES_MAX } from '@cassiopeia/protocol'

/** Text stands for its UTF-8 bytes: `'a'` and `Buffer.from('a')` are one key. */
export type Key = string | Uint8Array

/**
 * @returns the key's bytes, a copy.
 * @throws TypeError for what is no key; CassioError CASSIO_KEY_TOO_LARGE outside 1 to 65,535 bytes.
 */
export function encodeKey(key: Key): Buffer {
  const bytes = keyBytes(key, 'key')
  if (bytes.length === 0 || bytes.length > KEY_BYTES_MAX) {
    throw new CassioError(
      'CASSIO_KEY_TOO_LARGE',
      `the key has ${bytes.length} bytes; keys have 1 to ${KEY_BYTES_MAX}`,
    )
  }
  return bytes
}

/** As a key, but may be empty: every key begins with it. */
export function encodePrefix(prefix: Key): Buffer {
  const bytes = keyBytes(prefix, 'prefix')
  if (bytes.length <= KEY_BYTES_MAX) return bytes
  throw new CassioError(
    'CASSIO_KEY_TOO_LARGE',
    `the prefix has ${bytes.length} bytes; keys have at most ${KEY_BYTES_MAX}`,
  )
}

function keyBytes(key: Key, what: string): Buffer {
  if (typeof key === 'string') return encodeText(key, 'key')
  if (key instanceof Uint8Array) return Buffer.from(key)
  throw new TypeError(`the ${what} must be a string, Buffer or Uint8Array, not ${describe(key)}`)
}

function describe(value: unknown): string {
  return value === null ? 'null' : typeof value
}

/** @throws CassioError CASSIO_INVALID when the bytes are no UTF-8: text would not be the same key. */
export function decodeTextKey(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!text.includes('\ufffd') || isUtf8(bytes)) return text
  throw new CassioError(
    'CASSIO_INVALID',
    `the key ${bytes.toString('hex', 0, 64)} (hex) is no UTF-8 text; ` +
      "ask for keyEncoding: 'buffer' to list such keys",
  )
}
