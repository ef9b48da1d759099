import type { Clock } from '@cassiopeia/env'
import { CassioError, CELL_STAMP_AT, stampMs } from '@cassiopeia/protocol'
import type { ReadSink } from '../store'
import { messageOf } from '../system-error'
import type { Generation } from './generation'
import { Lookup, Step } from './lookup'
import { ReadPace } from './read-pace'
import type { TableSet } from './table-set'

/** Lookups kept for later use when they have ended. */
const POOL_MAX = 1_024

/** A lookup that waits for a file to be read. */
class WaitingLookup {
  sink: ReadSink | undefined
  token = 0

  lookup = new Lookup()

  constructor(
    private readonly goOn: (waiting: WaitingLookup) => void,
    private readonly fail: (waiting: WaitingLookup, error: Error) => void,
  ) {}

  onLoaded(error: Error | undefined): void {
    if (error === undefined) this.goOn(this)
    else this.fail(this, error)
  }
}

/** Finds the newest cell of a key: at once where memory has what is needed, else later. */
export class Reader {
  /** Lookups that wait for the disk. */
  waiting = 0
  private lookup = new Lookup()
  private readonly pool: WaitingLookup[] = []
  private whenIdle: (() => void)[] = []
  private readonly pace: ReadPace

  /**
   * @param generations Oldest first; changes as memtables come and go.
   * @param inPlace Whether `read` may read files itself while that is quick.
   */
  constructor(
    private readonly tables: TableSet,
    private readonly generations: readonly Generation[],
    private readonly clock: Clock,
    inPlace: boolean,
  ) {
    this.pace = new ReadPace(clock, inPlace)
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
    const { lookup } = this
    lookup.begin(this.tables.version, key, from, to, partition, hash)
    if (this.lookInMemory(lookup, undefined) || this.pass(lookup, sink, token)) {
      sink.onRead(token, lookup.best, lookup.bestAt)
    }
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
    const { lookup } = this
    lookup.begin(this.tables.version, key, from, to, partition, hash)
    if (!this.lookInMemory(lookup, undefined)) {
      let step = lookup.step()
      while (step === Step.load) {
        try {
          lookup.table!.loadSync()
        } catch (error) {
          sink.onReadFailed(token, diskRefused(error))
          return
        }
        step = lookup.step()
      }
      if (step === Step.damaged) {
        sink.onReadFailed(token, damaged(lookup))
        return
      }
    }
    sink.onRead(token, lookup.best, lookup.bestAt)
  }

  /**
   * Looks for a newer version of a cell that has just been written to `generation`; it lies at
   * `cell[at]` and stays there. The sink hears of the newest version, that cell or another.
   */
  readNewer(
    cell: Buffer,
    at: number,
    keyFrom: number,
    keyTo: number,
    partition: number,
    hash: number,
    generation: Generation,
    sink: ReadSink,
    token: number,
  ): void {
    const { lookup } = this
    lookup.begin(this.tables.version, cell, keyFrom, keyTo, partition, hash)
    lookup.offer(cell, at)
    if (this.lookInMemory(lookup, generation) || this.pass(lookup, sink, token)) {
      sink.onRead(token, lookup.best, lookup.bestAt)
    }
  }

  /** The millisecond of the newest stamp outside of `generation`: what is newer beats all there. */
  newestMsBeside(generation: Generation): number {
    let newest = this.tables.version.maxStampMs
    for (const other of this.generations) {
      if (other !== generation) newest = Math.max(newest, other.memtable.maxStampMs)
    }
    return newest
  }

  /** Resolves when no lookup waits for the disk. */
  idle(): Promise<void> {
    if (this.waiting === 0) return Promise.resolve()
    return new Promise((resolve) => this.whenIdle.push(resolve))
  }

  /** @returns whether nothing outside of memory can be newer. */
  private lookInMemory(lookup: Lookup, except: Generation | undefined): boolean {
    const { generations } = this
    for (let i = generations.length - 1; i >= 0; i -= 1) {
      const generation = generations[i]!
      if (generation === except) continue
      if (lookup.best === undefined || msOf(lookup) <= generation.memtable.maxStampMs) {
        lookup.lookIn(generation)
      }
    }
    return lookup.best !== undefined && msOf(lookup) > lookup.version.maxStampMs
  }

  /** @returns whether the lookup has ended well; otherwise the sink is told, now or later. */
  private pass(lookup: Lookup, sink: ReadSink, token: number): boolean {
    let step = lookup.step()
    while (step === Step.load && this.pace.inPlace) {
      const startedMs = this.clock.monotonicMs()
      try {
        lookup.table!.loadSync()
      } catch (error) {
        sink.onReadFailed(token, diskRefused(error))
        return false
      }
      this.pace.noteRead(startedMs)
      step = lookup.step()
    }
    if (step === Step.done) return true
    if (step === Step.damaged) {
      sink.onReadFailed(token, damaged(lookup))
      return false
    }
    const waiting = this.detach(lookup)
    waiting.sink = sink
    waiting.token = token
    lookup.table!.load(waiting)
    return false
  }

  /** Hands the lookup over to one that waits, and takes that one's in its stead. */
  private detach(lookup: Lookup): WaitingLookup {
    this.waiting += 1
    lookup.detach()
    lookup.version.retain()
    const waiting = this.pool.pop() ?? new WaitingLookup(this.goOn, this.failed)
    this.lookup = waiting.lookup
    waiting.lookup = lookup
    return waiting
  }

  private readonly goOn = (waiting: WaitingLookup): void => {
    const { lookup } = waiting
    const step = lookup.step()
    if (step === Step.load) {
      lookup.table!.load(waiting)
      return
    }
    const { sink, token } = waiting
    try {
      if (step === Step.done) sink!.onRead(token, lookup.best, lookup.bestAt)
      else sink!.onReadFailed(token, damaged(lookup))
    } finally {
      this.finish(waiting)
    }
  }

  private readonly failed = (waiting: WaitingLookup, error: Error): void => {
    try {
      waiting.sink!.onReadFailed(waiting.token, diskRefused(error))
    } finally {
      this.finish(waiting)
    }
  }

  private finish(waiting: WaitingLookup): void {
    waiting.lookup.version.release()
    waiting.lookup.clear()
    waiting.sink = undefined
    if (this.pool.length < POOL_MAX) this.pool.push(waiting)
    this.waiting -= 1
    if (this.waiting > 0) return
    const whenIdle = this.whenIdle
    this.whenIdle = []
    for (const resolve of whenIdle) resolve()
  }
}

function msOf(lookup: Lookup): number {
  return stampMs(lookup.best!, lookup.bestAt + CELL_STAMP_AT)
}

function damaged(lookup: Lookup): CassioError {
  const { number } = lookup.table!.info
  return new CassioError(
    'CASSIO_CORRUPT',
    `table ${number} is damaged where the key would be: other replicas may have it`,
  )
}

function diskRefused(error: unknown): CassioError {
  const message = `a table cannot be read: ${messageOf(error)}`
  return new CassioError('CASSIO_STORAGE', message, {}, { cause: error })
}
