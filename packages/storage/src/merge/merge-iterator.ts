import { reconcile } from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import type { Place } from '../table/place'
import type { CellCursor } from './cell-cursor'
import { compareCellKeys } from './compare-cells'

const NO_CELL = Buffer.alloc(0)

/**
 * Merges cursors into one: every key once, with the version that `reconcile` prefers. Of equal cells
 * the one of the first input that has it is shown.
 *
 * The inputs stand in a list, ordered by their places, with a mark where two neighbours are at the
 * same place. An input that moves on is compared with the next one first, and only then searched a
 * place for: with one long input and a few short ones that is one comparison for a cell, and with
 * many alike about log2 of their number. Nothing is allocated per cell.
 */
export class MergeIterator implements CellCursor {
  /** Inputs that stand at a cell, by number, in the order of their places: `order[0..count)`. */
  private readonly order: Int32Array
  /** Whether `order[i]` is at the same place as `order[i + 1]`. */
  private readonly tied: Uint8Array
  private count = 0
  /** Inputs at the current place: the first so many of `order`. */
  private group = 0
  private readonly moving: Int32Array
  /** Inputs whose next cell must be loaded. */
  private readonly pending: number[] = []
  private winnerInput = -1
  private current: CellCursor | undefined

  /** The cursors belong to the iterator from now on: `close` closes them. */
  constructor(private readonly inputs: readonly CellCursor[]) {
    this.order = new Int32Array(inputs.length)
    this.tied = new Uint8Array(inputs.length)
    this.moving = new Int32Array(inputs.length)
  }

  get ended(): boolean {
    return this.current === undefined
  }

  get buffer(): Buffer {
    return this.current?.buffer ?? NO_CELL
  }

  get at(): number {
    return this.current?.at ?? 0
  }

  get partition(): number {
    return this.current?.partition ?? 0
  }

  /** Which input the current cell comes from; -1 when `ended`. */
  get winnerIndex(): number {
    return this.winnerInput
  }

  /** After a rejection the iterator can only seek again or be closed. */
  async seek(after: Place | undefined): Promise<void> {
    this.forget()
    // All at once: each waits for its own file. Nothing may still run when this settles.
    const sought = await Promise.allSettled(this.inputs.map((input) => input.seek(after)))
    for (const outcome of sought) if (outcome.status === 'rejected') throw outcome.reason
    for (let input = 0; input < this.inputs.length; input += 1) {
      if (!this.inputs[input]!.ended) this.insert(input)
    }
    this.choose()
  }

  advance(): boolean {
    if (this.group > 1) return this.advanceGroup()
    invariant(this.group === 1, 'a merge is at a cell when it moves on')
    const input = this.order[0]!
    const cursor = this.inputs[input]!
    if (!cursor.advance()) {
      this.removeFirst(1)
      this.pending.push(input)
      return false
    }
    if (cursor.ended) this.removeFirst(1)
    else this.settleFirst(input)
    this.choose()
    return true
  }

  /** After a rejection the iterator can only seek again or be closed. */
  async load(): Promise<void> {
    while (this.pending.length > 0) {
      const input = this.pending.at(-1)!
      const cursor = this.inputs[input]!
      await cursor.load()
      this.pending.pop()
      if (!cursor.ended) this.insert(input)
    }
    this.choose()
  }

  async close(): Promise<void> {
    this.forget()
    const closed = await Promise.allSettled(this.inputs.map((input) => input.close()))
    for (const outcome of closed) if (outcome.status === 'rejected') throw outcome.reason
  }

  private forget(): void {
    this.count = 0
    this.pending.length = 0
    this.choose()
  }

  private advanceGroup(): boolean {
    const { group, moving } = this
    for (let i = 0; i < group; i += 1) moving[i] = this.order[i]!
    this.removeFirst(group)
    for (let i = 0; i < group; i += 1) {
      const input = moving[i]!
      const cursor = this.inputs[input]!
      if (!cursor.advance()) this.pending.push(input)
      else if (!cursor.ended) this.insert(input)
    }
    if (this.pending.length > 0) return false
    this.choose()
    return true
  }

  /** `order[0]` has moved on, the others have not: often it stays the first. */
  private settleFirst(input: number): void {
    if (this.count === 1) return
    const comparison = this.compare(input, this.order[1]!)
    if (comparison <= 0) {
      this.tied[0] = comparison === 0 ? 1 : 0
      return
    }
    this.removeFirst(1)
    this.insert(input)
  }

  private insert(input: number): void {
    const { order, tied } = this
    let low = 0
    let high = this.count
    let same = false
    while (low < high) {
      const middle = (low + high) >>> 1
      const comparison = this.compare(input, order[middle]!)
      if (comparison === 0) {
        // Right behind its equal, which may have others behind it: the mark below goes along.
        low = middle + 1
        same = true
        break
      }
      if (comparison < 0) high = middle
      else low = middle + 1
    }
    for (let i = this.count; i > low; i -= 1) {
      order[i] = order[i - 1]!
      tied[i] = tied[i - 1]!
    }
    order[low] = input
    tied[low] = same ? tied[low - 1]! : 0
    if (low > 0) tied[low - 1] = same ? 1 : 0
    this.count += 1
  }

  private removeFirst(removed: number): void {
    const { order, tied } = this
    this.count -= removed
    for (let i = 0; i < this.count; i += 1) {
      order[i] = order[i + removed]!
      tied[i] = tied[i + removed]!
    }
  }

  private compare(a: number, b: number): number {
    const left = this.inputs[a]!
    const right = this.inputs[b]!
    const byPartition = left.partition - right.partition
    if (byPartition !== 0) return byPartition
    return compareCellKeys(left.buffer, left.at, right.buffer, right.at)
  }

  /** Finds the inputs at the first place, and the newest of their cells. */
  private choose(): void {
    const { order, tied, count } = this
    if (count === 0) {
      this.group = 0
      this.winnerInput = -1
      this.current = undefined
      return
    }
    let winner = order[0]!
    let group = 1
    while (group < count && tied[group - 1] === 1) {
      const input = order[group]!
      const a = this.inputs[input]!
      const b = this.inputs[winner]!
      const comparison = reconcile(a.buffer, a.at, b.buffer, b.at)
      if (comparison > 0 || (comparison === 0 && input < winner)) winner = input
      group += 1
    }
    this.group = group
    this.winnerInput = winner
    this.current = this.inputs[winner]!
  }
}
