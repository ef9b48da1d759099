import type { Timers } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKeyLength } from '@cassiopeia/protocol'
import type { Memtable } from '../memtable/memtable'
import { compareSlots, SortedSlots } from '../memtable/sorted-slots'
import type { CellCursor } from '../merge/cell-cursor'
import type { Place } from '../table/place'

const NOTHING = Buffer.alloc(0)
/** A partition with more slots keeps their order from scan to scan. */
const SMALL_PARTITION = 512

/**
 * Walks over the newest cells of the partitions `from` to `to` in a memtable that may take more
 * cells meanwhile: those that were there when their partition was reached are visited.
 */
export class MemtableCursor implements CellCursor {
  ended = true
  buffer: Buffer = NOTHING
  at = 0
  partition = 0
  private runs: readonly Uint32Array[] = []
  private positions: number[] = []
  /** The run that the current slot comes from. */
  private current = 0

  /** @param orders Kept beside the memtable: the order of its large partitions. */
  constructor(
    private readonly memtable: Memtable,
    private readonly orders: Map<number, SortedSlots>,
    private readonly from: number,
    private readonly to: number,
    private readonly timers: Timers,
  ) {}

  async seek(after: Place | undefined): Promise<void> {
    this.ended = true
    const start = after === undefined ? this.from : Math.max(after.partition, this.from)
    const within = after !== undefined && after.partition === start ? after.key : undefined
    await this.enterPartition(start, within)
  }

  advance(): boolean {
    this.positions[this.current]! += 1
    return this.settle()
  }

  async load(): Promise<void> {
    await this.enterPartition(this.partition + 1, undefined)
  }

  async close(): Promise<void> {
    this.ended = true
    this.buffer = NOTHING
    this.runs = []
  }

  /** Goes to the first cell above `after` in the first partition from `start` on that has one. */
  private async enterPartition(start: number, after: Buffer | undefined): Promise<void> {
    const { memtable } = this
    const end = Math.min(this.to + 1, memtable.partitionsEnd)
    for (let partition = start; partition < end; partition += 1) {
      if (memtable.firstLink(partition) === 0) continue
      this.partition = partition
      this.runs = this.sortSmall(partition) ?? (await this.sortLarge(partition))
      const bound = partition === start ? after : undefined
      this.positions = this.runs.map((run) => (bound === undefined ? 0 : this.search(run, bound)))
      if (this.settle()) return
    }
    this.ended = true
  }

  /** Chooses the smallest of the runs' heads. @returns false when the partition has no more. */
  private settle(): boolean {
    const { memtable, runs, positions } = this
    let best = -1
    for (let i = 0; i < runs.length; i += 1) {
      if (positions[i]! >= runs[i]!.length) continue
      if (
        best < 0 ||
        compareSlots(memtable, runs[i]![positions[i]!]!, runs[best]![positions[best]!]!) < 0
      ) {
        best = i
      }
    }
    if (best < 0) return false
    const slot = runs[best]![positions[best]!]!
    this.current = best
    this.buffer = memtable.cellOf(slot)
    this.at = memtable.offsetOf(slot)
    this.ended = false
    return true
  }

  private sortSmall(partition: number): Uint32Array[] | undefined {
    if (this.orders.has(partition)) return undefined
    const slots: number[] = []
    let link = this.memtable.firstLink(partition)
    while (link !== 0) {
      if (slots.length === SMALL_PARTITION) return undefined
      slots.push(link - 1)
      link = this.memtable.linkAfter(link - 1)
    }
    return [Uint32Array.from(slots.sort((a, b) => compareSlots(this.memtable, a, b)))]
  }

  private async sortLarge(partition: number): Promise<readonly Uint32Array[]> {
    let order = this.orders.get(partition)
    if (order === undefined) {
      order = new SortedSlots(this.memtable, partition)
      this.orders.set(partition, order)
    }
    // Another scan may be sorting what was there when it came, which is less.
    const newest = this.memtable.firstLink(partition)
    do {
      order.begin()
      while (!order.step()) await new Promise<void>((resolve) => this.timers.soon(resolve))
    } while (order.seen < newest)
    return order.runs
  }

  /** @returns the position of the first slot whose key is above `key`. */
  private search(run: Uint32Array, key: Buffer): number {
    let low = 0
    let high = run.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compareToKey(run[middle]!, key) > 0) high = middle
      else low = middle + 1
    }
    return low
  }

  private compareToKey(slot: number, key: Buffer): number {
    const cell = this.memtable.cellOf(slot)
    const from = this.memtable.offsetOf(slot) + CELL_HEADER_BYTES
    const to = from + cellKeyLength(cell, from - CELL_HEADER_BYTES)
    return cell.compare(key, 0, key.length, from, to)
  }
}
