/// <reference path="./msgpackr-in-script.d.ts" />

// This build loads no native addon, evaluates no code, and shares its extensions with nobody else.
import { addExtension, Packr } from 'msgpackr/index-no-eval'

/** Elements (values, keys and entries together) allowed in one message. */
export const ELEMENTS_MAX = 1_000_000
/** How deep arrays and maps may nest. */
export const DEPTH_MAX = 64

/** The packer's extension types: everything that it packs, and all that is ever unpacked. */
const Extension = Object.freeze({
  undefined: 0x00,
  bigint: 0x42,
  /** Ours: a value follows, the array of the map's keys and values in turn. */
  map: 0x4d,
  /** A value follows, the array of the members. */
  set: 0x73,
  typedArray: 0x74,
  date: 0xff,
})

/** Stands in for a Map, which the packer itself cannot tell from an object. */
class PackedMap {
  constructor(readonly keysAndValues: unknown[]) {}
}

addExtension({
  Class: PackedMap,
  type: Extension.map,
  write: (packed: PackedMap) => packed.keysAndValues,
  read: (keysAndValues: unknown) => {
    if (!Array.isArray(keysAndValues) || keysAndValues.length % 2 !== 0) {
      throw new RangeError('a map is a list of keys and values in turn')
    }
    const map = new Map<unknown, unknown>()
    for (let i = 0; i < keysAndValues.length; i += 2)
      map.set(keysAndValues[i], keysAndValues[i + 1])
    return map
  },
})

/**
 * One packer for control messages and users' values. `moreTypes` keeps Set, Date, bigint and typed
 * arrays what they were; records stay off, so every message stands alone.
 */
const packr = new Packr({
  useRecords: false,
  // Otherwise objects of more than 65,535 properties cannot be packed.
  variableMapSize: true,
  moreTypes: true,
  mapsAsObjects: true,
  copyBuffers: true,
})

/** Encodes a value. @returns bytes of the caller's own. @throws RangeError when it is cyclic. */
export function pack(value: unknown): Buffer {
  return packr.pack(holdsMap(value) ? replaceMaps(value) : value)
}

function holdsMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (value instanceof Map) return true
  if (Array.isArray(value)) return value.some(holdsMap)
  if (value instanceof Set) return [...value].some(holdsMap)
  return isRecord(value) && Object.values(value).some(holdsMap)
}

function replaceMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Map)
    return new PackedMap([...value].flatMap((pair) => pair.map(replaceMaps)))
  if (Array.isArray(value)) return value.map(replaceMaps)
  if (value instanceof Set) return new Set([...value].map(replaceMaps))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaceMaps(each)]))
}

/** Whether the packer writes the object's own properties. */
function isRecord(value: object): boolean {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return false
  return typeof (value as { toJSON?: unknown }).toJSON !== 'function'
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
 * pull request 200). The budget is for the whole message, not for each array.
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
  if ((type >= 0xc7 && type <= 0xc9) || (type >= 0xd4 && type <= 0xd8)) {
    return readExtensionHead(bytes, at, end)
  }
  const shape = SHAPES[type - 0xc0]!
  const body = at + 1 + shape.lengthBytes
  if (shape.lengthBytes < 0 || body > end) return undefined
  const length = shape.lengthBytes === 0 ? 0 : bytes.readUIntBE(at + 1, shape.lengthBytes)
  if (shape.childrenPerLength > 0) return { next: body, children: length * shape.childrenPerLength }
  return { next: body + shape.fixedBytes + length, children: 0 }
}

/**
 * Only what `pack` writes: the decoder knows further types, among them definitions that change the
 * meaning of the bytes after them, and such as have it read at places of the sender's choice.
 */
function readExtensionHead(bytes: Buffer, at: number, end: number): Head | undefined {
  const type = bytes[at]!
  const isFixed = type >= 0xd4
  const lengthBytes = isFixed ? 0 : 2 ** (type - 0xc7)
  const payload = at + 2 + lengthBytes
  if (payload > end) return undefined
  const length = isFixed ? 2 ** (type - 0xd4) : bytes.readUIntBE(at + 1, lengthBytes)
  const next = payload + length
  switch (bytes[payload - 1]) {
    case Extension.bigint:
    case Extension.typedArray:
    case Extension.date:
      return length > 0 ? { next, children: 0 } : undefined
    case Extension.undefined:
      return type === 0xd4 ? { next, children: 0 } : undefined
    case Extension.map:
    case Extension.set:
      return type === 0xd4 ? { next, children: 1 } : undefined
    default:
      return undefined
  }
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
  ...[1, 2, 4].map((n) => shape(n, 1)), // ext: see readExtensionHead
  ...[4, 8].map((n) => shape(0, n)), // float
  ...[1, 2, 4, 8].map((n) => shape(0, n)), // uint
  ...[1, 2, 4, 8].map((n) => shape(0, n)), // int
  ...[1, 2, 4, 8, 16].map((n) => shape(0, n + 1)), // fixext: likewise
  ...[1, 2, 4].map((n) => shape(n, 0)), // str
  ...[2, 4].map((n) => shape(n, 0, 1)), // array
  ...[2, 4].map((n) => shape(n, 0, 2)), // map
]
