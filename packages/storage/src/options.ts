import { type CassioError, type OptionTable, parseOptionTable } from '@cassiopeia/protocol'

/**
 * When a write is acknowledged, and when the commit log is synced.
 *
 * - 'group': acknowledged after an fsync that covers every write waiting for it.
 * - 'periodic': acknowledged once written; synced at most `syncIntervalMs` later. A killed process
 *   loses nothing, a power cut loses at most that interval.
 * - 'none': acknowledged once written; synced only when a segment is full and at close.
 */
export type SyncMode = 'group' | 'periodic' | 'none'

export interface StoreOptions {
  readonly directory: string
  readonly sync?: SyncMode | undefined
  readonly syncIntervalMs?: number | undefined
  readonly segmentBytes?: number | undefined
  readonly memoryBytesMax?: number | undefined
  readonly pendingBytesMax?: number | undefined
  readonly keyHash: (bytes: Buffer, start: number, end: number) => number
  readonly partitionOf: (hash: number) => number
  readonly onFatal: (error: CassioError) => void
}

/** Options after parsing: every one is present and within its limits. */
export type StoreSettings = { readonly [Name in keyof StoreOptions]-?: Present<StoreOptions[Name]> }
type Present<Value> = Exclude<Value, undefined>

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** Every option of a store. Options without a default must be given. */
export const STORE_OPTIONS: OptionTable<StoreOptions> = Object.freeze({
  directory: {
    type: 'text',
    doc: 'Where the store keeps its files; made when missing. One store at a time.',
  },
  sync: {
    type: 'choice',
    default: 'group',
    choices: ['group', 'periodic', 'none'],
    doc: 'When a write is acknowledged and the commit log synced.',
  },
  syncIntervalMs: {
    type: 'integer',
    default: 1_000,
    min: 1,
    max: 3_600_000,
    doc: "With sync 'periodic': the longest that a written cell waits for its sync.",
  },
  segmentBytes: {
    type: 'integer',
    default: 64 * MIB,
    min: KIB,
    max: GIB,
    doc: 'A log file of this size takes no further batch; at most a 16th of memoryBytesMax counts.',
  },
  memoryBytesMax: {
    type: 'integer',
    default: GIB,
    min: MIB,
    max: 64 * GIB,
    doc: 'Memory for cells and their index; a write that would need more is refused, reads go on.',
  },
  pendingBytesMax: {
    type: 'integer',
    default: 64 * MIB,
    min: KIB,
    max: GIB,
    doc: 'Bytes taken by writes that are not settled yet; a write beyond is refused.',
  },
  keyHash: {
    type: 'function',
    doc: 'The hash of the key bytes[start..end): an integer from 0 to 2^52.',
  },
  partitionOf: { type: 'function', doc: 'The partition of a hash: an integer from 0.' },
  onFatal: {
    type: 'function',
    doc: 'Called once when the log cannot be written or synced; no write succeeds afterwards.',
  },
})

/** @throws CassioError CASSIO_CONFIG that names every violation at once. */
export function parseStoreOptions(options: StoreOptions): StoreSettings {
  return parseOptionTable(STORE_OPTIONS, options, 'store')
}
