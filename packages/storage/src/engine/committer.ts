import type { Clock, Timers } from '@cassiopeia/env'
import { CassioError, CELL_STAMP_AT, stampMs } from '@cassiopeia/protocol'
import type { LogWriter } from '../commit-log/writer'
import { NO_SLOT } from '../memtable/memtable'
import type { StoreSettings } from '../options'
import type { WriteSink } from '../store'
import { isDiskFull } from '../sync-file'
import { Batch } from './batch'
import type { Generation } from './generation'
import { NewerLookups } from './newer-lookups'
import type { Reader } from './reader'
import { Refusals } from './refusals'
import type { SpaceWatch } from './space-watch'
import type { Backlog, Throttle } from './throttle'

/** So many cells do not wait for the end of the turn when the log is idle. */
const EARLY_CELLS = 128
/** Generations that may wait for their flush while another one takes cells. */
export const WAITING_MAX = 2

export interface CommitterParts {
  readonly settings: StoreSettings
  readonly timers: Timers
  readonly clock: Clock
  readonly log: LogWriter
  readonly reader: Reader
  readonly space: SpaceWatch
  readonly throttle: Throttle
  /** Oldest first; the last one takes cells. */
  readonly generations: Generation[]
  readonly backlog: () => Backlog
  /** A new generation has been begun: the one before can be flushed once its batches are in. */
  readonly onRotated: () => void
  /** Cells have come into memory. */
  readonly onSettled: () => void
  /** The log has failed: called once per failure, with what was under way told already. */
  readonly onFailed: (cause: unknown) => void
}

/**
 * The way of a write: into the arena and the batch that gathers; at the end of the turn to the log,
 * straight from the arena; once the log has it, into the memtable, and the sinks are told, in order.
 * So nothing is visible that is not as durable as promised.
 */
export class Committer {
  writes = 0
  bytesTaken = 0
  throttledMs = 0
  private gathering = new Batch()
  /** The batch that the log is writing, else an empty one. */
  private flying = new Batch()
  /** The batch that the log has written and that is not visible yet, else an empty one. */
  private written = new Batch()
  private inGroup = false
  private committing: Promise<void> | undefined
  private readonly refusals = new Refusals()
  private turnArmed = false
  private exclusive: Exclusive[] = []
  /** Batches handed to the log, so far. */
  private begun = 0
  private stopped: CassioError | undefined
  /** The batch that gathers has been held back long enough; it waits for memory. */
  private paused = false
  private stuck = false
  private owedMs = 0
  /** Pauses end at once: the store is closing. */
  private hurried = false
  private wake: (() => void) | undefined
  /** Writes that are durable and still look for a newer version in tables. */
  private readonly newer: NewerLookups
  /** So many cells do not wait for the end of the turn. */
  private readonly earlyCells: number

  constructor(private readonly parts: CommitterParts) {
    this.newer = new NewerLookups(parts.reader)
    // Where the event loop writes the log itself, it writes whole turns.
    const { sync, inlineWriteBytesMax } = parts.settings
    const isInline = sync !== 'group' && inlineWriteBytesMax > 0
    this.earlyCells = isInline ? Number.POSITIVE_INFINITY : EARLY_CELLS
  }

  write(
    cell: Buffer,
    at: number,
    size: number,
    partition: number,
    hash: number,
    sink: WriteSink,
    token: number,
  ): void {
    if (!this.turnArmed) {
      this.turnArmed = true
      this.parts.timers.soon(this.endTurn)
    }
    const refusal = this.inGroup ? undefined : this.refusalOf(size)
    if (refusal !== undefined) {
      this.refusals.add(sink, token, refusal)
      return
    }
    const batch = this.gathering
    const generation = batch.generation ?? this.beginBatch(batch)
    const { arena } = generation
    const offset = arena.append(cell, at, size)
    batch.add(arena.tailChunk, offset, size, partition, hash, sink, token)
    this.writes += 1
    this.bytesTaken += size
    // Not all at once when there is much: the log writes the first part while the rest gathers.
    if (batch.count >= this.earlyCells && this.committing === undefined && !this.inGroup) {
      this.startCommitting()
    }
  }

  /** Takes the cells that `give` writes, `bytes` of them at most, in one batch or not at all. */
  group(bytes: number, give: () => void): CassioError | undefined {
    const refusal = this.refusalOf(bytes)
    if (refusal !== undefined) return refusal
    this.inGroup = true
    try {
      give()
    } finally {
      this.inGroup = false
    }
    return undefined
  }

  private refusalOf(bytes: number): CassioError | undefined {
    if (this.stopped !== undefined) return this.stopped
    if (this.parts.space.full) return diskFull('write refused: the disk is full')
    const { pendingBytesMax } = this.parts.settings
    const pendingBytes = this.gathering.bytes + this.flying.bytes
    // What is alone is let in however large it is, else it could never be written.
    if (pendingBytes === 0 || pendingBytes + bytes <= pendingBytesMax) return undefined
    const why = `writes of ${pendingBytesMax} bytes (pendingBytesMax) are under way`
    return new CassioError('CASSIO_OVERLOADED', `write refused: ${why}`)
  }

