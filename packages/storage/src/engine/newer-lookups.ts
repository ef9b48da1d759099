import {
  CassioError,
  CELL_HEADER_BYTES,
  cellKeyLength,
  cellSize,
  reconcile,
} from '@cassiopeia/protocol'
import type { ReadSink, WriteSink } from '../store'
import type { Generation } from './generation'
import type { Reader } from './reader'

/**
 * Writes whose stamp does not settle the matter: a table, or an older memtable, may hold a newer
 * version of the key. Rare, as stamps rise with time, so each costs an object.
 */
export class NewerLookups implements ReadSink {
  private readonly waiting = new Map<number, WaitingWrite>()
  private nextToken = 0
  private whenIdle: (() => void)[] = []

  constructor(private readonly reader: Reader) {}

  look(
    cell: Buffer,
    at: number,
    partition: number,
    hash: number,
    generation: Generation,
    isOwn: boolean,
    sink: WriteSink,
    token: number,
  ): void {
    const mine = this.nextToken
    this.nextToken += 1
    const write: WaitingWrite = { cell, at, isOwn, sink, token }
    this.waiting.set(mine, write)
    const keyFrom = at + CELL_HEADER_BYTES
    const keyTo = keyFrom + cellKeyLength(cell, at)
    this.reader.readNewer(cell, at, keyFrom, keyTo, partition, hash, generation, this, mine)
    if (!this.waiting.has(mine)) return
    // The memtable may be gone when the answer comes.
    write.cell = Buffer.from(cell.subarray(at, at + cellSize(cell, at)))
    write.at = 0
  }

  idle(): Promise<void> {
    if (this.waiting.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.whenIdle.push(resolve))
  }

  onRead(mine: number, newest: Buffer | undefined, newestAt: number): void {
    const { cell, at, isOwn, sink, token } = this.take(mine)
    const isSame = newest !== undefined && reconcile(newest, newestAt, cell, at) === 0
    if (isSame && isOwn) sink.onWritten(token, undefined, 0)
    else sink.onWritten(token, newest, newestAt)
  }

  onReadFailed(mine: number, error: CassioError): void {
    const { sink, token } = this.take(mine)
    // It is durable; whether it is the newest, nobody can say.
    const what = `written, but a newer version cannot be ruled out: ${error.message}`
    sink.onWriteFailed(token, new CassioError(error.code, what, { applied: 'unknown' }))
  }

  private take(mine: number): WaitingWrite {
    const waiting = this.waiting.get(mine)!
    this.waiting.delete(mine)
    if (this.waiting.size === 0) {
      const whenIdle = this.whenIdle
      this.whenIdle = []
      for (const resolve of whenIdle) resolve()
    }
    return waiting
  }
}

interface WaitingWrite {
  cell: Buffer
  at: number
  /** Whether `cell` is what was written, rather than a newer one from the same memtable. */
  readonly isOwn: boolean
  readonly sink: WriteSink
  readonly token: number
}
