import type { Clock } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKeyLength, cellSize, keyHash } from '@cassiopeia/protocol'
import type { VerifyResult } from '../jobs/job'
import type { CellStore, StoreStats } from '../store'
import {
  type BatchOperation,
  type Bytes,
  checkOperation,
  checkSetOptions,
  type SetOptions,
} from './arguments'
import { CellEncoder, KeyScratch } from './cell-encoder'
import {
  ENTRIES,
  EntryIterator,
  type EntryShape,
  KEYS,
  type KeyValueEntry,
  VALUES,
} from './entry-iterator'
import { type KeyRange, parseRange } from './key-range'
import { copyOfValue } from './live-value'
import { ManyReads } from './many-reads'
import { ReadTable } from './read-table'
import { RisingStamps } from './rising-stamps'
import { copyBytes } from './write-bytes'
import { WriteTable } from './write-table'

export type { BatchOperation, Bytes, SetOptions } from './arguments'
export type { EntryIterator, KeyValueEntry } from './entry-iterator'
export type { KeyRange } from './key-range'

export interface KeyValueParts {
  readonly clock: Clock
  /** The partition of a key's hash: 0 to `partitions` − 1. */
  readonly partitionOf: (hash: number) => number
  readonly partitions: number
}

const ALL: KeyRange = Object.freeze({})

/**
 * A durable, ordered map from bytes to bytes over a `CellStore`, of which it must be the only writer.
 *
 * `arguments` says what may be given; `cell-encoder`, `write-bytes` and `rising-stamps` turn it into
 * cells; `write-table`, `read-table` and `many-reads` keep the promises of calls under way;
 * `key-range`, `entry-page` and `entry-iterator` iterate.
 *
 * Keys have 1 to 65,535 bytes, values 0 to 16 MiB; text stands for its UTF-8 bytes. Bytes that are
 * passed in are copied before the call returns; Buffers that come back are the caller's own.
 *
 * Calls reject with a CassioError, whose `code` is stable and whose `applied` says whether a write
 * may have taken effect: CASSIO_KEY_TOO_LARGE, CASSIO_VALUE_TOO_LARGE, CASSIO_OVERLOADED (too much is
 * under way: wait), CASSIO_DISK_FULL, CASSIO_CORRUPT, CASSIO_STORAGE, CASSIO_CLOSED. Other wrong
 * arguments reject with a TypeError or RangeError. What gives no promise throws the same.
 */
export class KeyValueStore {
  private readonly encoder: CellEncoder
  private readonly readKey = new KeyScratch()
  private readonly writes = new WriteTable()
  private readonly valueReads: ReadTable<Buffer | undefined>
  private readonly presenceReads: ReadTable<boolean>

  constructor(
    private readonly cells: CellStore,
    private readonly parts: KeyValueParts,
  ) {
    this.encoder = new CellEncoder(new RisingStamps(cells.newestStamp()))
    this.valueReads = new ReadTable(parts.clock, (cell, at) => cell && copyOfValue(cell, at))
    this.presenceReads = new ReadTable(parts.clock, (cell) => cell !== undefined)
  }

