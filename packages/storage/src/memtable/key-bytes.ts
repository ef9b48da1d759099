import { CELL_HEADER_BYTES, cellKeyLength } from '@cassiopeia/protocol'

/** Up to here a loop in script is quicker than a call into native code. */
const LOOP_BYTES_MAX = 64

export function sameBytes(
  a: Buffer,
  aFrom: number,
  b: Buffer,
  bFrom: number,
  length: number,
): boolean {
  if (length > LOOP_BYTES_MAX)
    return a.compare(b, bFrom, bFrom + length, aFrom, aFrom + length) === 0
  for (let i = 0; i < length; i += 1) {
    if (a[aFrom + i] !== b[bFrom + i]) return false
  }
  return true
}

/** Orders two cells by their key bytes. */
export function compareKeys(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const aFrom = aAt + CELL_HEADER_BYTES
  const bFrom = bAt + CELL_HEADER_BYTES
  return a.compare(b, bFrom, bFrom + cellKeyLength(b, bAt), aFrom, aFrom + cellKeyLength(a, aAt))
}

/** Orders two ranges of bytes as `Buffer.compare` does. */
export function compareBytes(
  a: Buffer,
  aFrom: number,
  aTo: number,
  b: Buffer,
  bFrom: number,
  bTo: number,
): number {
  const length = Math.min(aTo - aFrom, bTo - bFrom)
  if (length > LOOP_BYTES_MAX) return a.compare(b, bFrom, bTo, aFrom, aTo)
  for (let i = 0; i < length; i += 1) {
    const difference = a[aFrom + i]! - b[bFrom + i]!
    if (difference !== 0) return difference
  }
  return aTo - aFrom - (bTo - bFrom)
}
