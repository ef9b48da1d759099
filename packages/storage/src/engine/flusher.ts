import type { Clock, Logger, Timers, WorkerHandle } from '@cassiopeia/env'
import type { FlushJob, JobResult, MemtableImage } from '../jobs/job'
import type { StoreSettings } from '../options'
import { isDiskFull, SYNC_FAILED } from '../sync-file'
import { messageOf, systemCode } from '../system-error'
import { reviveTableInfo, type TableInfo } from '../table/table-info'
import type { Generation } from './generation'
import { installFlush } from './install'
import type { SpaceWatch } from './space-watch'
import type { Staging } from './staging'
import type { TableSet } from './table-set'
import type { Throttle } from './throttle'

/** Failures in a row, other than a full disk, after which the store gives up. */
const ATTEMPTS_MAX = 5
const RETRY_MS = 100
/** A flush writes a table of values and one of tombstones. */
const NUMBERS = 2
/** Pages of slots copied in one turn: some 2.5 MB. */
const PAGES_A_TURN = 32

export interface FlusherParts {
  readonly settings: StoreSettings
  readonly directory: string
  readonly timers: Timers
  readonly clock: Clock
  readonly logger: Logger
  readonly worker: WorkerHandle
  readonly tables: TableSet
  readonly space: SpaceWatch
  readonly throttle: Throttle
  readonly generations: Generation[]
  readonly staging: Staging
  /** The first segment that the generations after the oldest need. */
  readonly logFirstAfterOldest: () => number
  /** Cells with stamps from this one on have gone from memory into tables, in this very turn. */
  readonly onSwapped: (minStamp: Buffer | undefined) => void
  /** The log is needed from this segment on. */
  readonly onFlushed: (logFirst: number) => Promise<void>
  readonly onFailed: (cause: unknown) => void
}

/** Writes memtables that take no more cells to tables, the oldest first, one at a time. */
export class Flusher {
  flushes = 0
  bytesFlushed = 0
  private running: Promise<void> | undefined
  /** Woken while it ran: it may have been about to end. */
  private again = false
  private closed = false

  constructor(private readonly parts: FlusherParts) {}

  /** There may be a generation to flush. */
  wake(): void {
    if (this.closed) return
    if (this.running !== undefined) {
      this.again = true
      return
    }
    this.running = this.run().finally(() => {
      this.running = undefined
      if (!this.again) return
      this.again = false
      this.wake()
    })
  }

  /** Resolves when no generation waits, or flushing has failed or been closed. */
  async idle(): Promise<void> {
    this.wake()
    await this.running
  }

  /** Begins no more, and ends what is under way. */
  halt(): void {
    this.closed = true
    this.parts.worker.cancel()
  }

  async close(): Promise<void> {
    this.halt()
    await this.running
    await this.parts.worker.close()
  }

  private async run(): Promise<void> {
    const { generations, space, timers, logger, onFailed } = this.parts
    let attempts = 0
    while (generations.length > 1 && !this.closed) {
      try {
        await this.flush(generations[0]!)
        attempts = 0
      } catch (error) {
        if (this.closed) return
        attempts += 1
        logger.warn('flush failed', { error: messageOf(error), attempts })
        if (isDiskFull(error)) {
          space.met()
          void space.whenFree().then(() => this.wake())
          return
        }
        if (attempts === ATTEMPTS_MAX || systemCode(error) === SYNC_FAILED) {
          onFailed(error)
          return
        }
        await new Promise<void>((resolve) => timers.after(RETRY_MS * 2 ** attempts, resolve))
      }
    }
  }

  private async flush(generation: Generation): Promise<void> {
    const { settings, directory, tables, clock, worker, throttle, timers } = this.parts
    // Its last batch may still be on its way to the log.
    while (generation.batches > 0) {
      await new Promise<void>((resolve) => timers.after(1, resolve))
      // After a failure they may never be in; what is in the log is enough.
      if (this.closed) return
    }
    const bytes = generation.usedBytes
    const startedMs = clock.monotonicMs()
    let infos: TableInfo[] = []
    if (generation.memtable.keys > 0) {
      const { staging } = this.parts
      const job: FlushJob = {
        type: 'flush',
        directory,
        settings: {
          blockBytes: settings.blockBytes,
          filterBitsPerKey: settings.filterBitsPerKey,
          compression: settings.compression,
          // What fits into memory may lie in one table.
          tableBytes: Number.MAX_SAFE_INTEGER,
        },
        firstNumber: tables.takeNumbers(NUMBERS),
        createdMs: clock.wallMs(),
        memtable: await stage(generation, staging, timers),
      }
      try {
        const result = (await worker.run(job)) as JobResult
        infos = result.tables.map(reviveTableInfo)
        this.bytesFlushed += result.bytesWritten
      } finally {
        staging.reset()
      }
    }
    const logFirst = this.parts.logFirstAfterOldest()
    try {
      await tables.edit(
        (state) => installFlush(state, infos, logFirst, tables.takeRun),
        () => {
          this.parts.generations.shift()
          this.parts.onSwapped(generation.memtable.minStamp())
        },
      )
    } catch (error) {
      await tables.discard(infos)
      throw error
    }
    this.flushes += 1
    throttle.flushed(bytes, clock.monotonicMs() - startedMs)
    await this.parts.onFlushed(logFirst)
    generation.release()
  }
}

/** Copies a memtable to where the worker sees it, a few megabytes a turn. */
async function stage(
  generation: Generation,
  staging: Staging,
  timers: Timers,
): Promise<MemtableImage> {
  const { arena, memtable } = generation
  const turn = () => new Promise<void>((resolve) => timers.soon(resolve))
  const chunks: Uint8Array[] = []
  for (let i = 0; i < arena.buffers.length; i += 1) {
    const chunk = arena.chunk(i)
    const copy = staging.take(chunk.length)
    copy.set(chunk)
    chunks.push(copy)
    await turn()
  }
  const slotPages: Uint32Array[] = []
  for (const [i, page] of memtable.pages.slots.entries()) {
    slotPages.push(stageWords(page, staging))
    if ((i + 1) % PAGES_A_TURN === 0) await turn()
  }
  const partitionHeads = stageWords(memtable.pages.heads, staging)
  return { keys: memtable.keys, chunks, slotPages, partitionHeads }
}

function stageWords(words: Uint32Array, staging: Staging): Uint32Array {
  const { buffer, byteOffset } = staging.take(words.byteLength)
  const copy = new Uint32Array(buffer, byteOffset, words.length)
  copy.set(words)
  return copy
}
