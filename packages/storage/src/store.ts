import type { CassioError } from '@cassiopeia/protocol'
import type { DigestRequest, PartitionDigest } from './digest/digest'
import type { TableDamage, VerifyResult } from './jobs/job'

/**
 * One node's durable map of cells. It keeps, for each key, the cell that `reconcile` prefers,
 * ordered by (partition, key); it knows no cluster.
 *
 * Hot calls take slots in buffers and a token instead of objects and promises: the sink's methods
 * are called with the token, and a pool of tokens costs nothing per operation.
 */
export interface CellStore {
  /**
   * Takes a cell: copies its bytes before returning, writes them to the commit log with the other
   * cells of this turn, and calls `sink.onWritten` or `sink.onWriteFailed` once, never before
   * returning. Cells become visible to `read` only once they are as durable as the sync mode
   * promises, in the order in which they were given.
   *
   * @param cell A sound cell at `cell[at]` (`cellFault` found nothing).
   * @param hash `keyHash` of the cell's key; `partition` what `options.partitionOf` gives for it.
   */
  write(
    cell: Buffer,
    at: number,
    partition: number,
    hash: number,
    sink: WriteSink,
    token: number,
  ): void

  /**
   * Takes all cells that `give` writes, or none: they become visible together, and survive a crash
   * together or not at all. A group that is alone may be larger than `pendingBytesMax`.
   *
   * @param bytes Of all its cells together. @param give Calls `write` before it returns.
   * @returns why the group is refused, in which case `give` is not called.
   */
  group(bytes: number, give: () => void): CassioError | undefined

  /**
   * Looks for the newest cell of the key `key[from..to)`, tombstones and expired cells included, and
   * calls `sink.onRead` or `sink.onReadFailed` once: before returning when the answer is in memory,
   * later when a file must be read. The key is copied before returning.
   */
  read(
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
    sink: ReadSink,
    token: number,
  ): void

  /** As `read`, but answers before returning: the event loop waits while a file is read. */
  readSync(
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
    sink: ReadSink,
    token: number,
  ): void

  /**
   * Visits the newest cell of each key of the partitions `from` to `to`, both included, in order,
   * tombstones and expired ones included, beginning above `afterKey` in `from` (at its start without
   * it), until `visit` returns false. A view is valid during the call of `visit` only.
   *
   * No snapshot: of a cell that is written meanwhile, the old or the new version is visited. @throws
   * CassioError CASSIO_CORRUPT when a damaged block lies in the way, CASSIO_STORAGE, CASSIO_CLOSED.
   */
  scan(
    from: number,
    to: number,
    afterKey: Buffer | undefined,
    visit: (cell: Buffer, at: number, partition: number) => boolean,
  ): Promise<void>

  /** The largest stamp of any cell held (16 bytes, a copy); undefined in an empty store. */
  newestStamp(): Buffer | undefined

  /** Writes what is in memory to tables. Resolves when all that was visible at the call is in one. */
  flush(): Promise<void>

  /** Flushes, then merges all tables, and lets go of tombstones that may be forgotten. */
  compact(): Promise<void>

  /**
   * Makes `directory` a copy of all that was visible at the call, by hard links, which cost no space
   * while the tables live on here too. `directory` must not exist or be empty, on the same file
   * system. The copy opens like any store. @throws CassioError CASSIO_STORAGE.
   */
  snapshot(directory: string): Promise<void>

  /** Reads every table and checks every byte. Damage is reported, and fenced off from now on. */
  verify(): Promise<VerifyResult>

  /**
   * Sums up what each partition holds, beside the event loop. Flushes first when memory holds cells of
   * them, so that the digests cover all that was given to `write` before the call and not refused;
   * later cells may be in them or not. A damaged block makes its partition `damaged`, is fenced off, and
   * does not make the call fail. Calls follow one another, and the caller bounds how many wait.
   *
   * @returns one for each partition asked for, in that order. @throws RangeError for partitions that do
   * not rise, or are none of the store's; CassioError CASSIO_STORAGE, CASSIO_DISK_FULL, CASSIO_CLOSED.
   */
  digest(request: DigestRequest): Promise<PartitionDigest[]>

