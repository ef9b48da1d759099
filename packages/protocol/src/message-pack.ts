import { Packr } from 'msgpackr'

/** Elements (values, keys and entries together) allowed in one message. */
export const ELEMENTS_MAX = 1_000_000
/** How deep arrays and maps may nest. */
export const DEPTH_MAX = 64

/**
 * One packer for control messages and users' values. `moreTypes` keeps Map, Set, Date, Error,
 * RegExp and typed arrays what they were; records stay off, so every message stands alone.
 */
const packr = new Packr({
  useRecords: false,
  moreTypes: true,
  mapsAsObjects: true,
  copyBuffers: true,
})

/** Encodes a value. @returns bytes of the caller's own. */
export function pack(value: unknown): Buffer {
  return packr.pack(value)
}

/**
 * Decodes foreign bytes, after `messagePackFault` has found nothing.
 * @throws RangeError when the bytes are no sound message.
 */
export function unpack(
  bytes: Buffer,
  limits?: { elementsMax?: number; depthMax?: number },
): unknown {
  const fault = messagePackFault(bytes, limits)
  if (fault !== undefined) throw new RangeError(`not a sound MessagePack value: ${fault}`)
  try {
    return packr.unpack(bytes)
  } catch (error) {
    throw new RangeError('not a sound MessagePack value', { cause: error })
  }
}

/**
 * Walks the bytes without decoding and without recursion. It guards the decoder, which allocates
 * for each announced element: some 73 KB of nested array headers once grew to 1.4 GB (msgpackr's
 * issue 200). The budget is for the whole message, not for each array.
 *
 * @returns undefined when the bytes are exactly one value within the limits, or what is wrong.
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function messagePackFault(
  bytes: Buffer,
  { elementsMax = ELEMENTS_MAX, depthMax = DEPTH_MAX } = {},
): string | undefined {
  const end = bytes.length
  /** Values still to come at each level of nesting; a map counts its keys and its values. */
  const pending: number[] = [1]
  /** The sum of `pending`: each of these takes a byte at least, so more than is left is a lie. */
  let outstanding = 1
  let elements = 0
  let at = 0
  while (pending.length > 0) {
    const level = pending.length - 1
    if (pending[level] === 0) {
      pending.pop()
      continue
    }
    pending[level]! -= 1
    const head = at < end ? readHead(bytes, at, end) : undefined
    if (head === undefined) return 'it ends in the middle or has an unknown type'
    at = head.next
    elements += 1
    outstanding += head.children - 1
    if (outstanding > end - at) return 'it announces more than it holds'
    if (elements + outstanding > elementsMax) return `it has more than ${elementsMax} elements`
    if (head.children > 0) {
      if (pending.length > depthMax) return `it nests deeper than ${depthMax}`
      pending.push(head.children)
    }
  }
  return at === end ? undefined : 'bytes follow the value'
}

interface Head {
  /** Where the next value begins: past the payload of a string or number, at the first child. */
  next: number
  children: number
}

function readHead(bytes: Buffer, at: number, end: number): Head | undefined {
  const type = bytes[at]!
  if (type < 0x80 || type >= 0xe0) return { next: at + 1, children: 0 }
  if (type < 0x90) return { next: at + 1, children: (type & 0x0f) * 2 }
  if (type < 0xa0) return { next: at + 1, children: type & 0x0f }
  if (type < 0xc0) return { next: at + 1 + (type & 0x1f), children: 0 }
  const shape = SHAPES[type - 0xc0]!
  const body = at + 1 + shape.lengthBytes
  if (shape.lengthBytes < 0 || body > end) return undefined
  const length = shape.lengthBytes === 0 ? 0 : bytes.readUIntBE(at + 1, shape.lengthBytes)
  if (shape.childrenPerLength > 0) return { next: body, children: length * shape.childrenPerLength }
  return { next: body + shape.fixedBytes + length, children: 0 }
}

interface Shape {
  readonly lengthBytes: number
  readonly fixedBytes: number
  readonly childrenPerLength: number
}

const shape = (lengthBytes: number, fixedBytes: number, childrenPerLength = 0): Shape => ({
  lengthBytes,
  fixedBytes,
  childrenPerLength,
})

/** The types 0xc0 to 0xdf, in order. */
const SHAPES: readonly Shape[] = [
  shape(0, 0), // nil
  shape(-1, 0), // never used
  shape(0, 0), // false
  shape(0, 0), // true
  ...[1, 2, 4].map((n) => shape(n, 0)), // bin
  ...[1, 2, 4].map((n) => shape(n, 1)), // ext: a type byte before the payload
  ...[4, 8].map((n) => shape(0, n)), // float
  ...[1, 2, 4, 8].map((n) => shape(0, n)), // uint
  ...[1, 2, 4, 8].map((n) => shape(0, n)), // int
  ...[1, 2, 4, 8, 16].map((n) => shape(0, n + 1)), // fixext: a type byte and the payload
  ...[1, 2, 4].map((n) => shape(n, 0)), // str
  ...[2, 4].map((n) => shape(n, 0, 1)), // array
  ...[2, 4].map((n) => shape(n, 0, 2)), // map
]
