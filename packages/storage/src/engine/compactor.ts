import type { Clock, Logger, Timers, WorkerHandle } from '@cassiopeia/env'
import { compareStamps } from '@cassiopeia/protocol'
import {
  type Compaction,
  type DataRun,
  type DeleteTable,
  PICKER_DEFAULTS,
  pickCompaction,
} from '../compaction/picker'
import type {
  ForgetJob,
  JobResult,
  MergeJob,
  MergeProgress,
  TableRef,
  VerifyJob,
  VerifyResult,
} from '../jobs/job'
import type { ManifestTable } from '../manifest/format'
import type { StoreSettings } from '../options'
import { isDiskFull, SYNC_FAILED } from '../sync-file'
import { messageOf, systemCode } from '../system-error'
import { revivePlace, reviveTableInfo, type TableInfo, TableKind } from '../table/table-info'
import { installMerge, mayJoin, replaceDeletes } from './install'
import type { SpaceWatch } from './space-watch'
import type { TableSet } from './table-set'

/** After a failure compaction waits this long. */
const RETRY_MS = 1_000
/** Numbers set aside for the tables of one job. */
const NUMBERS = 1_000_000
/**
 * The size of tables follows the store. So many there may be: a merge that lets go of its inputs
 * table by table then needs little extra space. Small ones cost files for nothing.
 */
const TABLES_AIM = 32
const TABLE_BYTES_MIN = 2 * 1024 * 1024
const TABLE_BYTES_MAX = 1024 * 1024 * 1024

export interface CompactorParts {
  readonly settings: StoreSettings
  readonly directory: string
  readonly timers: Timers
  readonly clock: Clock
  readonly logger: Logger
  readonly worker: WorkerHandle
  readonly tables: TableSet
  readonly space: SpaceWatch
  /** The smallest stamp of any cell in memory; undefined without cells. */
  readonly memoryMinStamp: () => Buffer | undefined
  readonly onProgress: () => void
  readonly onFailed: (cause: unknown) => void
}

/** Merges tables in the background, one job at a time, as `compaction/picker` decides. */
export class Compactor {
  compactions = 0
  bytesCompacted = 0
  tombstonesForgotten = 0
  private running: Promise<void> | undefined
  /** Woken while it ran: it may have been about to end. */
  private again = false
  private closed = false
  private pausing: (() => void) | undefined
  /** Delete tables from which nothing could be forgotten, and nothing has changed since. */
  private readonly tried = new Set<number>()
  /** How often proofs have moved on. */
  private moves = 0
  /** The smallest stamp that was flushed while a forget job was under way. */
  private flushedMinStamp: Buffer | undefined
  private readonly wishes: Wish[] = []

  constructor(private readonly parts: CompactorParts) {}

  /** There may be something to merge. */
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

  /** Cells down to this stamp have just gone from memory into a table. */
  noteFlushed(minStamp: Buffer | undefined): void {
    // A copy: the memtable's memory is about to be another's.
    const stamp = minStamp === undefined ? undefined : Buffer.from(minStamp)
    this.flushedMinStamp = smaller(this.flushedMinStamp, stamp)
  }

  /** What could not be forgotten may go now. */
  proofsMoved(): void {
    this.moves += 1
    this.tried.clear()
    this.wake()
  }

  /** Merges all data, then forgets what can be forgotten. @throws what stood in the way. */
  async compactAll(): Promise<void> {
    await this.force('merge')
    await this.force('forget')
  }

  /** Reads every table from end to end, after what is under way. */
  async verify(): Promise<VerifyResult> {
    const { tables, worker, directory, settings } = this.parts
    const { version } = tables
    version.retain()
    try {
      const job: VerifyJob = {
        type: 'verify',
        directory,
        tables: this.refs(tables.state.tables),
        bytesPerSecondMax: settings.compactionBytesPerSecondMax,
      }
      const result = (await worker.run(job)) as VerifyResult
      for (const damage of result.damages) tables.fence(damage)
      return result
    } finally {
      version.release()
    }
  }

  /** Begins no more, and ends what is under way. */
  halt(): void {
    this.closed = true
    this.pausing?.()
    this.parts.worker.cancel()
  }

  async close(): Promise<void> {
    this.halt()
    await this.running
    await this.parts.worker.close()
  }

  private async force(type: Compaction['type']): Promise<void> {
    const wish: Wish = { type, error: undefined }
    this.wishes.push(wish)
    while (this.wishes.includes(wish) && !this.closed) {
      this.wake()
      this.pausing?.()
      await this.running
    }
    if (wish.error !== undefined) throw wish.error
  }

