import type { Logger, Timers } from '@cassiopeia/env'
import { CassioError, cellFault, cellSize } from '@cassiopeia/protocol'
import { Batch } from './batch'
import { Cleaner } from './cleaner'
import type { LogWriter } from './commit-log/writer'
import { invariant } from './invariant'
import type { Arena } from './memtable/arena'
import { type Memtable, NO_SLOT } from './memtable/memtable'
import type { StoreSettings } from './options'
import { Refusals } from './refusals'
import type { ReadSink, RecoveryReport, Store, StoreStats, WriteSink } from './store'
import { messageOf } from './system-error'

/** Bytes of cells that the cleaner looks at for one batch: this, or twice what was written. */
const CLEANING_BYTES_MIN = 128 * 1024
const CLEANING_FACTOR = 2
/** The cleaner's copies are answered to nobody: when they fail, the store has failed. */
const CLEANER_SINK: WriteSink = { onWritten() {}, onWriteFailed() {} }
/** Cells that a scan visits in one turn of the event loop. */
const SCAN_TURN_CELLS = 1_000

export interface LogStoreParts {
  readonly arena: Arena
  readonly memtable: Memtable
  readonly recovered: RecoveryReport
  readonly timers: Timers
  readonly logger: Logger
  /** Gives the directory back to others. */
  readonly release: () => Promise<void>
}

/**
 * A store whose cells all fit in memory: the commit log makes them durable, the memtable finds
 * them. `openStore` puts it together.
 *
 * A write copies its cell to the end of the arena and joins the batch that gathers. At the end of
 * the turn the batch goes to the log, straight from the arena; meanwhile the next one gathers. Once
 * the log has it, its cells are applied to the memtable in order and their sinks are told. So
 * nothing is visible that is not as durable as promised.
 */
export class LogStore implements Store {
  private gathering = new Batch()
  /** The batch that the log is writing, else an empty one. */
  private flying = new Batch()
  private committing: Promise<void> | undefined
  private readonly refusals = new Refusals()
  private turnArmed = false
  private closing: Promise<void> | undefined
  private failure: CassioError | undefined
  private writes = 0
  private reads = 0
  private readonly cleaner: Cleaner
  private readonly overloaded: { readonly pending: CassioError; readonly memory: CassioError }

  constructor(
    private readonly settings: StoreSettings,
    private readonly parts: LogStoreParts,
    private readonly log: LogWriter,
  ) {
    const { pendingBytesMax, memoryBytesMax } = settings
    const { arena, memtable } = parts
    this.cleaner = new Cleaner(settings, arena, memtable, this.reappend)
    this.overloaded = {
      pending: overloaded(`writes of ${pendingBytesMax} bytes (pendingBytesMax) are under way`),
      memory: overloaded(`the store's memory of ${memoryBytesMax} bytes (memoryBytesMax) is full`),
    }
  }

  write(
    cell: Buffer,
    at: number,
    partition: number,
    hash: number,
    sink: WriteSink,
    token: number,
  ): void {
    const size = cellSize(cell, at)
    const fault = cellFault(cell, at, Math.min(at + size, cell.length))
    // An unsound cell in the log would keep the store from ever opening again.
    invariant(fault === undefined, fault ?? '')
    this.endTurnSoon()
    const { arena } = this.parts
    const batch = this.gathering
    // First of all, as a new batch may begin a new segment, and that a new chunk of memory.
    if (batch.count === 0) this.beginBatch(batch)
    const refusal = this.refusalOf(size)
    if (refusal !== undefined) {
      this.refusals.add(sink, token, refusal)
      return
    }
    const offset = arena.append(cell, at, size)
    batch.add(arena.tailChunk, offset, size, partition, hash, sink, token)
    this.writes += 1
  }

  read(
    key: Buffer,
    from: number,
    to: number,
    _partition: number,
    hash: number,
    sink: ReadSink,
    token: number,
  ): void {
    if (this.closing !== undefined) {
      sink.onReadFailed(token, closed())
      return
    }
    this.reads += 1
    const { memtable } = this.parts
    const slot = memtable.find(hash, key, from, to)
    if (slot === NO_SLOT) sink.onRead(token, undefined, 0)
    else sink.onRead(token, memtable.cellOf(slot), memtable.offsetOf(slot))
  }

  async scan(
    partition: number,
    afterKey: Buffer | undefined,
    visit: (cell: Buffer, at: number) => boolean,
  ): Promise<void> {
    if (this.closing !== undefined) throw closed()
    const { memtable, timers } = this.parts
    const slots = memtable.slotsOf(partition, afterKey)
    for (let i = 0; i < slots.length; i += 1) {
      const slot = slots[i]!
      // A slot outlives every write, so what is visited is the newest cell of this moment.
      if (!visit(memtable.cellOf(slot), memtable.offsetOf(slot))) return
      if ((i + 1) % SCAN_TURN_CELLS === 0) {
        await new Promise<void>((resolve) => timers.soon(resolve))
        if (this.closing !== undefined) throw closed()
      }
    }
  }

  stats(): StoreStats {
    const { arena, memtable, recovered } = this.parts
    return {
      keys: memtable.keys,
      tombstones: memtable.tombstones,
      cellBytes: memtable.cellBytes,
      memoryBytes: arena.bytes + memtable.bytes,
      logBytes: this.log.bytes,
      logSegments: this.log.segments,
      writes: this.writes,
      reads: this.reads,
      syncs: this.log.syncs,
      recovered,
    }
  }

  close(): Promise<void> {
    this.closing ??= this.finish()
    return this.closing
  }

