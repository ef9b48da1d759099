import { type CassioError, type OptionTable, parseOptionTable } from '@cassiopeia/protocol'
import { PROVEN_ALONE, type TombstoneProof } from './delete-log/tombstone-proof'
import type { Compression } from './table/table-info'

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
  /** Where the store keeps its files; made when missing. One store at a time. */
  readonly directory: string
  /** When a write is acknowledged and the commit log synced. Default 'group'. */
  readonly sync?: SyncMode | undefined
  /** With sync 'periodic': milliseconds to a sync. 1 to 3,600,000; default 1,000. */
  readonly syncIntervalMs?: number | undefined
  /**
   * Bytes of memory for memtables, cached blocks, filters and indexes together. 1 MiB to 1,024 GiB;
   * default 256 MiB.
   */
  readonly memoryBytesMax?: number | undefined
  /**
   * Bytes of a memtable, its index included; up to three exist at a time. 4 KiB to 1 GiB, at most an
   * eighth of `memoryBytesMax`; default 0: that eighth, or 64 MiB where that is less.
   */
  readonly memtableBytes?: number | undefined
  /** A log file of this size takes no further batch. 1 KiB to 1 GiB; default 64 MiB. */
  readonly segmentBytes?: number | undefined
  /**
   * Bytes taken by writes that are not settled yet. 1 KiB to 1 GiB; default 16 MiB; at most a 16th of
   * `memoryBytesMax` counts.
   */
  readonly pendingBytesMax?: number | undefined
  /**
   * Batches up to this size are written to the log by the event loop itself, while the system takes
   * them in a few milliseconds: some more writes a second, but when it makes writers wait, as it does
   * for other files' syncs, the loop is held for as long, some 300 ms have been seen. 0 to 1 MiB;
   * default 0: another thread writes.
   */
  readonly inlineWriteBytesMax?: number | undefined
  /**
   * Whether the event loop reads blocks of tables itself for `get` and `has` while that is quick, as
   * when the system has them in its cache: some microseconds each, a fraction of what another thread
   * costs. After slow reads, others do it for a while. Default true; false: always others.
   */
  readonly readInPlace?: boolean | undefined
  /** Bytes of cells in a block of a table; a larger cell has its own. 512 to 32,768; default 4,096. */
  readonly blockBytes?: number | undefined
  /**
   * Compaction begins another table above this size. 4 KiB to 1 GiB; default 0: a 32nd of what is
   * merged, at least 2 MiB.
   */
  readonly tableBytes?: number | undefined
  /** Bits of Bloom filter for each key. 0 (no filter) to 32; default 10, 1 % false positives. */
  readonly filterBitsPerKey?: number | undefined
  /** How blocks are compressed. 'none' or 'deflate'; default 'none'. */
  readonly compression?: Compression | undefined
  /** Bytes that compaction reads and writes in a second. 0 (no bound) to 2^40; default 0. */
  readonly compactionBytesPerSecondMax?: number | undefined
  /** Writes are refused while the disk has less free. 0 to 1 TiB; default 64 MiB. */
  readonly diskReserveBytes?: number | undefined
  /** How many partitions there are. 1 to 2^24; default 1. */
  readonly partitions?: number | undefined
  /** The partition, 0 to `partitions` − 1, of a key's hash. Default: all keys are in partition 0. */
  readonly partitionOf?: ((hash: number) => number) | undefined
  /** By which rule tombstones are forgotten. Default: as in a store without replicas. */
  readonly proof?: TombstoneProof | undefined
  /** Called once when the store can write no more; reads go on. Default: nothing. */
  readonly onFatal?: ((error: CassioError) => void) | undefined
}

