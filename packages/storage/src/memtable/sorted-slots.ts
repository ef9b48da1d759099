import { compareKeys } from './key-bytes'
import type { Memtable } from './memtable'

/** Slots sorted, or merged, in one step: about a millisecond. */
const SORTED_A_STEP = 1_024
const MERGED_A_STEP = 8_192

interface Merge {
  readonly a: Uint32Array
  readonly b: Uint32Array
  readonly out: Uint32Array
  i: number
  j: number
}

/**
 * The slots of one partition in the order of their keys, for scans. Nothing is sorted before the
 * first scan asks; later ones sort only what came since. The slots lie in a few sorted runs, each at
 * least twice as long as the next, so that keeping up costs O(log n) for each slot. Pure.
 */
export class SortedSlots {
  private sorted: Uint32Array[] = []
  /** All slots from this link on have been seen. */
  private seenLink = 0
  private walk: { readonly top: number; link: number } | undefined
  private merge: Merge | undefined

  constructor(
    private readonly memtable: Memtable,
    private readonly partition: number,
  ) {}

  /** The newest link that is sorted in: links rise with time. */
  get seen(): number {
    return this.seenLink
  }

  /** Every slot up to `seen`, in sorted runs that never change. */
  get runs(): readonly Uint32Array[] {
    return this.sorted
  }

  /** Takes note of what is to be sorted. Call `step` until it says that it is done. */
  begin(): void {
    if (this.walk !== undefined) return
    const top = this.memtable.firstLink(this.partition)
    if (top !== this.seenLink) this.walk = { top, link: top }
  }

  /** Does a piece of the work. @returns whether nothing is left. */
  step(): boolean {
    if (this.merge !== undefined) this.mergeSome(this.merge)
    else if (this.walk !== undefined) this.sortSome(this.walk)
    if (this.merge === undefined) this.beginMerge()
    return this.merge === undefined && this.walk === undefined
  }

  private sortSome(walk: { readonly top: number; link: number }): void {
    const slots: number[] = []
    while (walk.link !== this.seenLink && slots.length < SORTED_A_STEP) {
      const slot = walk.link - 1
      slots.push(slot)
      walk.link = this.memtable.linkAfter(slot)
    }
    slots.sort((a, b) => compareSlots(this.memtable, a, b))
    this.sorted = [...this.sorted, Uint32Array.from(slots)]
    if (walk.link !== this.seenLink) return
    this.seenLink = walk.top
    this.walk = undefined
  }

  private beginMerge(): void {
    const b = this.sorted.at(-1)
    const a = this.sorted.at(-2)
    if (a === undefined || b === undefined || a.length >= b.length * 2) return
    this.merge = { a, b, out: new Uint32Array(a.length + b.length), i: 0, j: 0 }
  }

  private mergeSome(merge: Merge): void {
    const { a, b, out } = merge
    const end = Math.min(out.length, merge.i + merge.j + MERGED_A_STEP)
    while (merge.i + merge.j < end) {
      const takesA =
        merge.j === b.length ||
        (merge.i < a.length && compareSlots(this.memtable, a[merge.i]!, b[merge.j]!) < 0)
      out[merge.i + merge.j] = takesA ? a[merge.i]! : b[merge.j]!
      if (takesA) merge.i += 1
      else merge.j += 1
    }
    if (end < out.length) return
    this.sorted = [...this.sorted.slice(0, -2), out]
    this.merge = undefined
  }
}

export function compareSlots(memtable: Memtable, a: number, b: number): number {
  return compareKeys(
    memtable.cellOf(a),
    memtable.offsetOf(a),
    memtable.cellOf(b),
    memtable.offsetOf(b),
  )
}