  private async run(): Promise<void> {
    while (!this.closed) {
      const wish = this.wishes[0]
      const compaction = wish === undefined ? this.pick() : this.everything(wish.type)
      let isAnswered = wish !== undefined
      try {
        if (compaction !== undefined) await this.perform(compaction)
        else if (wish === undefined) return
      } catch (error) {
        // Once a damaged table is fenced off, the wish can be fulfilled without it.
        isAnswered = wish !== undefined && !isDamage(error)
        if (isAnswered) wish!.error = error
        if (!(await this.survive(error))) return
      } finally {
        if (isAnswered) this.wishes.shift()
      }
    }
  }

  private everything(type: Compaction['type']): Compaction | undefined {
    const { state, damaged } = this.parts.tables
    const sound = state.tables.filter(({ info }) => !damaged.has(info.number))
    const data = sound.filter(({ info }) => info.kind === TableKind.data)
    const deletes = sound.filter(({ info }) => info.kind === TableKind.tombstones)
    // What was flushed since the merge is not applied, and would make all count as not applied.
    const applied = data.length === 0 ? deletes : deletes.filter((entry) => entry.applied)
    const inputs = (type === 'merge' ? data : applied).map(({ info }) => info.number)
    if (inputs.length === 0) return undefined
    const reason = 'asked for'
    if (type === 'forget') return { type, inputs, reason }
    return { type, inputs, outputRun: 'new', full: true, reason }
  }

  /** @returns whether compaction goes on after an error. */
  private async survive(error: unknown): Promise<boolean> {
    if (this.closed) return false
    const { logger, space, tables, timers, onFailed } = this.parts
    const code = systemCode(error)
    logger.warn('compaction failed', { error: messageOf(error) })
    if (code === SYNC_FAILED || code === 'CASSIO_INTERNAL') {
      onFailed(error)
      return false
    }
    if (tables.fenceThrown(error)) return true
    if (isDiskFull(error)) space.met()
    if (this.wishes.length > 0) return true
    await new Promise<void>((resolve) => {
      const timer = timers.after(RETRY_MS, resolve)
      this.pausing = () => {
        timer.cancel()
        resolve()
      }
    })
    this.pausing = undefined
    return true
  }

  private pick(): Compaction | undefined {
    const { tables, settings, clock } = this.parts
    const { damaged } = tables
    const runs = new Map<number, { run: number; tables: ManifestTable[]; damaged: boolean }>()
    const deletes: DeleteTable[] = []
    for (const entry of tables.state.tables) {
      const { info, run, applied } = entry
      const isDamaged = damaged.has(info.number)
      if (info.kind === TableKind.tombstones) {
        deletes.push({ info, applied, tried: this.tried.has(info.number), damaged: isDamaged })
        continue
      }
      const found = runs.get(run)
      if (found === undefined) runs.set(run, { run, tables: [entry], damaged: isDamaged })
      else {
        found.tables.push(entry)
        found.damaged ||= isDamaged
      }
    }
    return pickCompaction({
      runs: [...runs.values()] satisfies DataRun[],
      deletes,
      nowMs: clock.wallMs(),
      proofsPossible: mayProve(settings.proof.proofs()),
      options: PICKER_DEFAULTS,
    })
  }

  private async perform(compaction: Compaction): Promise<void> {
    const { logger, clock } = this.parts
    const startedMs = clock.monotonicMs()
    const { type, inputs, reason } = compaction
    if (compaction.type === 'merge') await this.merge(compaction)
    else await this.forget(compaction.inputs)
    this.compactions += 1
    const durationMs = clock.monotonicMs() - startedMs
    logger.info('compacted', { type, tables: inputs.length, reason, durationMs })
    this.parts.onProgress()
  }

  private async merge({ inputs, outputRun, full }: MergeCompaction): Promise<void> {
    const { tables, clock, worker, settings } = this.parts
    const covers = this.refs(
      tables.state.tables.filter(
        ({ info }) => info.kind === TableKind.tombstones && !tables.damaged.has(info.number),
      ),
    )
    const refs = this.refs(this.entries(inputs))
    const job: MergeJob = {
      ...this.writing(refs),
      type: 'merge',
      inputs: refs,
      covers,
      nowMs: clock.wallMs(),
      bytesPerSecondMax: settings.compactionBytesPerSecondMax,
    }
    const target = {
      run:
        outputRun === 'new' || !mayJoin(tables.state, outputRun, inputs)
          ? tables.takeRun()
          : outputRun,
      inputs: new Set(inputs),
      full,
    }
    const waiting = new Map<number, TableInfo>()
    // One after the other, and none after one that has failed: each lets go of inputs whose cells
    // are in the tables of all before it.
    let installed = Promise.resolve()
    const install = (message: MergeProgress, applied?: ReadonlySet<number>) => {
      const infos = message.tables.map(reviveTableInfo)
      for (const info of infos) waiting.set(info.number, info)
      const upTo = message.upTo === undefined ? undefined : revivePlace(message.upTo)
      installed = installed.then(async () => {
        await tables.edit(
          (state) => installMerge(state, infos, upTo, { ...target, applied }, tables.takeRun),
          this.parts.onProgress,
        )
        for (const { number } of infos) waiting.delete(number)
      })
      installed.catch(() => worker.cancel())
      return installed
    }
    try {
      const onProgress = (message: unknown) => void install(message as MergeProgress)
      const result = (await worker.run(job, { onProgress })) as JobResult
      this.bytesCompacted += result.bytesWritten
      const applied = full ? new Set(covers.map(({ info }) => info.number)) : undefined
      await install({ tables: result.tables, upTo: undefined }, applied)
      if (full) this.tried.clear()
    } catch (error) {
      await installed.catch((cause: unknown) => {
        // It is why the job was cancelled.
        throw cause
      })
      throw error
    } finally {
      await tables.discard([...waiting.values()])
    }
  }

