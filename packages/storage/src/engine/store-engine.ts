import type { Clock, Disk, DiskLock, Logger, Timers, Workers } from '@cassiopeia/env'
import { CassioError, cellFault, cellSize, compareStamps } from '@cassiopeia/protocol'
import type { LogWriter } from '../commit-log/writer'
import type { DigestRequest, PartitionDigest } from '../digest/digest'
import { invariant } from '../invariant'
import type { VerifyResult } from '../jobs/job'
import type { ChunkPool } from '../memtable/chunk-pool'
import type { StoreSettings } from '../options'
import type { CellStore, ReadSink, RecoveryReport, StoreStats, WriteSink } from '../store'
import { isDiskFull } from '../sync-file'
import { messageOf, systemCode } from '../system-error'
import type { BlockCache } from '../table/block-cache'
import { storageEntry } from '../worker-entry'
import { Committer, WAITING_MAX } from './committer'
import { Compactor } from './compactor'
import { Digester } from './digester'
import { Flusher } from './flusher'
import { Generation } from './generation'
import { cacheBytes, memtableBytesHeld } from './memory-share'
import { Reader } from './reader'
import { Scanner } from './scanner'
import { takeSnapshot } from './snapshot'
import type { SpaceWatch } from './space-watch'
import { Staging } from './staging'
import { statsOf } from './stats'
import type { TableSet } from './table-set'
import { Throttle } from './throttle'

export interface StorePorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly clock: Clock
  readonly logger: Logger
  readonly workers: Workers
}

export interface EngineParts {
  readonly settings: StoreSettings
  readonly ports: StorePorts
  readonly lock: DiskLock
  readonly tables: TableSet
  readonly cache: BlockCache
  readonly space: SpaceWatch
  /** Oldest first, at least one; the last one takes cells. */
  readonly generations: Generation[]
  /** The memory of memtables. */
  readonly pool: ChunkPool
  readonly recovered: RecoveryReport
}

/** While a flush is late memtables grow beyond their size: in steps of this the cache gives way. */
const GROWTH_BYTES = 256 * 1024

/**
 * The store: `committer` takes writes to the log and into memory, `reader` and `scanner` find cells
 * in memory and in tables, `flusher` turns memtables into tables, `compactor` merges these, `digester`
 * sums them up.
 */
export class StoreEngine implements CellStore {
  readonly committer: Committer
  readonly flusher: Flusher
  readonly compactor: Compactor
  reads = 0
  private readonly reader: Reader
  private readonly scanner: Scanner
  private readonly digester: Digester
  readonly staging: Staging
  private readonly throttle: Throttle
  /** What memtables held when the cache was last given the rest. */
  private sharedBytes = 0
  private failure: CassioError | undefined
  private closing: Promise<void> | undefined

  constructor(
    readonly parts: EngineParts,
    readonly log: LogWriter,
  ) {
    const { settings, ports, tables, space, generations } = parts
    const { timers, clock, logger, workers, disk } = ports
    const directory = `${settings.directory}/tables`
    this.throttle = new Throttle(settings.memtableBytes)
    this.staging = new Staging((bytes) => workers.allocate(bytes))
    this.reader = new Reader(tables, generations, clock, settings.readInPlace)
    this.scanner = new Scanner({ disk, timers, tables, generations, check: this.checkOpen })
    this.committer = new Committer({
      settings,
      timers,
      clock,
      log,
      reader: this.reader,
      space,
      throttle: this.throttle,
      generations,
      backlog: () => tables.backlog,
      onRotated: () => {
        generations.push(new Generation(settings.memtableBytes, parts.pool))
        this.shareMemory()
        this.flusher.wake()
      },
      onSettled: () => {
        if (this.memtableBytes > this.sharedBytes + GROWTH_BYTES) this.shareMemory()
      },
      onFailed: this.fail,
    })
    const background = { settings, directory, timers, clock, logger, tables, space }
    this.flusher = new Flusher({
      ...background,
      worker: workers.start(storageEntry),
      throttle: this.throttle,
      staging: this.staging,
      generations,
      logFirstAfterOldest: () => this.logFirstAfter(1),
      onSwapped: (minStamp) => this.compactor.noteFlushed(minStamp),
      onFlushed: this.onFlushed,
      onFailed: this.fail,
    })
    this.compactor = new Compactor({
      ...background,
      worker: workers.start(storageEntry),
      memoryMinStamp: () => this.memoryMinStamp(),
      onProgress: () => this.committer.hurry(),
      onFailed: this.fail,
    })
    this.digester = new Digester({
      settings,
      directory,
      timers,
      tables,
      startWorker: () => workers.start(storageEntry),
      settle: this.settle,
    })
    this.shareMemory()
    this.flusher.wake()
    this.compactor.wake()
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
    this.committer.write(cell, at, size, partition, hash, sink, token)
  }

