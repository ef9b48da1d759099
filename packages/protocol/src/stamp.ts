/**
 * A stamp orders the versions of one key: hybrid logical time, then the coordinator's tag.
 *
 *   0  u48  milliseconds since the Unix epoch
 *   6  u16  counter within the millisecond
 *   8  8 B  node tag: the first 8 bytes of the coordinator's node id (a UUID)
 *
 * Big-endian, so that comparing the 16 bytes compares the stamps. No BigInt: stamps live inside
 * buffers and are compared there.
 *
 * @see Kulkarni et al., "Logical Physical Clocks", OPODIS 2014.
 */
export const STAMP_BYTES = 16
export const STAMP_TAG_BYTES = 8
export const STAMP_MS_MAX = 2 ** 48 - 1
export const STAMP_COUNTER_MAX = 0xffff

/** @returns below 0, 0 or above 0, as the stamp at `a[aAt]` is older, equal or newer. */
export function compareStamps(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  for (let i = 0; i < STAMP_BYTES; i += 4) {
    const difference = a.readUInt32BE(aAt + i) - b.readUInt32BE(bAt + i)
    if (difference !== 0) return difference
  }
  return 0
}

export function stampMs(bytes: Buffer, at: number): number {
  return bytes.readUIntBE(at, 6)
}

export function stampCounter(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(at + 6)
}

/** @param tag 8 bytes, copied. */
export function writeStamp(
  bytes: Buffer,
  at: number,
  ms: number,
  counter: number,
  tag: Buffer,
): void {
  bytes.writeUIntBE(ms, at, 6)
  bytes.writeUInt16BE(counter, at + 6)
  tag.copy(bytes, at + 8, 0, STAMP_TAG_BYTES)
}

/** The tag of a node: the first 8 bytes of its id. Founding refuses two nodes with one tag. */
export function nodeTag(nodeId: string): Buffer {
  return Buffer.from(nodeId.replaceAll('-', '').slice(0, STAMP_TAG_BYTES * 2), 'hex')
}

/** The stamp as text, `MILLISECONDS-COUNTER-TAG`: what errors and receipts carry. */
export function formatStamp(bytes: Buffer, at: number): string {
  const tag = bytes.toString('hex', at + 8, at + STAMP_BYTES)
  return `${stampMs(bytes, at)}-${stampCounter(bytes, at)}-${tag}`
}

/**
 * Reads what `formatStamp` wrote, or a bare number of milliseconds (counter and tag are then 0).
 * @returns 16 bytes of the caller's own. @throws RangeError when the text is no stamp.
 */
export function parseStamp(text: string | number): Buffer {
  const match = /^(\d{1,15})(?:-(\d{1,5})-([0-9a-f]{16}))?$/.exec(String(text))
  const ms = Number(match?.[1])
  const counter = Number(match?.[2] ?? 0)
  if (match === null || ms > STAMP_MS_MAX || counter > STAMP_COUNTER_MAX) {
    throw new RangeError(
      `not a stamp: ${JSON.stringify(text)}; expected whole milliseconds since 1970, ` +
        'or MILLISECONDS-COUNTER-TAG as an earlier answer gave it',
    )
  }
  const bytes = Buffer.alloc(STAMP_BYTES)
  writeStamp(bytes, 0, ms, counter, Buffer.from(match[3] ?? '0000000000000000', 'hex'))
  return bytes
}
