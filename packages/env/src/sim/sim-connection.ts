import { drainHighWaterBytes } from '../format-address'
import type { Connection, ConnectionHandlers } from '../network'
import { systemError } from '../system-error'
import type { SimEvent } from './event-heap'
import type { Incarnation } from './incarnation'
import { hashBytes } from './keyed-random'
import type { Link } from './link-faults'
import { type Packet, type PipeWorld, SimPipe } from './sim-pipe'

/** Bytes under way or not yet taken by the receiver: send and receive buffers of both systems. */
const windowBytes = 256 * 1024
/** How long `end` waits for the peer's own end once everything has been sent. */
const lingerMs = 5_000

/** What a connection needs of the world around it. */
export interface ConnectionWorld extends PipeWorld {
  /** The connection is over. */
  forget(connection: SimConnection): void
}

/**
 * One end of a simulated TCP connection: a queue of its own, a window towards the peer, and an inbox
 * of what has arrived and was not taken. Handlers are called from events only.
 */
export class SimConnection implements Connection {
  peer: SimConnection | undefined
  private state: 'connecting' | 'open' | 'closed' = 'connecting'
  private handlers: ConnectionHandlers | undefined
  private readonly queue: Buffer[] = []
  private queuedBytes = 0
  private inFlightBytes = 0
  private aboveHighWater = false
  private ending = false
  private finSent = false
  private finReceived = false
  private readPaused = false
  private flushing = false
  private readonly inbox: Packet[] = []
  private linger: SimEvent | undefined
  private failure: Error | undefined
  /** One tie for everything that happens to this end keeps it in order. */
  private readonly tie: number
  /** From this end to the peer. */
  private readonly pipe: SimPipe

  constructor(
    private readonly world: ConnectionWorld,
    readonly owner: Incarnation,
    link: Link,
    readonly remote: string,
  ) {
    this.tie = world.scheduler.newTie()
    const arrive = (packet: Packet) => this.arriveAtPeer(packet)
    this.pipe = new SimPipe(world, link, this.tie, () => this.peer?.owner, arrive)
  }

  get link(): Link {
    return this.pipe.link
  }

  /** Another process has come to listen at the address that is being dialled. */
  set link(link: Link) {
    this.pipe.link = link
  }

  get bufferedBytes(): number {
    return this.queuedBytes
  }

  get isClosed(): boolean {
    return this.state === 'closed'
  }

  setHandlers(handlers: ConnectionHandlers): void {
    if (this.handlers !== undefined) throw new Error('setHandlers may be called only once')
    this.handlers = handlers
    if (this.state === 'closed') this.announceClose()
    else this.scheduleFlush()
  }

  write(bytes: Buffer): void {
    if (this.state === 'closed' || this.ending || !this.owner.alive || bytes.length === 0) return
    this.queue.push(bytes)
    this.queuedBytes += bytes.length
    this.pump()
    if (this.queuedBytes >= drainHighWaterBytes) this.aboveHighWater = true
  }

  pause(): void {
    this.readPaused = true
  }

  resume(): void {
    this.readPaused = false
    this.scheduleFlush()
  }

  end(): void {
    if (this.state === 'closed' || this.ending || !this.owner.alive) return
    this.ending = true
    // Whatever still comes in is read on, so that the peer's end is seen.
    this.scheduleFlush()
    this.pump()
  }

  destroy(): void {
    if (this.state === 'closed' || !this.owner.alive) return
    // A system that closes with unread bytes resets the connection.
    const unread = this.inbox.some((packet) => packet.type === 'data')
    if (this.state === 'open' && !this.finSent) this.transmit({ type: unread ? 'reset' : 'fin' })
    this.close(undefined)
  }

  /** The owner's process is gone; its system says so to the peer, or, without power, nobody does. */
  abandon(farewell: 'fin' | 'reset' | 'silence'): void {
    if (farewell === 'silence') this.pipe.silence()
    else if (this.state === 'open') this.transmit({ type: farewell })
    this.state = 'closed'
    this.queue.length = 0
    this.inbox.length = 0
  }

  /** The handshake is done. A dialled connection tells its owner. */
  open(announce: boolean): void {
    if (this.state !== 'connecting') return
    this.state = 'open'
    if (announce) this.handlers?.onOpen?.()
    this.pump()
    this.scheduleFlush()
  }

  /** The connection failed, or was reset: ends at once. */
  fail(error: Error): void {
    this.close(error)
  }

  /** Nothing that this end sends arrives before `timeMs`: its half of the handshake does first. */
  arriveAfter(timeMs: number): void {
    this.pipe.arriveAfter(timeMs)
  }

  /** Takes queued chunks into the window while there is room. */
  private pump(): void {
    if (this.state !== 'open') return
    let chunk = this.queue[0]
    while (chunk !== undefined) {
      if (this.inFlightBytes > 0 && this.inFlightBytes + chunk.length > windowBytes) return
      this.queue.shift()
      this.queuedBytes -= chunk.length
      for (const piece of this.reshape(chunk)) {
        this.transmit({ type: 'data', bytes: piece, hash: hashBytes(piece) })
        if (this.isClosed) return
      }
      chunk = this.queue[0]
    }
    if (this.aboveHighWater) {
      this.aboveHighWater = false
      this.tell('net:drain', () => {
        if (this.state === 'open') this.handlers?.onDrain?.()
      })
    }
    if (this.ending && !this.finSent) this.sendFin()
  }