  group(bytes: number, give: () => void): CassioError | undefined {
    return this.committer.group(bytes, give)
  }

  read(
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
    sink: ReadSink,
    token: number,
  ): void {
    if (this.closing !== undefined) {
      sink.onReadFailed(token, closed())
      return
    }
    this.reads += 1
    this.reader.read(key, from, to, partition, hash, sink, token)
  }

  readSync(
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
    sink: ReadSink,
    token: number,
  ): void {
    if (this.closing !== undefined) {
      sink.onReadFailed(token, closed())
      return
    }
    this.reads += 1
    this.reader.readSync(key, from, to, partition, hash, sink, token)
  }

  async scan(
    from: number,
    to: number,
    afterKey: Buffer | undefined,
    visit: (cell: Buffer, at: number, partition: number) => boolean,
  ): Promise<void> {
    this.checkOpen()
    try {
      await this.scanner.scan(from, to, afterKey, visit)
    } catch (error) {
      this.parts.tables.fenceThrown(error)
      throw this.errorOf('the store cannot be scanned', error)
    }
  }

  newestStamp(): Buffer | undefined {
    const { tables, generations } = this.parts
    const stamps = [
      ...generations.map(({ memtable }) => memtable.maxStamp()),
      ...tables.version.runs.map(({ maxStamp }) => maxStamp),
    ].filter((stamp) => stamp !== undefined)
    if (stamps.length === 0) return undefined
    return Buffer.from(stamps.reduce((a, b) => (compareStamps(a, 0, b, 0) >= 0 ? a : b)))
  }

  async flush(): Promise<void> {
    this.checkOpen()
    const { generations } = this.parts
    // Memory has room for so many: one more is begun only when an older one has gone.
    if (generations.length > WAITING_MAX) await this.untilFlushed(generations[0]!)
    const last = generations.at(-1)!
    await this.committer.rotate()
    // When it was empty it still takes cells.
    if (generations.at(-1) === last) await this.untilFlushed(generations.at(-2))
    else await this.untilFlushed(last)
  }

  async compact(): Promise<void> {
    await this.flush()
    try {
      await this.compactor.compactAll()
    } catch (error) {
      throw this.errorOf('the store cannot be compacted', error)
    }
    this.checkOpen()
    if (this.failure !== undefined) throw this.failure
  }

  async snapshot(directory: string): Promise<void> {
    this.checkOpen()
    try {
      await takeSnapshot(this.parts, this.committer, this.log, directory)
    } catch (error) {
      throw this.errorOf(`no snapshot can be made in ${directory}`, error)
    }
  }

  async verify(): Promise<VerifyResult> {
    this.checkOpen()
    try {
      return await this.compactor.verify()
    } catch (error) {
      throw this.errorOf('the store cannot be verified', error)
    }
  }

  async digest(request: DigestRequest): Promise<PartitionDigest[]> {
    this.checkOpen()
    try {
      return await this.digester.digest(request)
    } catch (error) {
      if (error instanceof RangeError) throw error
      throw this.errorOf('the store cannot be summed up', error)
    }
  }

  async sync(): Promise<void> {
    this.checkOpen()
    if (this.failure !== undefined) throw this.failure
    try {
      await this.committer.between(async () => {
        // Segments that take no more batches are synced.
        if (this.failure === undefined) await this.log.sync()
      })
    } catch (error) {
      throw this.failure ?? this.errorOf('the log cannot be synced', error)
    }
    if (this.failure !== undefined) throw this.failure
  }

  proofsMoved(): void {
    this.compactor.proofsMoved()
  }

  stats(): StoreStats {
    return statsOf(this)
  }

  close(): Promise<void> {
    this.closing ??= this.finish()
    return this.closing
  }

  /** The store can write no more: every write from now on fails. Told to `onFatal` once. */
  readonly fail = (cause: unknown): void => {
    if (this.failure !== undefined) return
    const what = `the store has failed: ${messageOf(cause)}`
    const [none, unknown] = (['none', 'unknown'] as const).map(
      (applied) => new CassioError('CASSIO_STORAGE', what, { applied }, { cause }),
    ) as [CassioError, CassioError]
    this.failure = none
    this.log.halt()
    this.parts.ports.logger.error('store failed', { error: messageOf(cause) })
    this.committer.stop(none)
    this.committer.abandon(none, unknown)
    this.flusher.halt()
    this.compactor.halt()
    this.parts.space.close()
    this.parts.settings.onFatal(none)
  }