  /**
   * Resolves when all that was given to `write` before the call, and not refused, is visible and survives
   * a power cut, whatever the sync mode. @throws CassioError CASSIO_STORAGE: the store has failed, by
   * this or before; CASSIO_CLOSED.
   */
  sync(): Promise<void>

  /**
   * `TombstoneProof.proofs` would reach further than when it was last asked: tombstones may go that had
   * to stay. That reads and writes the applied part of the delete log, so not for each single partition.
   */
  proofsMoved(): void

  stats(): StoreStats

  /**
   * Writes and syncs what is pending, waits for work in the background to stop, releases the
   * directory. Does not flush: the log has it all. Idempotent.
   */
  close(): Promise<void>
}

export interface WriteSink {
  /**
   * The cell is durable. `newest` is undefined when it is now the key's newest version (or equal to
   * it); otherwise the newer cell lies at `newest[newestAt]`, valid during the call only.
   */
  onWritten(token: number, newest: Buffer | undefined, newestAt: number): void
  /**
   * CASSIO_OVERLOADED, CASSIO_DISK_FULL or CASSIO_CLOSED: refused, nothing written. CASSIO_STORAGE:
   * the store has failed for good; `applied` says whether this cell may be in the log all the same.
   */
  onWriteFailed(token: number, error: CassioError): void
}

export interface ReadSink {
  /** The cell lies at `cell[at]`, valid during the call only; undefined when the key has none. */
  onRead(token: number, cell: Buffer | undefined, at: number): void
  /**
   * CASSIO_CORRUPT: where the key would be is damaged, so nobody can say whether it is there.
   * CASSIO_STORAGE: the disk refused. CASSIO_CLOSED.
   */
  onReadFailed(token: number, error: CassioError): void
}

export interface StoreStats {
  /** Versions of keys in memory and in tables: the number of keys, and what is not yet merged away. */
  readonly cells: number
  readonly tombstones: number
  /** Bytes of those cells, as encoded. */
  readonly cellBytes: number
  /** Memory held, by what for. The sum stays within `memoryBytesMax`. */
  readonly memoryBytes: number
  readonly memory: {
    readonly memtables: number
    /** The copy of a memtable for its flush, and memory that waits for the next memtable. */
    readonly spare: number
    readonly blocks: number
    readonly filters: number
    readonly indexes: number
  }
  /** Bytes in the files of the commit log, and how many files. */
  readonly logBytes: number
  readonly logSegments: number
  readonly tables: number
  readonly tableBytes: number
  /** Sorted runs: the most tables that one read may have to ask. */
  readonly runs: number
  readonly deleteTables: number
  readonly deleteTableBytes: number
  /** Since the store was opened. */
  readonly writes: number
  readonly reads: number
  readonly syncs: number
  /** Bytes of cells taken; bytes written to the log, by flushes and by compaction. */
  readonly bytesTaken: number
  readonly bytesLogged: number
  readonly bytesFlushed: number
  readonly bytesCompacted: number
  readonly flushes: number
  readonly compactions: number
  readonly tombstonesForgotten: number
  /** Tables asked for a key by reads, and how many of them their filter had sent there in vain. */
  readonly tableLookups: number
  readonly filterMisleads: number
  readonly blockReads: number
  readonly blockHits: number
  /** Milliseconds for which writes were held back so that flushes and compaction could keep up. */
  readonly throttledMs: number
  /** Whether writes are refused because the disk is full. */
  readonly diskFull: boolean
  /** Damage met so far: these blocks are fenced off. */
  readonly damages: readonly TableDamage[]
  readonly recovered: RecoveryReport
}

/** What opening found. */
export interface RecoveryReport {
  readonly segments: number
  readonly cells: number
  readonly bytes: number
  /** Bytes cut from the torn tail of the last segment; 0 after a clean stop. */
  readonly tornBytes: number
  readonly tables: number
  readonly durationMs: number
}
