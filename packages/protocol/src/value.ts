import { ValueKind } from './cell'
import { DEPTH_MAX, messagePackFault, pack, unpack } from './message-pack'

/** What a cell stores of a user's value. */
export interface EncodedValue {
  readonly kind: ValueKind
  readonly bytes: Buffer
}

/**
 * Strings become UTF-8 text, Buffers and Uint8Arrays their bytes (not copied), anything else
 * MessagePack; the kind is kept beside the bytes, so a value comes back as what it was.
 *
 * A Uint8Array comes back as a Buffer, -0 as 0, a hole in an array as undefined, an instance of a class
 * as a plain object. Functions, symbols and `undefined` are not values,
 * nor are errors, regular expressions and cyclic objects; a string with a lone surrogate has no UTF-8
 * form.
 *
 * @throws TypeError for what cannot be stored.
 */
export function encodeValue(value: unknown): EncodedValue {
  if (typeof value === 'string') return { kind: ValueKind.text, bytes: encodeText(value, 'value') }
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    return { kind: ValueKind.bytes, bytes }
  }
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`${typeof value} cannot be stored; use del() to remove a key`)
  }
  const unstorable = unstorableIn(value, DEPTH_MAX)
  if (unstorable !== undefined) throw new TypeError(`the value cannot be stored: ${unstorable}`)
  let bytes: Buffer
  try {
    bytes = pack(value)
  } catch (error) {
    const reason = error instanceof RangeError ? 'it is cyclic or nests too deep' : String(error)
    throw new TypeError(`the value cannot be stored: ${reason}`, { cause: error })
  }
  const fault = messagePackFault(bytes)
  if (fault !== undefined) throw new TypeError(`the value cannot be stored: ${fault}`)
  return { kind: ValueKind.messagePack, bytes }
}

/** What in a value would come back changed without a word, or undefined. */
function unstorableIn(value: unknown, depth: number): string | undefined {
  if (typeof value === 'function') return 'it holds a function'
  if (typeof value === 'string') {
    return value.isWellFormed() ? undefined : 'it holds a string with a lone surrogate'
  }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined
  if (depth === 0) return 'it is cyclic or nests too deep'
  if (!Array.isArray(value) && Object.hasOwn(value, '__proto__')) return 'it has a key __proto__'
  for (const each of partsOf(value)) {
    const found = unstorableIn(each, depth - 1)
    if (found !== undefined) return found
  }
  return undefined
}

function partsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value
  if (value instanceof Map) return [...value].flat()
  return [...Object.keys(value), ...Object.values(value)]
}

/** @returns the value; Buffers are copies of the caller's own. @throws RangeError on damage. */
export function decodeValue(kind: number, bytes: Buffer): unknown {
  if (kind === ValueKind.text) return bytes.toString('utf8')
  if (kind === ValueKind.bytes) return Buffer.from(bytes)
  return unpack(bytes)
}

/** UTF-8 of `text`. @throws TypeError when it has a lone surrogate, which would not come back. */
export function encodeText(text: string, what: 'key' | 'value'): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  // As many bytes as characters: it is ASCII. Otherwise EF BF BD is the replacement character, and
  // only where that stands can a lone surrogate have been replaced.
  if (bytes.length === text.length) return bytes
  if (bytes.includes('\ufffd') && bytes.toString('utf8') !== text) {
    throw new TypeError(`the ${what} has a lone surrogate, which UTF-8 cannot carry`)
  }
  return bytes
}