  /** Stores a value. Resolves once it is as durable as the sync mode promises, and visible. */
  set(key: Bytes, value: Bytes, options?: SetOptions): Promise<void> {
    try {
      if (options !== undefined) checkSetOptions(options)
      const ttlMs = options?.ttlMs
      this.encoder.restart()
      this.encoder.addValue(key, value, ttlMs, this.parts.clock.wallMs())
      return this.give(1)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Removes the key's value; also resolves when there is none. */
  del(key: Bytes): Promise<void> {
    try {
      this.encoder.restart()
      this.encoder.addTombstone(key, this.parts.clock.wallMs())
      return this.give(1)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Carries out all operations or none: wrong arguments and a refusal concern the whole batch, and
   * after a crash either all of it is there or nothing. The last operation on a key wins.
   */
  batch(operations: readonly BatchOperation[]): Promise<void> {
    try {
      if (!Array.isArray(operations)) throw new TypeError('operations must be an array')
      this.encoder.restart()
      const wallMs = this.parts.clock.wallMs()
      for (let i = 0; i < operations.length; i += 1) this.encode(operations[i]!, wallMs)
      let given = Promise.resolve()
      const refusal = this.cells.group(this.encoder.end, () => {
        if (operations.length > 0) given = this.give(operations.length)
      })
      if (refusal !== undefined) throw refusal
      return given
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @returns a copy of the key's value, or undefined when there is none. */
  get(key: Bytes): Promise<Buffer | undefined> {
    return this.read(key, this.valueReads)
  }

  /** As `get`. The event loop waits when a file must be read. */
  getSync(key: Bytes): Buffer | undefined {
    return this.readSync(key, this.valueReads)
  }

  /** Whether the key has a value. */
  has(key: Bytes): Promise<boolean> {
    return this.read(key, this.presenceReads)
  }

  /** As `has`. The event loop waits when a file must be read. */
  hasSync(key: Bytes): boolean {
    return this.readSync(key, this.presenceReads)
  }

  /**
   * @returns the values in the order of the keys, undefined where there is none. Each is read by
   *   itself: what is written meanwhile may be in some and not in others.
   */
  async getMany(keys: readonly Bytes[]): Promise<(Buffer | undefined)[]> {
    if (!Array.isArray(keys)) throw new TypeError('keys must be an array')
    const copies: Buffer[] = []
    for (let i = 0; i < keys.length; i += 1) {
      const length = this.readKey.put(keys[i]!)
      copies.push(copyBytes(this.readKey.buffer, 0, length))
    }
    return new ManyReads({ cells: this.cells, ...this.parts }, copies).run()
  }

  /**
   * The entries within `range`, in the order of partition, then key bytes; with one partition that is
   * the order of keys. No snapshot: what is written meanwhile is seen as it was, or as it is.
   *
   * The Buffers are the caller's own, but up to 256 KiB of them share memory: copy what is kept long.
   */
  entries(range: KeyRange = ALL): EntryIterator<KeyValueEntry> {
    return this.iterate(range, ENTRIES)
  }

  /** The keys only; see `entries`. */
  keys(range: KeyRange = ALL): EntryIterator<Buffer> {
    return this.iterate(range, KEYS)
  }

  /** The values only; see `entries`. */
  values(range: KeyRange = ALL): EntryIterator<Buffer> {
    return this.iterate(range, VALUES)
  }

  /** Writes what is in memory to tables. Nothing needs it: the commit log has it all. */
  flush(): Promise<void> {
    return this.cells.flush()
  }

  /** Flushes, then merges all tables: frees the space of what was overwritten or removed. */
  compact(): Promise<void> {
    return this.cells.compact()
  }

  /**
   * Makes `directory`, which must not exist or be empty, a copy of all that is stored now, by hard
   * links: it must be on the same file system. The copy opens like any store.
   */
  snapshot(directory: string): Promise<void> {
    return this.cells.snapshot(directory)
  }

  /** Reads every table and checks every byte. Damage is reported, not thrown. */
  verify(): Promise<VerifyResult> {
    return this.cells.verify()
  }

  stats(): StoreStats {
    return this.cells.stats()
  }

  /** Makes durable what was given, and releases the directory. Idempotent. */
  close(): Promise<void> {
    return this.cells.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private encode(operation: BatchOperation, wallMs: number): void {
    checkOperation(operation)
    if (operation.type === 'del') this.encoder.addTombstone(operation.key, wallMs)
    else this.encoder.addValue(operation.key, operation.value, operation.ttlMs, wallMs)
  }

  /** Gives the encoder's cells, so many, to the store in one turn. */
  private give(count: number): Promise<void> {
    const { cells, writes, parts } = this
    const { buffer, end } = this.encoder
    const token = writes.begin(count)
    for (let at = 0; at < end; at += cellSize(buffer, at)) {
      const keyAt = at + CELL_HEADER_BYTES
      const hash = keyHash(buffer, keyAt, keyAt + cellKeyLength(buffer, at))
      cells.write(buffer, at, parts.partitionOf(hash), hash, writes, token)
    }
    return writes.promise(token)
  }

  private read<Answer>(key: Bytes, table: ReadTable<Answer>): Promise<Answer> {
    try {
      const length = this.readKey.put(key)
      const { buffer } = this.readKey
      const hash = keyHash(buffer, 0, length)
      const token = table.begin()
      this.cells.read(buffer, 0, length, this.parts.partitionOf(hash), hash, table, token)
      return table.promise(token)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  private readSync<Answer>(key: Bytes, table: ReadTable<Answer>): Answer {
    const length = this.readKey.put(key)
    const { buffer } = this.readKey
    const hash = keyHash(buffer, 0, length)
    const token = table.begin()
    this.cells.readSync(buffer, 0, length, this.parts.partitionOf(hash), hash, table, token)
    return table.takeAnswer(token)
  }

  private iterate<Item>(range: KeyRange, shape: EntryShape<Item>): EntryIterator<Item> {
    const span = parseRange(range, this.parts.partitions)
    return new EntryIterator(this.cells, this.parts.clock, span, shape)
  }
}
