import {
  CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellFault,
  cellKey,
  cellKeyLength,
  cellSize,
  compareStamps,
  keyHash,
  reconcile,
  STAMP_BYTES,
} from '@cassiopeia/protocol'
import type { PartitionDigest } from '../../src/digest/digest'
import type { VerifyResult } from '../../src/jobs/job'
import type { CellStore, ReadSink, StoreStats, WriteSink } from '../../src/store'

interface Stored {
  readonly cell: Buffer
  readonly partition: number
}

interface Given extends Stored {
  readonly sink: WriteSink
  readonly token: number
}

/** Cells that a scan visits before it lets others run. */
const SCAN_TURN_CELLS = 7

/** What the contract of a `CellStore` says, over a Map: writes settle a turn later, all together. */
export class FakeCellStore implements CellStore {
  readonly stored = new Map<string, Stored>()
  /** Every cell that was taken, in order. */
  readonly taken: Buffer[] = []
  readonly calls: string[] = []
  /** How many cells each settled turn had. */
  readonly turns: number[] = []
  scans = 0
  reads = 0
  readsWaitingMost = 0
  /** Writes fail with it, from the given place in the turn on. */
  failure: { readonly error: CassioError; readonly from: number } | undefined
  refusal: CassioError | undefined
  readFailure: CassioError | undefined
  scanFailure: CassioError | undefined
  answersLater = false
  closed = false
  private given: Given[] = []
  private readsWaiting = 0
  private readonly seen = Buffer.alloc(64 * 1024)

  constructor(private readonly partitionOf: (hash: number) => number) {}

  write(
    cell: Buffer,
    at: number,
    partition: number,
    hash: number,
    sink: WriteSink,
    token: number,
  ): void {
    const copy = Buffer.from(cell.subarray(at, at + cellSize(cell, at)))
    expect(cellFault(copy, 0, copy.length)).toBeUndefined()
    const key = cellKey(copy, 0)
    expect(hash).toBe(keyHash(key, 0, key.length))
    expect(partition).toBe(this.partitionOf(hash))
    if (this.given.length === 0) setImmediate(() => this.endTurn())
    this.taken.push(copy)
    this.given.push({ cell: copy, partition, sink, token })
  }

  group(_bytes: number, give: () => void): CassioError | undefined {
    const refusal = this.refusalNow()
    if (refusal === undefined) give()
    return refusal
  }

  private refusalNow(): CassioError | undefined {
    return this.closed ? closedError() : this.refusal
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
    if (!this.answersLater) {
      this.readSync(key, from, to, partition, hash, sink, token)
      return
    }
    const copy = Buffer.from(key.subarray(from, to))
    this.readsWaiting += 1
    this.readsWaitingMost = Math.max(this.readsWaitingMost, this.readsWaiting)
    setImmediate(() => {
      this.readsWaiting -= 1
      this.readSync(copy, 0, copy.length, partition, hash, sink, token)
    })
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
    this.reads += 1
    expect(hash).toBe(keyHash(key, from, to))
    expect(partition).toBe(this.partitionOf(hash))
    const failure = this.closed ? closedError() : this.readFailure
    if (failure !== undefined) {
      sink.onReadFailed(token, failure)
      return
    }
    const found = this.stored.get(key.toString('latin1', from, to))
    if (found === undefined) sink.onRead(token, undefined, 0)
    else this.show(found.cell, (cell, at) => sink.onRead(token, cell, at))
  }

  async scan(
    from: number,
    to: number,
    afterKey: Buffer | undefined,
    visit: (cell: Buffer, at: number, partition: number) => boolean,
  ): Promise<void> {
    this.scans += 1
    await undefined
    if (this.closed) throw closedError()
    const inOrder = [...this.stored.values()].sort(
      (a, b) => a.partition - b.partition || cellKey(a.cell, 0).compare(cellKey(b.cell, 0)),
    )
    let visited = 0
    for (const { cell, partition } of inOrder) {
      if (this.closed) throw closedError()
      if (this.scanFailure !== undefined) throw this.scanFailure
      if (partition < from || partition > to) continue
      const key = cellKey(cell, 0)
      if (partition === from && afterKey !== undefined && key.compare(afterKey) <= 0) continue
      const newest = this.stored.get(key.toString('latin1'))!.cell
      if (!this.show(newest, (shown, at) => visit(shown, at, partition))) return
      visited += 1
      if (visited % SCAN_TURN_CELLS === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  newestStamp(): Buffer | undefined {
    let newest: Buffer | undefined
    for (const { cell } of this.stored.values()) {
      if (newest !== undefined && compareStamps(newest, 0, cell, CELL_STAMP_AT) >= 0) continue
      newest = Buffer.from(cell.subarray(CELL_STAMP_AT, CELL_STAMP_AT + STAMP_BYTES))
    }
    return newest
  }

  async flush(): Promise<void> {
    this.calls.push('flush')
  }

  async compact(): Promise<void> {
    this.calls.push('compact')
  }

  async snapshot(directory: string): Promise<void> {
    this.calls.push(`snapshot ${directory}`)
  }

  async verify(): Promise<VerifyResult> {
    this.calls.push('verify')
    return { bytes: 0, damages: [] }
  }

  async digest(): Promise<PartitionDigest[]> {
    this.calls.push('digest')
    return []
  }

  async sync(): Promise<void> {
    this.calls.push('sync')
  }

  proofsMoved(): void {
    this.calls.push('proofsMoved')
  }

  stats(): StoreStats {
    return { cells: this.stored.size } as StoreStats
  }

  async close(): Promise<void> {
    this.calls.push('close')
    this.closed = true
  }

  /** Puts a cell there as if it had always been. */
  plant(cell: Buffer): void {
    const from = CELL_HEADER_BYTES
    const hash = keyHash(cell, from, from + cellKeyLength(cell, 0))
    this.stored.set(cellKey(cell, 0).toString('latin1'), {
      cell,
      partition: this.partitionOf(hash),
    })
  }

  private endTurn(): void {
    const { given } = this
    this.given = []
    this.turns.push(given.length)
    for (const [i, { cell, partition, sink, token }] of given.entries()) {
      const failure = this.refusalNow() ?? this.failureAt(i)
      if (failure !== undefined) {
        sink.onWriteFailed(token, failure)
        continue
      }
      const key = cellKey(cell, 0).toString('latin1')
      const old = this.stored.get(key)
      if (old !== undefined && reconcile(cell, 0, old.cell, 0) < 0) {
        sink.onWritten(token, old.cell, 0)
        continue
      }
      this.stored.set(key, { cell, partition })
      sink.onWritten(token, undefined, 0)
    }
  }

  private failureAt(index: number): CassioError | undefined {
    return this.failure !== undefined && index >= this.failure.from ? this.failure.error : undefined
  }

  /** Shows a cell in a buffer that is overwritten afterwards: a view must not outlive the call. */
  private show<T>(cell: Buffer, use: (cell: Buffer, at: number) => T): T {
    const buffer = cell.length + 5 > this.seen.length ? Buffer.alloc(cell.length + 5) : this.seen
    cell.copy(buffer, 5)
    const result = use(buffer, 5)
    buffer.fill(0xee, 0, cell.length + 5)
    return result
  }
}

function closedError(): CassioError {
  return new CassioError('CASSIO_CLOSED', 'the store is closed')
}
