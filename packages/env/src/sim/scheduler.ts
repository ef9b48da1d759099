import { EventHeap, type SimEvent } from './event-heap'
import type { Incarnation } from './incarnation'
import { hashText, KeyedRandom, mix32, type Seed } from './keyed-random'

/** One step of the world, as `SimulationOptions.trace` sees it. */
export interface TraceEvent {
  readonly timeMs: number
  readonly kind: string
  /** 'name/incarnation', or 'world'. */
  readonly actor: string
  readonly detail: number
  /** The rolling hash after this event. */
  readonly hash: number
}

/** Times are multiples of 2^-10 ms, about a microsecond: doubles add them without rounding. */
const ticksPerMs = 1024
/** Cancelled events are swept once there are this many, and they are half of all. */
const sweepMin = 1024

export function toTick(timeMs: number): number {
  return Math.ceil(timeMs * ticksPerMs) / ticksPerMs
}

export interface ScheduleOptions {
  /** Whose code it is: it waits while the owner is paused, and never happens after its end. */
  readonly owner?: Incarnation | undefined
  /** Whom an event of the world's own concerns: for the trace. */
  readonly about?: Incarnation | undefined
  readonly detail?: number | undefined
  /** Events of equal time and equal tie run in the order in which they were scheduled. */
  readonly tie?: number | undefined
}

/** The queue of everything that will happen, and the one virtual time. */
export class Scheduler {
  nowMs = 0
  /** Events run so far. */
  eventCount = 0
  traceHash = 0
  private sequence = 0
  private cancelledCount = 0
  private readonly heap = new EventHeap()
  private readonly ties: KeyedRandom
  private readonly kindKeys = new Map<string, number>()

  constructor(
    seed: Seed,
    private readonly trace: ((event: TraceEvent) => void) | undefined,
  ) {
    this.ties = new KeyedRandom(seed, 'sched')
  }

  /** A tie of its own, for a stream of events that must keep their order. */
  newTie(): number {
    return this.ties.u32()
  }

  after(delayMs: number, kind: string, run: () => void, options?: ScheduleOptions): SimEvent {
    return this.at(this.nowMs + delayMs, kind, run, options)
  }

  at(timeMs: number, kind: string, run: () => void, options: ScheduleOptions = {}): SimEvent {
    // A NaN would never be reached, nor let anything behind it in the heap be.
    if (!(timeMs < Number.POSITIVE_INFINITY)) throw new RangeError(`no such time: ${timeMs}`)
    const event: SimEvent = {
      timeMs: Math.max(toTick(timeMs), this.nowMs),
      tie: options.tie ?? this.ties.u32(),
      sequence: this.sequence++,
      kind,
      owner: options.owner,
      about: options.about ?? options.owner,
      detail: options.detail ?? 0,
      run,
    }
    this.heap.push(event)
    return event
  }

  cancel(event: SimEvent): void {
    if (event.run === undefined) return
    event.run = undefined
    this.cancelledCount += 1
    if (this.cancelledCount > sweepMin && this.cancelledCount * 2 > this.heap.size) {
      this.heap.retain((kept) => kept.run !== undefined)
      this.cancelledCount = 0
    }
  }

  /** When the next event is due, or undefined when nothing is left to happen. */
  nextTimeMs(): number | undefined {
    for (;;) {
      const event = this.heap.peek()
      if (event === undefined) return undefined
      if (event.run === undefined) this.cancelledCount = Math.max(0, this.cancelledCount - 1)
      else if (event.owner === undefined || event.owner.alive) {
        if (!event.owner?.paused) return event.timeMs
        event.owner.parked.push(event)
      }
      this.heap.pop()
    }
  }

  /** Runs the next event. Only after `nextTimeMs` has found one. */
  runNext(): void {
    const event = this.heap.pop()!
    const { run } = event
    this.nowMs = event.timeMs
    this.record(event)
    event.run = undefined
    run?.()
  }

  /** Puts a paused process's events back, to happen at once and in their order. */
  unpark(incarnation: Incarnation): void {
    const tie = this.newTie()
    for (const event of incarnation.parked) {
      if (event.run === undefined) continue
      // The same object, as its owner may still cancel it; only its place in the order is new.
      this.heap.push(Object.assign(event, { timeMs: this.nowMs, tie, sequence: this.sequence++ }))
    }
    incarnation.parked.length = 0
  }

  private record(event: SimEvent): void {
    this.eventCount += 1
    let kindKey = this.kindKeys.get(event.kind)
    if (kindKey === undefined) {
      kindKey = hashText(event.kind)
      this.kindKeys.set(event.kind, kindKey)
    }
    let hash = mix32(this.traceHash ^ (event.timeMs * ticksPerMs) ^ event.detail)
    hash = mix32(hash ^ kindKey ^ (event.about?.key ?? 0))
    this.traceHash = hash
    this.trace?.({
      timeMs: event.timeMs,
      kind: event.kind,
      actor: event.about?.name ?? 'world',
      detail: event.detail,
      hash,
    })
  }
}