/** Options after parsing: every one is present and within its limits. */
export type StoreSettings = { readonly [Name in keyof StoreOptions]-?: Present<StoreOptions[Name]> }
type Present<Value> = Exclude<Value, undefined>

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** A memtable is at most this share of the budget: three, and the copy that is being flushed. */
const MEMTABLE_SHARE = 1 / 8
/** They lie in memtables, beyond the size at which these are full. */
const PENDING_SHARE = 1 / 16
const PENDING_BYTES_MIN = MIB
const MEMTABLE_BYTES_DEFAULT = 64 * MIB
export const PARTITIONS_MAX: number = 2 ** 24

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
  syncIntervalMs: integer(
    1_000,
    1,
    3_600_000,
    "With sync 'periodic': the longest, in ms, that a written cell waits for its sync.",
  ),
  memoryBytesMax: integer(
    256 * MIB,
    MIB,
    1_024 * GIB,
    'Bytes of memory for memtables, cached blocks, filters and indexes together.',
  ),
  memtableBytes: integer(
    0,
    0,
    GIB,
    'Bytes of a memtable, at most an eighth of memoryBytesMax; 0: that eighth, at most 64 MiB.',
  ),
  segmentBytes: integer(64 * MIB, KIB, GIB, 'A log file of this size takes no further batch.'),
  pendingBytesMax: integer(
    16 * MIB,
    KIB,
    GIB,
    'Bytes taken by writes that are not settled yet, at most a 16th of memoryBytesMax counts.',
  ),
  inlineWriteBytesMax: integer(
    0,
    0,
    MIB,
    'Batches up to this size are written to the log by the event loop itself, while that is quick.',
  ),
  readInPlace: {
    type: 'flag',
    default: true,
    doc: 'The event loop reads blocks of tables itself while that is quick.',
  },
  blockBytes: integer(
    4 * KIB,
    512,
    32 * KIB,
    'Bytes of cells in a block of a table; a larger cell has its own.',
  ),
  tableBytes: integer(
    0,
    0,
    GIB,
    'Compaction begins another table above this size; 0: a 32nd of what is merged, at least 2 MiB.',
  ),
  filterBitsPerKey: integer(10, 0, 32, 'Bits of Bloom filter for each key; 0: no filter.'),
  compression: {
    type: 'choice',
    default: 'none',
    choices: ['none', 'deflate'],
    doc: 'How blocks of tables are compressed.',
  },
  compactionBytesPerSecondMax: integer(
    0,
    0,
    2 ** 40,
    'Bytes that compaction reads and writes in a second; 0: no bound.',
  ),
  diskReserveBytes: integer(
    64 * MIB,
    0,
    1_024 * GIB,
    'Writes are refused while the disk has fewer bytes free.',
  ),
  partitions: integer(1, 1, PARTITIONS_MAX, 'How many partitions there are.'),
  partitionOf: {
    type: 'function',
    optional: true,
    doc: "The partition of a key's hash; by default all keys are in partition 0.",
  },
  proof: {
    type: 'object',
    optional: true,
    doc: 'By which rule tombstones are forgotten; by default as in a store without replicas.',
  },
  onFatal: {
    type: 'function',
    optional: true,
    doc: 'Called once when the store can write no more; reads go on.',
  },
})

/** @throws CassioError CASSIO_CONFIG that names every violation at once. */
export function parseStoreOptions(options: StoreOptions): StoreSettings {
  const settings = parseOptionTable<StoreOptions, StoreSettings>(
    STORE_OPTIONS,
    options,
    'store',
    violationsOf,
  )
  const share = Math.floor(settings.memoryBytesMax * MEMTABLE_SHARE)
  return {
    ...settings,
    memtableBytes: settings.memtableBytes || Math.min(share, MEMTABLE_BYTES_DEFAULT),
    pendingBytesMax: Math.min(
      settings.pendingBytesMax,
      Math.max(PENDING_BYTES_MIN, Math.floor(settings.memoryBytesMax * PENDING_SHARE)),
    ),
    partitionOf: settings.partitionOf ?? (() => 0),
    proof: settings.proof ?? PROVEN_ALONE,
    onFatal: settings.onFatal ?? (() => {}),
  }
}

function violationsOf(settings: StoreSettings): string[] {
  const { memtableBytes, memoryBytesMax, partitions, partitionOf, tableBytes } = settings
  const violations: string[] = []
  const share = Math.floor(memoryBytesMax * MEMTABLE_SHARE)
  if (memtableBytes !== 0 && (memtableBytes < 4 * KIB || memtableBytes > share)) {
    violations.push(
      `memtableBytes must be 0, or ${4 * KIB} to an eighth of memoryBytesMax (${share}), not ` +
        `${memtableBytes}`,
    )
  }
  if (tableBytes !== 0 && tableBytes < 4 * KIB) {
    violations.push(`tableBytes must be 0 or at least ${4 * KIB}, not ${tableBytes}`)
  }
  if (partitions > 1 && partitionOf === undefined) {
    violations.push(`partitionOf must be given where there are ${partitions} partitions`)
  }
  return violations
}

function integer(
  byDefault: number,
  min: number,
  max: number,
  doc: string,
): { type: 'integer'; default: number; min: number; max: number; doc: string } {
  return { type: 'integer', default: byDefault, min, max, doc }
}