  /** A stream keeps bytes in order, not the boundaries between writes. */
  private reshape(chunk: Buffer): Buffer[] {
    const { link } = this
    if (link.isHostile || !link.random.chance(link.options.splitProbability)) return [chunk]
    const next = this.queue[0]
    if (next !== undefined && link.random.chance(0.5)) {
      this.queue.shift()
      this.queuedBytes -= next.length
      chunk = Buffer.concat([chunk, next])
    }
    const pieces: Buffer[] = []
    while (chunk.length > 1 && pieces.length < 8) {
      // Small pieces as often as large ones: a decoder fails at a single byte.
      const most = link.random.chance(0.5) ? Math.min(4, chunk.length - 1) : chunk.length - 1
      const length = 1 + link.random.below(most)
      pieces.push(chunk.subarray(0, length))
      chunk = chunk.subarray(length)
    }
    pieces.push(chunk)
    return pieces
  }

  /** Hands a packet to the link, which may lose, repeat, delay or damage it. */
  private transmit(packet: Packet): void {
    const { random, options } = this.link
    if (packet.type !== 'data') {
      this.pipe.send(packet)
      return
    }
    if (random.chance(options.resetProbability)) {
      this.resetBoth()
      return
    }
    if (random.chance(options.dropProbability)) return
    this.inFlightBytes += packet.bytes.length
    const late = random.chance(options.reorderProbability)
    this.pipe.send(packet, late ? random.between(0, options.reorderMaxMs) : 0, !late)
    if (!random.chance(options.duplicateProbability)) return
    this.inFlightBytes += packet.bytes.length
    this.pipe.send(packet, random.between(0, options.reorderMaxMs), false)
  }

  private arriveAtPeer(packet: Packet): void {
    const { peer } = this
    if (peer === undefined) return
    if (!peer.isClosed) peer.receive(packet)
    // Nobody is there for these bytes: the peer's system answers with a reset.
    else if (packet.type === 'data') peer.pipe.send({ type: 'reset' })
  }

  private receive(packet: Packet): void {
    if (packet.type === 'reset') {
      this.close(systemError('ECONNRESET', 'read', this.remote))
      return
    }
    this.inbox.push(packet)
    const ready = this.handlers !== undefined && this.state === 'open' && !this.owner.paused
    if (ready && !this.flushing && this.inbox.length === 1 && this.wantsData()) this.deliverNext()
    else this.scheduleFlush()
  }

  private wantsData(): boolean {
    return !this.readPaused || this.ending
  }

  /** Delivers what waits in the inbox, one packet per event. */
  private scheduleFlush(): void {
    if (this.flushing || this.inbox.length === 0 || this.handlers === undefined) return
    if (this.state !== 'open' || !this.wantsData()) return
    this.flushing = true
    this.tell('net:flush', () => {
      this.flushing = false
      if (this.state !== 'open' || !this.wantsData()) return
      this.deliverNext()
      this.scheduleFlush()
    })
  }

  private deliverNext(): void {
    const packet = this.inbox.shift()
    if (packet?.type === 'fin') {
      this.finReceived = true
      // As TCP adapters do here: the peer's end is answered by our own, after what we have queued.
      this.ending = true
      if (this.finSent) this.close(undefined)
      else this.pump()
    } else if (packet?.type === 'data') {
      this.peer?.credit(packet.bytes.length)
      const bytes = Buffer.from(packet.bytes)
      if (hashBytes(bytes) !== packet.hash) {
        throw new Error(`a buffer was changed after write() had taken it, towards ${this.remote}`)
      }
      if (this.peer !== undefined) this.peer.corrupt(bytes)
      if (!this.readPaused) this.handlers?.onData(bytes)
    }
  }

  private credit(bytes: number): void {
    this.inFlightBytes = Math.max(0, this.inFlightBytes - bytes)
    if (this.owner.alive) this.pump()
  }

  private corrupt(bytes: Buffer): void {
    const { random, options } = this.link
    if (!random.chance(options.corruptProbability)) return
    const bit = random.below(bytes.length * 8)
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
  }

  private sendFin(): void {
    this.finSent = true
    this.transmit({ type: 'fin' })
    if (this.finReceived) {
      this.close(undefined)
      return
    }
    const giveUp = () => this.close(undefined)
    this.linger = this.world.scheduler.after(lingerMs, 'net:linger', giveUp, { owner: this.owner })
  }

  resetBoth(): void {
    this.peer?.close(systemError('ECONNRESET', 'read', this.peer.remote))
    this.close(systemError('ECONNRESET', 'write', this.remote))
  }

  private close(error: Error | undefined): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.failure = error
    this.queue.length = 0
    this.queuedBytes = 0
    this.inbox.length = 0
    if (this.linger !== undefined) this.world.scheduler.cancel(this.linger)
    this.world.forget(this)
    if (this.handlers !== undefined) this.announceClose()
  }

  private announceClose(): void {
    this.tell('net:close', () => this.handlers?.onClose(this.failure))
  }

  /** A call of the owner's handlers: a little later, never at once; see ConnectionHandlers. */
  private tell(kind: string, run: () => void): void {
    this.world.scheduler.after(0.001, kind, run, { owner: this.owner, tie: this.tie })
  }
}
