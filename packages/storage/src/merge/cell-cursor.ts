import type { Place } from '../table/place'

/**
 * Walks over cells in the order (partition, key), one version of each key. For merging and
 * scanning: it reads ahead into memory of its own, and past the block cache.
 */
export interface CellCursor {
  /** True before the first cell is loaded and after the last: `buffer` and `at` mean nothing then. */
  readonly ended: boolean
  /** The current cell lies at `buffer[at]`, valid until the next call of any method. */
  readonly buffer: Buffer
  readonly at: number
  readonly partition: number
  /**
   * Goes to the first cell above `after` (the very first without it); also back. Must be called
   * first. @throws CassioError CASSIO_CORRUPT with the field `table`; the disk's own errors.
   */
  seek(after: Place | undefined): Promise<void>
  /**
   * Goes to the next cell, or to the end.
   * @returns false when that cell must be loaded: `await load()` then gets there.
   */
  advance(): boolean
  load(): Promise<void>
  /** Gives up what it holds. Idempotent; the cursor is of no use afterwards. */
  close(): Promise<void>
}