  /** Waits until a generation, and those before it, are in tables. */
  private async untilFlushed(generation: Generation | undefined): Promise<void> {
    const { generations, space } = this.parts
    while (generation !== undefined && generations.includes(generation)) {
      await this.flusher.idle()
      this.checkOpen()
      if (this.failure !== undefined) throw this.failure
      // The reserve may have been enough for it.
      if (!space.full || !generations.includes(generation)) continue
      const message = 'memory cannot be written to tables: the disk is full'
      throw new CassioError('CASSIO_DISK_FULL', message)
    }
  }

  /** Makes sure that cells of these partitions which were given before are in tables. */
  private readonly settle = async (partitions: readonly number[]): Promise<void> => {
    const { generations } = this.parts
    await this.committer.settled()
    if (this.failure !== undefined) throw this.failure
    const areInMemory = generations.some(({ memtable }) =>
      partitions.some((partition) => memtable.firstLink(partition) !== 0),
    )
    if (areInMemory) await this.flush()
  }

  private readonly checkOpen = (): void => {
    if (this.closing !== undefined) throw closed()
  }

  /** What a call that did not end well is told. */
  private errorOf(what: string, error: unknown): CassioError {
    // Closing cancels what is under way.
    return this.closing === undefined ? asStorageError(what, error) : closed()
  }

  private readonly onFlushed = async (logFirst: number): Promise<void> => {
    this.committer.hurry()
    this.shareMemory()
    try {
      await this.log.dropBelow(logFirst)
    } catch (error) {
      // The next opening removes them: the manifest does not need them.
      const { logger } = this.parts.ports
      logger.warn('log segments not removed', { below: logFirst, error: messageOf(error) })
    }
    this.compactor.wake()
  }

  /**
   * Gives the cache what memtables do not need before the next one is begun or flushed: after a time
   * of writing, reading has most of the budget.
   */
  private shareMemory(): void {
    const { cache, settings, generations, pool } = this.parts
    const usual = memtableBytesHeld(settings)
    const staged = Math.max(this.staging.bytes, generations.length > 1 ? usual : 0)
    // What is pending lies in memtables beyond the size at which they are full.
    let held = pool.bytes + staged + settings.pendingBytesMax
    for (const { memoryBytes } of generations) held += Math.max(memoryBytes, usual)
    cache.resize(cacheBytes(settings, held))
    this.sharedBytes = this.memtableBytes
  }

  private get memtableBytes(): number {
    let bytes = 0
    for (const { memoryBytes } of this.parts.generations) bytes += memoryBytes
    return bytes
  }

  /** The first segment that the generations from `index` on need. */
  private logFirstAfter(index: number): number {
    const { generations } = this.parts
    for (let i = index; i < generations.length; i += 1) {
      const { firstSegment } = generations[i]!
      if (firstSegment !== undefined) return firstSegment
    }
    return this.log.nextNumber
  }

  private memoryMinStamp(): Buffer | undefined {
    const stamps = this.parts.generations
      .map(({ memtable }) => memtable.minStamp())
      .filter((stamp) => stamp !== undefined)
    if (stamps.length === 0) return undefined
    return Buffer.from(stamps.reduce((a, b) => (compareStamps(a, 0, b, 0) <= 0 ? a : b)))
  }

  private async finish(): Promise<void> {
    const { space, tables, lock } = this.parts
    const failedBefore = this.failure !== undefined
    // Writes are refused from here on; what has gathered still goes out.
    this.committer.stop(closed())
    this.flusher.halt()
    this.compactor.halt()
    this.digester.halt()
    space.close()
    await this.committer.finish()
    await this.flusher.close()
    await this.compactor.close()
    await this.digester.close()
    await this.reader.idle()
    try {
      if (this.failure !== undefined) await this.log.abandon()
      else await this.log.close()
    } catch (error) {
      this.fail(error)
    }
    try {
      await tables.close()
      await lock.release()
    } catch (error) {
      const message = `the store's directory cannot be released: ${messageOf(error)}`
      throw new CassioError('CASSIO_STORAGE', message, {}, { cause: error })
    }
    if (!failedBefore && this.failure !== undefined) throw this.failure
  }
}

function closed(): CassioError {
  return new CassioError('CASSIO_CLOSED', 'the store is closed')
}

function asStorageError(what: string, error: unknown): CassioError {
  if (error instanceof CassioError) return error
  const isCorrupt = systemCode(error) === 'CASSIO_CORRUPT'
  const isFull = isDiskFull(error)
  const code = isCorrupt ? 'CASSIO_CORRUPT' : isFull ? 'CASSIO_DISK_FULL' : 'CASSIO_STORAGE'
  return new CassioError(code, `${what}: ${messageOf(error)}`, {}, { cause: error })
}
