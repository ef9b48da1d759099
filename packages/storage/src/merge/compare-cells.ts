import { CELL_HEADER_BYTES, cellKeyLength } from '@cassiopeia/protocol'

/** Up to here a loop in script is quicker than a call into native code. */
const LOOP_BYTES_MAX = 48

/**
 * Orders two cells by their key bytes, as `Buffer.compare` would.
 * @returns below 0, 0 or above 0, as `a` comes before, has the same key, or comes after `b`.
 */
export function compareCellKeys(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const aLength = cellKeyLength(a, aAt)
  const bLength = cellKeyLength(b, bAt)
  const common = aLength < bLength ? aLength : bLength
  const aFrom = aAt + CELL_HEADER_BYTES
  const bFrom = bAt + CELL_HEADER_BYTES
  const looped = common < LOOP_BYTES_MAX ? common : LOOP_BYTES_MAX
  for (let i = 0; i < looped; i += 1) {
    const difference = a[aFrom + i]! - b[bFrom + i]!
    if (difference !== 0) return difference
  }
  if (looped === common) return aLength - bLength
  return a.compare(b, bFrom + looped, bFrom + bLength, aFrom + looped, aFrom + aLength)
}
