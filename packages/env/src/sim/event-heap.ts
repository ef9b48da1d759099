import type { Incarnation } from './incarnation'

export interface SimEvent {
  /** Virtual milliseconds, a multiple of 1/1024, so that sums of times are exact. */
  timeMs: number
  /** Orders events of one time: a seeded draw, or one constant for those that must keep order. */
  readonly tie: number
  readonly sequence: number
  readonly kind: string
  /** Whose code `run` is; undefined for the world itself. */
  readonly owner: Incarnation | undefined
  /** Whom the trace names: the owner, or whom an event of the world's own concerns. */
  readonly about: Incarnation | undefined
  /** Goes into the trace: byte counts and hashes. */
  readonly detail: number
  /** Undefined once cancelled. */
  run: (() => void) | undefined
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs
  if (a.tie !== b.tie) return a.tie < b.tie
  return a.sequence < b.sequence
}

/** A binary heap of events, the earliest on top. */
export class EventHeap {
  private items: SimEvent[] = []

  get size(): number {
    return this.items.length
  }

  peek(): SimEvent | undefined {
    return this.items[0]
  }

  push(event: SimEvent): void {
    this.items.push(event)
    this.siftUp(this.items.length - 1)
  }

  pop(): SimEvent | undefined {
    const { items } = this
    const top = items[0]
    const last = items.pop()
    if (items.length > 0 && last !== undefined) {
      items[0] = last
      this.siftDown(0)
    }
    return top
  }

  /** Keeps only the events that `wanted` accepts. */
  retain(wanted: (event: SimEvent) => boolean): void {
    this.items = this.items.filter(wanted)
    for (let index = (this.items.length >>> 1) - 1; index >= 0; index -= 1) this.siftDown(index)
  }

  private siftUp(index: number): void {
    const { items } = this
    const event = items[index]!
    while (index > 0) {
      const parent = (index - 1) >>> 1
      if (!isBefore(event, items[parent]!)) break
      items[index] = items[parent]!
      index = parent
    }
    items[index] = event
  }

  private siftDown(index: number): void {
    const { items } = this
    const event = items[index]!
    for (;;) {
      let child = 2 * index + 1
      if (child >= items.length) break
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child += 1
      if (!isBefore(items[child]!, event)) break
      items[index] = items[child]!
      index = child
    }
    items[index] = event
  }
}
