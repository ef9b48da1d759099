import type { DigestRequest, PartitionDigest } from '../digest/digest'
import type { Place } from '../table/place'
import type { TableInfo, TableSettings } from '../table/table-info'

/**
 * What the store asks of its workers: plain data, as a thread needs it. Every table that a job has
 * reported is whole and durable, its directory entry included; those that it did not report, when it
 * failed or was cancelled, it has removed as far as it could. (Recovery removes what a crash left.)
 */
export type StoreJob = FlushJob | MergeJob | ForgetJob | VerifyJob | DigestJob

interface WritingJob {
  /** Where tables lie. */
  readonly directory: string
  readonly settings: TableSettings
  /** The numbers from this one on belong to this job alone. */
  readonly firstNumber: number
  readonly createdMs: number
}

/**
 * Writes a memtable as tables: its values as one data table, its tombstones as one of the delete
 * log, none where there is nothing. Resolves to a `JobResult`.
 */
export interface FlushJob extends WritingJob {
  readonly type: 'flush'
  readonly memtable: MemtableImage
}

/** A copy of a memtable that takes no more cells: see `memtable/memtable` for the words of a slot. */
export interface MemtableImage {
  readonly keys: number
  readonly chunks: readonly Uint8Array[]
  readonly slotPages: readonly Uint32Array[]
  readonly partitionHeads: Uint32Array
}

/** A table, from the place on that still counts of it: `after` itself and all before are dead. */
export interface TableRef {
  readonly info: TableInfo
  readonly after: Place | undefined
}

/**
 * Merges data tables into new ones, in order. Drops versions that lost to another input or to a
 * tombstone in `covers`, which it only reads. A cell that has expired at `nowMs` becomes a tombstone
 * with its stamp in a new delete table (unless a cover or another input beats it).
 *
 * Reports progress (`MergeProgress`) after each output table, so that the store can let go of inputs
 * piece by piece; the last outputs come with the result.
 */
export interface MergeJob extends WritingJob {
  readonly type: 'merge'
  readonly inputs: readonly TableRef[]
  readonly covers: readonly TableRef[]
  readonly nowMs: number
  /** The most that it may read and write in a second, both counted; 0: no bound. */
  readonly bytesPerSecondMax: number
}

/**
 * Merges tables of the delete log into one (or more), forgetting tombstones that may go. One may go
 * when its partition's proof (`proofs`) reaches its stamp, its stamp is below `memtableMinStamp`, and
 * no table of `data` that can hold a cell as old may hold the key, by its filter.
 */
export interface ForgetJob extends WritingJob {
  readonly type: 'forget'
  readonly inputs: readonly TableRef[]
  readonly data: readonly TableRef[]
  /** 'all': every tombstone is proven; 'none': none is; or 16 bytes for each partition from 0 on. */
  readonly proofs: 'all' | 'none' | Uint8Array
  /** The oldest stamp in memory (16 bytes); undefined when memory holds no cell. */
  readonly memtableMinStamp: Uint8Array | undefined
}

/** Reads tables from end to end and checks every byte. Resolves to `VerifyResult`. */
export interface VerifyJob {
  readonly type: 'verify'
  readonly directory: string
  readonly tables: readonly TableRef[]
  readonly bytesPerSecondMax: number
}

/**
 * Sums up the newest cells of partitions, which all are in `tables`. A damaged block makes the partitions
 * that it may have cells of damaged, and the job goes on. Resolves to `DigestResult`.
 */
export interface DigestJob extends DigestRequest {
  readonly type: 'digest'
  readonly directory: string
  readonly tables: readonly TableRef[]
  readonly bytesPerSecondMax: number
}

export interface MergeProgress {
  readonly tables: readonly TableInfo[]
  /** All inputs are dead up to here; undefined in the last report, when they are dead altogether. */
  readonly upTo: Place | undefined
}

export interface JobResult {
  readonly tables: readonly TableInfo[]
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Forget only: the largest stamp of a tombstone that was forgotten (16 bytes). */
  readonly forgottenMaxStamp: Uint8Array | undefined
  readonly forgotten: number
}

export interface VerifyResult {
  readonly bytes: number
  readonly damages: readonly TableDamage[]
}

export interface DigestResult {
  /** One for each partition asked for, in that order. */
  readonly digests: PartitionDigest[]
  readonly damages: readonly TableDamage[]
}

/** One damaged piece of a table. */
export interface TableDamage {
  readonly table: number
  /** Position and size in the file, in bytes. */
  readonly at: number
  readonly bytes: number
  readonly what: string
}
