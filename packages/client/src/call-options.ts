import {
  ConsistencyLevel,
  EXPIRY_MS_MAX,
  parseConsistencyLevel,
  parseStamp,
} from '@cassiopeia/protocol'
import { TIMEOUT_MS_MAX } from './options'
import type { RepairReport } from './repair-summary'

export interface CallOptions {
  /** Milliseconds until the call fails, 1 to 600,000. Default: the client's. */
  readonly timeoutMs?: number | undefined
  /** Ends the call at once with CASSIO_ABORTED; a write that was sent may be applied all the same. */
  readonly signal?: AbortSignal | undefined
}

export interface ReadOptions extends CallOptions {
  /** Replicas that must agree. Default: the client's. */
  readonly consistency?: ConsistencyLevel | undefined
}

export interface DeleteOptions extends ReadOptions {
  /**
   * The write's place in the order of versions: the `stamp` of an earlier receipt or error, to repeat
   * that very write; or whole milliseconds since the Unix epoch. Default: the coordinator gives one.
   */
  readonly timestamp?: string | number | undefined
}

export interface WriteOptions extends DeleteOptions {
  /** Milliseconds until the value expires, 1 to 2^47. Default: never. */
  readonly ttlMs?: number | undefined
}

export interface ScanOptions extends ReadOptions {
  /** Only keys that begin with these bytes. */
  readonly prefix?: string | Uint8Array | undefined
  /** Entries asked of a node at once, 1 to 10,000. Default 1,000. `timeoutMs` is for each page. */
  readonly pageSize?: number | undefined
  /** How keys come: as text, or as Buffers. Default 'utf8'. */
  readonly keyEncoding?: 'utf8' | 'buffer' | undefined
}

/** `timeoutMs` is for each question to a node; a repair takes as long as it takes. */
export interface RepairOptions extends CallOptions {
  /** Only these, of those that the cluster map has. Default: all. */
  readonly partitions?: readonly number[] | undefined
  /** Told how far it is, whenever a node has said something new. */
  readonly onProgress?: ((report: RepairReport) => void) | undefined
}

/** A TTL added to any clock's reading must still fit in a cell's expiry. */
const TTL_MS_MAX = (EXPIRY_MS_MAX + 1) / 2
export const PAGE_SIZE_MAX = 10_000

const CALL_NAMES = ['timeoutMs', 'signal'] as const
const READ_NAMES = [...CALL_NAMES, 'consistency'] as const
const DELETE_NAMES = [...READ_NAMES, 'timestamp'] as const
const WRITE_NAMES = [...DELETE_NAMES, 'ttlMs'] as const
const SCAN_NAMES = [...READ_NAMES, 'prefix', 'pageSize', 'keyEncoding'] as const
const REPAIR_NAMES = [...CALL_NAMES, 'partitions', 'onProgress'] as const

/** Which options a kind of call takes. */
export const OptionNames = Object.freeze({
  call: new Set<string>(CALL_NAMES),
  read: new Set<string>(READ_NAMES),
  del: new Set<string>(DELETE_NAMES),
  write: new Set<string>(WRITE_NAMES),
  scan: new Set<string>(SCAN_NAMES),
  repair: new Set<string>(REPAIR_NAMES),
})

/** @throws TypeError for a name that is no option: a misspelt `ttlMs` must not be lost in silence. */
export function checkNames(options: object, names: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('options must be an object')
  for (const name of Object.keys(options)) {
    if (names.has(name)) continue
    throw new TypeError(`${name}: no such option here; options: ${[...names].join(', ')}`)
  }
}

/** @throws RangeError outside 1 to 600,000. */
export function timeoutOf(options: CallOptions, standard: number): number {
  const { timeoutMs } = options
  if (timeoutMs === undefined) return standard
  return wholeNumber('timeoutMs', timeoutMs, TIMEOUT_MS_MAX)
}

/** @throws TypeError for what is no AbortSignal. */
export function signalOf({ signal }: CallOptions): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw new TypeError('signal must be an AbortSignal')
}

/** @throws RangeError naming the levels. */
export function levelOf(options: ReadOptions, standard: number): number {
  const { consistency } = options
  if (consistency === undefined) return standard
  if (Object.hasOwn(ConsistencyLevel, consistency)) return ConsistencyLevel[consistency]
  return ConsistencyLevel[parseConsistencyLevel(`${consistency}`)]
}

/** @throws RangeError outside its range. */
export function ttlOf(options: WriteOptions): number | undefined {
  const { ttlMs } = options
  return ttlMs === undefined ? undefined : wholeNumber('ttlMs', ttlMs, TTL_MS_MAX)
}

/** @returns 16 bytes. @throws RangeError when it is no stamp. */
export function stampOf(options: DeleteOptions): Buffer | undefined {
  const { timestamp } = options
  return timestamp === undefined ? undefined : parseStamp(timestamp)
}

/** @throws RangeError outside 1 to `max`. */
export function wholeNumber(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new RangeError(`${name} must be a whole number from 1 to ${max}, not ${String(value)}`)
}

/** @throws RangeError for what is neither. */
export function keyEncodingOf({ keyEncoding = 'utf8' }: ScanOptions): 'utf8' | 'buffer' {
  if (keyEncoding === 'utf8' || keyEncoding === 'buffer') return keyEncoding
  throw new RangeError(`keyEncoding must be 'utf8' or 'buffer', not ${String(keyEncoding)}`)
}

/**
 * @param count Partitions that there are.
 * @returns each of them once; undefined for all.
 * @throws TypeError for what is no list; RangeError for what is no partition, and for none.
 */
export function partitionsOf({ partitions }: RepairOptions, count: number): number[] | undefined {
  if (partitions === undefined) return undefined
  if (!Array.isArray(partitions)) throw new TypeError('partitions must be a list of whole numbers')
  if (partitions.length === 0) throw new RangeError('partitions names no partition')
  for (const partition of partitions) {
    if (Number.isInteger(partition) && partition >= 0 && partition < count) continue
    throw new RangeError(
      `partitions are whole numbers from 0 to ${count - 1}, not ${String(partition)}`,
    )
  }
  return [...new Set<number>(partitions)]
}

/** @throws TypeError for what cannot be called. */
export function progressOf({ onProgress }: RepairOptions): RepairOptions['onProgress'] {
  if (onProgress === undefined || typeof onProgress === 'function') return onProgress
  throw new TypeError('onProgress must be a function')
}
