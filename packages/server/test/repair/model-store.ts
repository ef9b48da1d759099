import type { Timers } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellKey,
  cellKeyLength,
  cellSize,
  isTombstone,
  keyHash,
  reconcile,
  stampMs,
} from '@cassiopeia/protocol'
import type { CellStore, DigestRequest, PartitionDigest } from '@cassiopeia/storage'
import { DigestBuilder } from '../../../storage/src/digest/digest-builder'

type Write = Parameters<CellStore['write']>

/** What a store promises, of one partition and as slow as may be. What is visible is durable. */
export class ModelStore {
  /** Writes that are on their way: visible one after the other, in the order of arrival. */
  private pending: Promise<void> = Promise.resolve()
  private closed = false

  constructor(
    readonly cells: Map<string, Buffer>,
    private readonly timers: Timers,
    private readonly delayMs: () => number,
  ) {}

  get asStore(): CellStore {
    return this as unknown as CellStore
  }

  /** As when the process dies: what was not visible is gone. */
  close(): void {
    this.closed = true
  }

  write(...[cell, at, , , sink, token]: Write): void {
    const copy = Buffer.from(cell.subarray(at, at + cellSize(cell, at)))
    this.pending = this.pending.then(async () => {
      await this.sleep(this.delayMs())
      if (this.closed) return
      const key = cellKey(copy, 0).toString()
      const known = this.cells.get(key)
      const isNewest = known === undefined || reconcile(copy, 0, known, 0) >= 0
      if (isNewest) this.cells.set(key, copy)
      sink.onWritten(token, isNewest ? undefined : known, 0)
    })
  }

  read(...[key, from, to, , , sink, token]: Parameters<CellStore['read']>): void {
    sink.onRead(token, this.cells.get(key.subarray(from, to).toString()), 0)
  }

  async scan(...[, , afterKey, visit]: Parameters<CellStore['scan']>): Promise<void> {
    await this.sleep(1)
    const keys = [...this.cells.keys()].map((key) => Buffer.from(key)).sort(Buffer.compare)
    for (const key of keys) {
      if (afterKey !== undefined && Buffer.compare(key, afterKey) <= 0) continue
      if (!visit(this.cells.get(key.toString())!, 0, 0)) return
    }
  }

  async sync(): Promise<void> {
    await this.pending
  }

  async digest({ partitions, cutoffMs, provenMs }: DigestRequest): Promise<PartitionDigest[]> {
    await this.sleep(this.delayMs())
    const builder = new DigestBuilder(cutoffMs)
    return partitions.map((partition, i) => {
      builder.begin(provenMs[i]!)
      for (const cell of this.cells.values()) builder.add(cell, 0, hashOf(cell))
      return builder.take(partition, false)
    })
  }

  proofsMoved(): void {}

  /** Lets go of the tombstones that are proven. */
  forget(provenMs: number): void {
    for (const [key, cell] of this.cells) {
      if (isTombstone(cell, 0) && stampMs(cell, CELL_STAMP_AT) <= provenMs) this.cells.delete(key)
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.timers.after(ms, resolve))
  }
}

export function hashOf(cell: Buffer): number {
  return keyHash(cell, CELL_HEADER_BYTES, CELL_HEADER_BYTES + cellKeyLength(cell, 0))
}
