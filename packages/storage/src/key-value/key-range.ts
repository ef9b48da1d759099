import { KEY_BYTES_MAX } from '@cassiopeia/protocol'
import { type Bytes, checkNames, keyTooLarge, notBytes } from './arguments'
import { UTF8_BYTES_PER_UNIT, writeText } from './write-bytes'

/** Which entries an iteration gives; all conditions given must hold. */
export interface KeyRange {
  /** Only this partition, from 0. Default: all. */
  readonly partition?: number | undefined
  readonly gt?: Bytes | undefined
  readonly gte?: Bytes | undefined
  readonly lt?: Bytes | undefined
  readonly lte?: Bytes | undefined
  /** Only keys that begin with these bytes. */
  readonly prefix?: Bytes | undefined
  /** The most entries, 0 or more. Default: all. */
  readonly limit?: number | undefined
}

/** A range made simple. The keys wanted of each partition are those from `lower` to below `upper`. */
export interface KeySpan {
  readonly firstPartition: number
  readonly lastPartition: number
  /** The smallest key wanted; undefined: no bound. */
  readonly lower: Buffer | undefined
  /** The smallest key above `lower` not wanted any more; undefined: no bound. */
  readonly upper: Buffer | undefined
  readonly limit: number
}

const NAMES: ReadonlySet<string> = new Set([
  'partition',
  'gt',
  'gte',
  'lt',
  'lte',
  'prefix',
  'limit',
])

/** @throws TypeError, RangeError, CassioError CASSIO_KEY_TOO_LARGE. Copies the bytes of the bounds. */
export function parseRange(range: KeyRange, partitions: number): KeySpan {
  checkNames(range, NAMES, 'a range')
  const { partition } = range
  if (partition !== undefined) checkWhole('partition', partition, partitions - 1)
  const limit = range.limit ?? Number.POSITIVE_INFINITY
  if (limit !== Number.POSITIVE_INFINITY) checkWhole('limit', limit, Number.MAX_SAFE_INTEGER)
  const prefix = boundOf('prefix', range.prefix)
  return {
    firstPartition: partition ?? 0,
    lastPartition: partition ?? partitions - 1,
    lower: larger(larger(prefix, boundOf('gte', range.gte)), next(boundOf('gt', range.gt))),
    upper: smaller(
      smaller(prefix && afterPrefix(prefix), boundOf('lt', range.lt)),
      next(boundOf('lte', range.lte)),
    ),
    limit,
  }
}

/** Whether no key can be in the span. */
export function isEmptySpan({ lower, upper, limit }: KeySpan): boolean {
  if (limit === 0 || upper?.length === 0) return true
  return lower !== undefined && upper !== undefined && Buffer.compare(lower, upper) >= 0
}

/** Bytes of 0xff that take the place of endless ones. */
const PADDING_BYTES = 32

/**
 * A key below `lower` and as near as it takes: between the two lie no keys but strange ones.
 * @returns undefined when nothing is below.
 */
export function keyBelow(lower: Buffer): Buffer | undefined {
  const end = lower.length - 1
  const last = lower[end]
  if (last === undefined) return undefined
  // Nothing at all lies between a key and the key with a zero behind it.
  if (last === 0) return end === 0 ? undefined : lower.subarray(0, end)
  const below = Buffer.alloc(Math.min(lower.length + PADDING_BYTES, KEY_BYTES_MAX), 0xff)
  lower.copy(below)
  below[end] = last - 1
  below.fill(0xff, end + 1)
  return below
}

/** A bound may be empty, unlike a key: it is below every key, and each begins with it. */
function boundOf(name: string, bound: Bytes | undefined): Buffer | undefined {
  if (bound === undefined) return undefined
  const bytes = encode(name, bound)
  if (bytes.length > KEY_BYTES_MAX) throw keyTooLarge(bytes.length)
  return bytes
}

function encode(name: string, bound: Bytes): Buffer {
  if (typeof bound === 'string') {
    const bytes = Buffer.allocUnsafe(bound.length * UTF8_BYTES_PER_UNIT)
    return bytes.subarray(0, writeText(bytes, 0, bound, name))
  }
  if (bound instanceof Uint8Array) return Buffer.from(bound)
  throw notBytes(name, bound)
}

/** The very next key. */
function next(key: Buffer | undefined): Buffer | undefined {
  return key && Buffer.concat([key, Buffer.alloc(1)])
}

/** The smallest key above all that begin with `prefix`; undefined when there is none. */
function afterPrefix(prefix: Buffer): Buffer | undefined {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1
  if (end === 0) return undefined
  const after = Buffer.from(prefix.subarray(0, end))
  after[end - 1]! += 1
  return after
}

function larger(a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Buffer.compare(a, b) >= 0 ? a : b
}

function smaller(a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Buffer.compare(a, b) <= 0 ? a : b
}

function checkWhole(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  throw new RangeError(`${name} must be a whole number from 0 to ${max}, not ${String(value)}`)
}