  /** Refuses writes from now on. */
  stop(error: CassioError): void {
    this.stopped ??= error
    this.hurry()
  }

  /** Memory has become free, or there is no more time to wait for it. */
  hurry(): void {
    this.wake?.()
  }

  /** Runs `action` between two batches, when all that has been given so far is settled. */
  between(action: () => Promise<void>): Promise<void> {
    // Closing waits for what is under way, and then ends the log.
    if (this.stopped !== undefined) return Promise.reject(this.stopped)
    return new Promise((resolve, reject) => {
      const after = this.begun + (this.gathering.count > 0 ? 1 : 0)
      this.exclusive.push({ after, run: () => action().then(resolve, reject) })
      this.startCommitting()
    })
  }

  /** Resolves when all that has been given so far is settled: visible and in the log, or refused. */
  settled(): Promise<void> {
    return this.between(async () => {})
  }

  /** The generation that takes cells gives way to a new one, unless it is empty. */
  rotate(): Promise<void> {
    // Between two batches, as under load there is always one more to wait for.
    return this.between(async () => {
      if (this.current.memtable.keys > 0) this.parts.onRotated()
    })
  }

  /** Resolves when all that has been given is settled. */
  async drain(): Promise<void> {
    while (this.committing !== undefined || this.gathering.count > 0) {
      this.startCommitting()
      await this.committing
    }
    await this.newer.idle()
  }

  /** No pause holds up what is still to be written. */
  finish(): Promise<void> {
    this.hurried = true
    this.hurry()
    return this.drain()
  }

  /** Answers every write under way: those that the log may have are unknown. */
  abandon(none: CassioError, unknown: CassioError): void {
    answerRest(this.written, unknown)
    answerRest(this.flying, unknown)
    answerRest(this.gathering, none)
  }

  private get current(): Generation {
    return this.parts.generations.at(-1)!
  }

  private readonly endTurn = (): void => {
    this.turnArmed = false
    this.refusals.deliver()
    if (this.mayCommitNow()) this.commitNow()
    else this.startCommitting()
  }

  private beginBatch(batch: Batch): Generation {
    const { settings, generations } = this.parts
    const isFull = this.current.usedBytes >= settings.memtableBytes
    if (isFull && generations.length <= WAITING_MAX) this.parts.onRotated()
    const generation = this.current
    generation.batches += 1
    batch.generation = generation
    return generation
  }

  private startCommitting(): void {
    if (this.committing !== undefined) return
    if (this.gathering.count === 0 && this.exclusive.length === 0) return
    this.committing = this.commit().finally(() => {
      this.committing = undefined
      // What has come in the last moment.
      this.startCommitting()
    })
  }

  /**
   * Writes batch after batch until none is left. What the log has written becomes visible while it
   * writes the next: up to the first `await` this runs in the turn of its caller.
   */
  private async commit(): Promise<void> {
    for (;;) {
      const pauseMs = this.pauseMs()
      if (pauseMs > 0) {
        this.settleWritten()
        await this.pause(pauseMs)
      } else if (this.isNextExclusive()) {
        this.settleWritten()
        await this.exclusive.shift()!.run()
      } else if (this.gathering.count > 0) {
        const appended = this.append()
        this.settleWritten()
        await appended
      } else if (this.written.count > 0) this.settleWritten()
      else return
    }
  }

  private isNextExclusive(): boolean {
    const [next] = this.exclusive
    // What it waits for may have been answered without the log.
    return next !== undefined && (next.after <= this.begun || this.gathering.count === 0)
  }

  private mayCommitNow(): boolean {
    const { count, bytes, generation } = this.gathering
    return (
      count > 0 &&
      this.committing === undefined &&
      this.exclusive.length === 0 &&
      this.stopped === undefined &&
      this.parts.log.takesNow(bytes, generation!.firstSegment === undefined) &&
      this.pauseMs() === 0
    )
  }

  /**
   * The short way, for a batch that the log takes at once: it is written and settled in this turn,
   * and what its writers give next comes with the next turn.
   */
  private commitNow(): void {
    const batch = this.takeGathering()
    this.paused = false
    const generation = batch.generation!
    const { log, space, onFailed } = this.parts
    space.spend(batch.bytes)
    try {
      log.appendNow(batch.count, generation.arena.takeRanges())
    } catch (error) {
      generation.batches -= 1
      if (isDiskFull(error)) this.committing = this.rewind(batch)
      else onFailed(error)
      return
    }
    this.flying = this.written
    this.written = batch
    this.settleWritten()
  }

  private takeGathering(): Batch {
    const batch = this.gathering
    this.gathering = this.flying
    this.flying = batch
    this.begun += 1
    return batch
  }

