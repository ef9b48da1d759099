/**
 * Keys and values as text that shows their type: strings as JSON strings, bytes as b"…", the rest
 * as in JavaScript. Control characters and those that turn the direction of text are escaped, so
 * that stored bytes cannot drive the reader's terminal. Pure.
 */

export function renderValue(value: unknown): string {
  if (typeof value === 'string') return renderText(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value !== 'object' || value === null) return String(value)
  if (Buffer.isBuffer(value)) return renderBytes(value)
  return renderObject(value)
}

/** Strings and byte strings can be typed into the shell as they are printed. */
export function renderText(text: string): string {
  return JSON.stringify(text).replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** DEL and C1 controls, line separators, marks of direction, the byte order mark. */
const UNPRINTABLE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

export function renderBytes(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `b"${text}"`
}

function renderObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map(renderValue).join(',')}]`
  if (value instanceof Date) return `Date(${renderText(dateText(value))})`
  if (value instanceof RegExp) return renderText(String(value)).slice(1, -1)
  if (value instanceof Error) return `${value.name}(${renderText(value.message)})`
  if (value instanceof Set) return `Set{${[...value].map(renderValue).join(',')}}`
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) => `${renderValue(key)} => ${renderValue(each)}`)
    return `Map{${entries.join(', ')}}`
  }
  if (value instanceof ArrayBuffer) return renderBytes(new Uint8Array(value))
  if (value instanceof Uint8Array) return renderBytes(value)
  if (ArrayBuffer.isView(value)) {
    const numbers = value instanceof DataView ? [] : [...(value as unknown as Iterable<unknown>)]
    return `${value.constructor.name}[${numbers.map(renderValue).join(',')}]`
  }
  const fields = Object.entries(value).map(([name, each]) => {
    return `${renderText(name)}:${renderValue(each)}`
  })
  return `{${fields.join(',')}}`
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'invalid' : date.toISOString()
}

/**
 * A value as plain JSON, for `--json`. What JSON has no form for becomes an object with one field
 * that begins with $: {"$bytes":"<base64>"}, {"$date":"<ISO 8601>"}, {"$bigint":"<digits>"},
 * {"$number":"NaN"}, {"$map":[[key,value],…]}, {"$set":[…]}; the rest {"$other":"<text>"}.
 */
export function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $number: String(value) }
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return { $bytes: base64(value) }
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof Date) return { $date: dateText(value) }
  if (value instanceof Map) return { $map: [...value].map((entry) => entry.map(toJson)) }
  if (value instanceof Set) return { $set: [...value].map(toJson) }
  const isPlain = Object.getPrototypeOf(value) === Object.prototype
  if (!isPlain && Object.getPrototypeOf(value) !== null) return { $other: renderObject(value) }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
