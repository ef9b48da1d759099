/** Up to here a loop in script is quicker than a call into native code. */
const LOOP_BYTES_MAX = 32
const LOOP_TEXT_MAX = 20
const ASCII_MAX = 0x7f

/** UTF-16 needs at most this many bytes of UTF-8 for one unit. */
export const UTF8_BYTES_PER_UNIT = 3

/**
 * Writes UTF-8. There must be room for `UTF8_BYTES_PER_UNIT` bytes per unit of `text`, or for as many
 * as it needs.
 *
 * @returns where it ends. @throws TypeError for a lone surrogate, which would not come back.
 */
export function writeText(target: Buffer, at: number, text: string, what: string): number {
  const { length } = text
  if (length <= LOOP_TEXT_MAX) {
    let i = 0
    while (i < length) {
      const unit = text.charCodeAt(i)
      if (unit > ASCII_MAX) break
      target[at + i] = unit
      i += 1
    }
    if (i === length) return at + length
  }
  const bytes = target.write(text, at, 'utf8')
  // As many bytes as units: it is ASCII.
  if (bytes !== length && !text.isWellFormed()) {
    throw new TypeError(`the ${what} has a lone surrogate, which UTF-8 cannot carry`)
  }
  return at + bytes
}

/** @returns where it ends. */
export function writeBytes(target: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes
  if (length > LOOP_BYTES_MAX) target.set(bytes, at)
  else for (let i = 0; i < length; i += 1) target[at + i] = bytes[i]!
  return at + length
}

/** A copy of `source[from..to)`, from Node's pool where it is small. */
export function copyBytes(source: Buffer, from: number, to: number): Buffer {
  const length = to - from
  const copy = Buffer.allocUnsafe(length)
  if (length > LOOP_BYTES_MAX) source.copy(copy, 0, from, to)
  else for (let i = 0; i < length; i += 1) copy[i] = source[from + i]!
  return copy
}

/** @returns below 0, 0 or above 0, as `bytes[from..to)` is below, equal to or above `other`. */
export function compareBytes(bytes: Buffer, from: number, to: number, other: Buffer): number {
  const length = Math.min(to - from, other.length)
  for (let i = 0; i < length; i += 1) {
    const difference = bytes[from + i]! - other[i]!
    if (difference !== 0) return difference
  }
  return to - from - other.length
}