  /** The disk was full: nothing of the batch counts once the log is cut back. */
  private async rewind(batch: Batch): Promise<void> {
    try {
      await this.parts.log.rewind()
      this.parts.space.met()
      answerRest(batch, diskFull('write refused: the disk is full'))
    } catch (error) {
      this.parts.onFailed(error)
    } finally {
      this.committing = undefined
      this.startCommitting()
    }
  }

  /** Hands the batch that gathers to the log. */
  private async append(): Promise<void> {
    const batch = this.takeGathering()
    this.paused = false
    const generation = batch.generation!
    const { log, space, onFailed } = this.parts
    space.spend(batch.bytes)
    // A generation shares no segment with another, so that its segments can go when it does.
    const fresh = generation.firstSegment === undefined
    // Before the log has it: a flush that ends meanwhile must not let go of the segment.
    if (fresh) generation.firstSegment = log.nextNumber
    try {
      await log.append(batch.count, generation.arena.takeRanges(), fresh)
    } catch (error) {
      if (isDiskFull(error)) {
        if (fresh) generation.firstSegment = undefined
        space.met()
        answerRest(batch, diskFull('write refused: the disk is full'))
      } else onFailed(error)
      generation.batches -= 1
      return
    }
    // A failure meanwhile has answered it.
    if (batch.count === 0) {
      generation.batches -= 1
      return
    }
    this.flying = this.written
    this.written = batch
  }

  /** How long the batch that gathers is held back, as flushing or compaction is behind. */
  private pauseMs(): number {
    if (this.gathering.count === 0 || this.hurried || this.stopped !== undefined) return 0
    const { settings, generations, throttle, backlog, space } = this.parts
    // A full disk is answered for by the log: it refuses, or has room left for this one.
    if (space.full) return 0
    if (this.paused) return 0
    const waiting = generations.length - 1
    const fill = this.current.usedBytes / settings.memtableBytes
    // Memory is full: only a flush lets this batch go on.
    this.stuck = waiting >= WAITING_MAX && fill >= 1
    if (this.stuck) return STUCK_MS
    const bytes = this.gathering.bytes
    // Timers count whole milliseconds: small batches save up for one.
    this.owedMs += throttle.pauseMs(bytes, waiting / WAITING_MAX, fill, backlog())
    return this.owedMs < 1 ? 0 : this.owedMs
  }

  private async pause(ms: number): Promise<void> {
    const { clock } = this.parts
    const startedMs = clock.monotonicMs()
    await this.sleep(ms)
    this.throttledMs += clock.monotonicMs() - startedMs
    this.owedMs = 0
    // Each batch is held back once, unless there is no memory.
    this.paused = !this.stuck
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.parts.timers.after(ms, () => this.wake?.())
      this.wake = () => {
        this.wake = undefined
        timer.cancel()
        resolve()
      }
    })
  }

  /** Makes the cells of the written batch visible and tells their sinks, in the order of arrival. */
  private settleWritten(): void {
    const batch = this.written
    const { generation } = batch
    if (generation === undefined) return
    try {
      this.settle(batch, generation)
    } catch (error) {
      this.parts.onFailed(error)
    } finally {
      generation.batches -= 1
      batch.clear()
    }
    this.parts.onSettled()
  }

  private settle(batch: Batch, generation: Generation): void {
    const { memtable, arena } = generation
    const floorMs = this.parts.reader.newestMsBeside(generation)
    while (batch.settled < batch.count) {
      const index = batch.settled
      const chunk = batch.chunks[index]!
      const offset = batch.offsets[index]!
      const hash = batch.hashes[index]!
      const partition = batch.partitions[index]!
      const newerSlot = memtable.apply(hash, partition, chunk, offset)
      const sink = batch.sinks[index]!
      const token = batch.tokens[index]!
      batch.settled = index + 1
      const isNewest = newerSlot === NO_SLOT
      const cell = isNewest ? arena.buffers[chunk]! : memtable.cellOf(newerSlot)
      const at = isNewest ? offset : memtable.offsetOf(newerSlot)
      if (stampMs(cell, at + CELL_STAMP_AT) <= floorMs) {
        this.newer.look(cell, at, partition, hash, generation, isNewest, sink, token)
      } else if (isNewest) sink.onWritten(token, undefined, 0)
      else sink.onWritten(token, cell, at)
    }
  }
}

/** What runs between two batches, once so many were handed to the log. */
interface Exclusive {
  readonly after: number
  readonly run: () => Promise<void>
}

/** A stuck batch looks again after this long, if no flush has woken it. */
const STUCK_MS = 50

function answerRest(batch: Batch, error: CassioError): void {
  while (batch.settled < batch.count) {
    const index = batch.settled
    batch.settled = index + 1
    batch.sinks[index]!.onWriteFailed(batch.tokens[index]!, error)
  }
  batch.clear()
}

function diskFull(message: string): CassioError {
  return new CassioError('CASSIO_DISK_FULL', message)
}