  private async forget(inputs: readonly number[]): Promise<void> {
    const { tables, settings, worker, memoryMinStamp } = this.parts
    const entries = this.entries(inputs)
    const refs = this.refs(entries)
    const { moves } = this
    this.flushedMinStamp = undefined
    const job: ForgetJob = {
      ...this.writing(refs),
      type: 'forget',
      inputs: refs,
      data: this.refs(tables.state.tables.filter(({ info }) => info.kind === TableKind.data)),
      proofs: settings.proof.proofs(),
      memtableMinStamp: memoryMinStamp(),
    }
    const result = (await worker.run(job)) as JobResult
    this.bytesCompacted += result.bytesWritten
    const infos = result.tables.map(reviveTableInfo)
    const { forgottenMaxStamp } = result
    // A cell that is as old as what was forgotten has come meanwhile: it would rise from the dead.
    const arrived = smaller(this.flushedMinStamp, memoryMinStamp())
    if (
      forgottenMaxStamp !== undefined &&
      arrived !== undefined &&
      compareStamps(arrived, 0, Buffer.from(forgottenMaxStamp), 0) <= 0
    ) {
      this.noteTried(inputs, moves)
      await tables.discard(infos)
      return
    }
    const applied = entries.every((entry) => entry.applied)
    try {
      await tables.edit(
        (state) => replaceDeletes(state, new Set(inputs), infos, tables.takeRun(), applied),
        this.parts.onProgress,
      )
    } catch (error) {
      await tables.discard(infos)
      throw error
    }
    this.tombstonesForgotten += result.forgotten
    this.noteTried(
      infos.map(({ number }) => number),
      moves,
    )
  }

  /** A forget job that began after so many moves of the proofs could do no more. */
  private noteTried(numbers: readonly number[], moves: number): void {
    if (moves !== this.moves) return
    for (const number of numbers) this.tried.add(number)
  }

  private writing(refs: readonly TableRef[]) {
    const { settings, directory, tables, clock } = this.parts
    const bytes = refs.reduce((sum, { info }) => sum + info.bytes, 0)
    const { blockBytes, filterBitsPerKey, compression } = settings
    const share = Math.ceil(bytes / TABLES_AIM)
    const tableBytes =
      settings.tableBytes || Math.min(TABLE_BYTES_MAX, Math.max(TABLE_BYTES_MIN, share))
    return {
      directory,
      settings: { blockBytes, filterBitsPerKey, compression, tableBytes },
      firstNumber: tables.takeNumbers(NUMBERS),
      createdMs: clock.wallMs(),
    }
  }

  private entries(numbers: readonly number[]): ManifestTable[] {
    const wanted = new Set(numbers)
    return this.parts.tables.state.tables.filter(({ info }) => wanted.has(info.number))
  }

  private refs(entries: readonly ManifestTable[]): TableRef[] {
    return entries.map(({ info, after }) => ({ info, after }))
  }
}

/** A compaction that was asked for, and what it met. */
interface Wish {
  readonly type: Compaction['type']
  error: unknown
}

function isDamage(error: unknown): boolean {
  const { table } = error as { table?: unknown }
  return systemCode(error) === 'CASSIO_CORRUPT' && table !== undefined
}

type MergeCompaction = Extract<Compaction, { type: 'merge' }>

/** Whether any tombstone may be proven: not while all stamps are zero. */
function mayProve(proofs: 'all' | 'none' | Uint8Array): boolean {
  return typeof proofs === 'string' ? proofs === 'all' : proofs.some((byte) => byte !== 0)
}

function smaller(a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return compareStamps(a, 0, b, 0) <= 0 ? a : b
}