  /** The log has failed: every write from now on does too. Told to `onFatal` once. */
  readonly fail = (cause: unknown): void => {
    if (this.failure !== undefined) return
    const what = `the commit log has failed: ${messageOf(cause)}`
    const [none, unknown] = (['none', 'unknown'] as const).map(
      (applied) => new CassioError('CASSIO_STORAGE', what, { applied }, { cause }),
    ) as [CassioError, CassioError]
    this.failure = none
    this.log.halt()
    this.parts.logger.error('commit log failed', { error: messageOf(cause) })
    // What the log was writing may be in the file or not; what was gathering is not.
    answerRest(this.flying, unknown)
    answerRest(this.gathering, none)
    this.settings.onFatal(none)
  }

  private refusalOf(size: number): CassioError | undefined {
    if (this.closing !== undefined) return closed()
    if (this.failure !== undefined) return this.failure
    const { arena, memtable } = this.parts
    const pendingBytes = givenBytes(this.gathering) + givenBytes(this.flying)
    // A cell is let in alone however large it is, else it could never be written.
    if (pendingBytes > 0 && pendingBytes + size > this.settings.pendingBytesMax) {
      return this.overloaded.pending
    }
    if (arena.bytesWith(size) + memtable.bytes > this.settings.memoryBytesMax) {
      return this.overloaded.memory
    }
    return undefined
  }

  private beginBatch(batch: Batch): void {
    const segment = this.log.beginBatch()
    if (segment !== this.parts.arena.segment) this.parts.arena.startSegment(segment)
    batch.segment = segment
  }

  private endTurnSoon(): void {
    if (this.turnArmed) return
    this.turnArmed = true
    this.parts.timers.soon(this.endTurn)
  }

  private readonly endTurn = (): void => {
    this.turnArmed = false
    this.refusals.deliver()
    if (this.committing === undefined) this.clean()
    this.startCommitting()
  }

  /** Lets the cleaner add a slice of its copies to the batch that gathers. */
  private clean(): void {
    if (this.closing !== undefined || this.failure !== undefined || !this.cleaner.isDue()) return
    const batch = this.gathering
    if (batch.count === 0) this.beginBatch(batch)
    this.cleaner.step(Math.max(CLEANING_BYTES_MIN, batch.bytes * CLEANING_FACTOR))
    // There may be more to do even when nobody writes.
    this.endTurnSoon()
  }

  private readonly reappend = (
    chunk: number,
    offset: number,
    size: number,
    partition: number,
    hash: number,
  ): void => {
    const { arena } = this.parts
    const batch = this.gathering
    const copy = arena.append(arena.buffers[chunk]!, offset, size)
    batch.add(arena.tailChunk, copy, size, partition, hash, CLEANER_SINK, 0)
    batch.copiedBytes += size
  }

  private startCommitting(): void {
    if (this.committing !== undefined || this.gathering.count === 0) return
    this.committing = this.commit().finally(() => {
      this.committing = undefined
    })
  }

  /** Writes batch after batch until none is left. */
  private async commit(): Promise<void> {
    try {
      while (this.gathering.count > 0 && this.failure === undefined) {
        const batch = this.gathering
        this.gathering = this.flying
        this.flying = batch
        this.log.endBatch(batch.bytes)
        await this.log.append(batch.segment, batch.count, this.parts.arena.takeRanges())
        if (this.failure !== undefined) return
        this.settle(batch)
        this.clean()
      }
    } catch (error) {
      this.fail(error)
    }
  }

  /** Makes the cells of a written batch visible and tells their sinks, in the order of arrival. */
  private settle(batch: Batch): void {
    const { memtable } = this.parts
    while (batch.settled < batch.count) {
      const index = batch.settled
      const newer = memtable.apply(
        batch.hashes[index]!,
        batch.partitions[index]!,
        batch.chunks[index]!,
        batch.offsets[index]!,
      )
      const sink = batch.sinks[index]!
      const token = batch.tokens[index]!
      batch.settled = index + 1
      if (newer === NO_SLOT) sink.onWritten(token, undefined, 0)
      else sink.onWritten(token, memtable.cellOf(newer), memtable.offsetOf(newer))
    }
    batch.clear()
  }

  private async finish(): Promise<void> {
    // Writes are refused from here on; what has gathered still goes out.
    while (this.committing !== undefined || (this.gathering.count > 0 && !this.failure)) {
      this.startCommitting()
      await this.committing
    }
    const failedBefore = this.failure !== undefined
    try {
      if (failedBefore) await this.log.abandon()
      else await this.log.close()
    } catch (error) {
      this.fail(error)
    }
    try {
      await this.parts.release()
    } catch (error) {
      const message = `the store's directory cannot be released: ${messageOf(error)}`
      throw new CassioError('CASSIO_STORAGE', message, {}, { cause: error })
    }
    if (!failedBefore && this.failure !== undefined) throw this.failure
  }
}

function answerRest(batch: Batch, error: CassioError): void {
  while (batch.settled < batch.count) {
    const index = batch.settled
    batch.settled = index + 1
    batch.sinks[index]!.onWriteFailed(batch.tokens[index]!, error)
  }
  batch.clear()
}

/** What callers have given, without the cleaner's copies. */
function givenBytes(batch: Batch): number {
  return batch.bytes - batch.copiedBytes
}

function overloaded(why: string): CassioError {
  return new CassioError('CASSIO_OVERLOADED', `write refused: ${why}`)
}

function closed(): CassioError {
  return new CassioError('CASSIO_CLOSED', 'the store is closed')
}
