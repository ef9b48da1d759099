import type { Incarnation } from './incarnation'
import type { Link } from './link-faults'
import type { Scheduler } from './scheduler'

export type Packet =
  | { readonly type: 'data'; readonly bytes: Buffer; readonly hash: number }
  | { readonly type: 'fin' }
  | { readonly type: 'reset' }

/** What a direction of a connection needs of the world around it. */
export interface PipeWorld {
  readonly scheduler: Scheduler
  isCut(link: Link): boolean
  /** Packets are held up: `release` is due when something has been repaired. */
  hold(pipe: SimPipe): void
}

/**
 * One direction of a connection: packets on their way, in the order of TCP unless told otherwise.
 * A packet that comes to a cut, or to a machine without power, is held and sent again on release.
 */
export class SimPipe {
  /** What must arrive in order; each arrival takes the oldest. */
  private wire: Packet[] = []
  /** Arrivals that came to nothing: due again on release. */
  private missedArrivals = 0
  private lineFreeMs = 0
  private lastArrivalMs = 0

  constructor(
    private readonly world: PipeWorld,
    public link: Link,
    private readonly tie: number,
    /** Whose system the packets go to; unknown until a dial has been answered. */
    private readonly receiver: () => Incarnation | undefined,
    private readonly arrive: (packet: Packet) => void,
  ) {}

  /** @param inOrder False for a chunk that comes late, or a second time, whatever came since. */
  send(packet: Packet, extraMs = 0, inOrder = true): void {
    const length = packet.type === 'data' ? packet.bytes.length : 0
    const detail = packet.type === 'data' ? packet.hash ^ length : 0
    const arrivalMs = this.arrivalMs(length, extraMs, inOrder)
    if (inOrder) this.wire.push(packet)
    const run = inOrder ? () => this.arriveInOrder() : () => this.arriveLate(packet)
    this.schedule(arrivalMs, `net:${packet.type}`, run, detail)
  }

  /** Nothing sent from now on arrives before `timeMs`. */
  arriveAfter(timeMs: number): void {
    this.lastArrivalMs = Math.max(this.lastArrivalMs, timeMs)
  }

  /** The link is whole again, or the machine has power again. */
  release(): void {
    const { missedArrivals } = this
    this.missedArrivals = 0
    for (let count = 0; count < missedArrivals; count += 1) {
      this.schedule(this.arrivalMs(0, 0, true), 'net:again', () => this.arriveInOrder())
    }
  }

  /** The sending machine has lost power: what is on the wire arrives, what was held is lost. */
  silence(): void {
    // Behind a gap that nobody fills, nothing can be put in order either.
    if (this.missedArrivals > 0) this.wire = []
    this.missedArrivals = 0
  }

  private arrivalMs(length: number, extraMs: number, inOrder: boolean): number {
    const { nowMs } = this.world.scheduler
    this.lineFreeMs = Math.max(nowMs, this.lineFreeMs) + length / this.link.options.bytesPerMs
    const arrivalMs = this.lineFreeMs + this.link.latencyMs() + extraMs
    if (!inOrder) return arrivalMs
    this.lastArrivalMs = Math.max(arrivalMs, this.lastArrivalMs)
    return this.lastArrivalMs
  }

  /** An event of the receiving system: it happens whatever the state of the processes. */
  private schedule(timeMs: number, kind: string, run: () => void, detail = 0): void {
    const about = this.receiver()
    this.world.scheduler.at(timeMs, kind, run, { detail, about, tie: this.tie })
  }

  private arriveInOrder(): void {
    if (this.isBlocked()) {
      this.holdArrival()
      return
    }
    const packet = this.wire.shift()
    if (packet !== undefined) this.arrive(packet)
  }

  private arriveLate(packet: Packet): void {
    if (this.isBlocked()) {
      this.wire.push(packet)
      this.holdArrival()
    } else {
      this.arrive(packet)
    }
  }

  private holdArrival(): void {
    this.missedArrivals += 1
    this.world.hold(this)
  }

  private isBlocked(): boolean {
    return this.world.isCut(this.link) || this.receiver()?.machine.on === false
  }
}
