import type { CassioError } from '@cassiopeia/protocol'

/**
 * One node's durable map of cells. It keeps, for each key, the cell that `reconcile` prefers,
 * ordered by (partition, key); it knows no cluster.
 *
 * Hot calls take slots in buffers and a token instead of objects and promises: the sink's methods
 * are called with the token, and a pool of tokens costs nothing per operation.
 */
export interface Store {
  /**
   * Takes a cell: copies its bytes before returning, writes them to the commit log with the other
   * cells of this turn, and calls `sink.onWritten` or `sink.onWriteFailed` once, never before
   * returning. Cells become visible to `read` only once they are as durable as the sync mode
   * promises, in the order in which they were given.
   *
   * @param cell A sound cell at `cell[at]` (`cellFault` found nothing).
   * @param hash What `options.keyHash` gives for the cell's key; `partition` what `partitionOf` does.
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
   * Looks for the newest cell of the key `key[from..to)`, tombstones and expired cells included, and
   * calls `sink.onRead` once: before returning when the answer is in memory, as it always is now.
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

  /**
   * Visits the cells of one partition in the order of their key bytes, tombstones and expired ones
   * included, from the first key above `afterKey` (from the start without it), until `visit`
   * returns false. A view is valid during the call of `visit` only.
   */
  scan(
    partition: number,
    afterKey: Buffer | undefined,
    visit: (cell: Buffer, at: number) => boolean,
  ): Promise<void>

  stats(): StoreStats

  /** Writes and syncs what is pending, then releases the directory. Idempotent. */
  close(): Promise<void>
}

export interface WriteSink {
  /**
   * The cell is durable. `newest` is undefined when it is now the key's newest version (or equal to
   * it); otherwise the newer cell lies at `newest[newestAt]`, valid during the call only.
   */
  onWritten(token: number, newest: Buffer | undefined, newestAt: number): void
  /**
   * CASSIO_OVERLOADED or CASSIO_CLOSED: refused, nothing written. CASSIO_STORAGE: the store has
   * failed for good; `applied` says whether this cell may be in the log all the same.
   */
  onWriteFailed(token: number, error: CassioError): void
}

export interface ReadSink {
  /** The cell lies at `cell[at]`, valid during the call only; undefined when the key has none. */
  onRead(token: number, cell: Buffer | undefined, at: number): void
  onReadFailed(token: number, error: CassioError): void
}

export interface StoreStats {
  /** Keys with a cell, tombstones and expired cells included. */
  readonly keys: number
  readonly tombstones: number
  /** Bytes of the newest cell of every key. */
  readonly cellBytes: number
  /** Memory held for cells and their index. */
  readonly memoryBytes: number
  /** Bytes in the files of the commit log, and how many files. */
  readonly logBytes: number
  readonly logSegments: number
  /** Since the store was opened. */
  readonly writes: number
  readonly reads: number
  readonly syncs: number
  readonly recovered: RecoveryReport
}

/** What opening found. */
export interface RecoveryReport {
  readonly segments: number
  readonly cells: number
  readonly bytes: number
  /** Bytes cut from the torn tail of the last segment; 0 after a clean stop. */
  readonly tornBytes: number
  readonly durationMs: number
}
