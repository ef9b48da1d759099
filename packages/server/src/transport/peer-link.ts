import type { Address, Connection, ConnectionHandlers, Timer } from '@cassiopeia/env'
import {
  CassioError,
  DiallerHandshake,
  decodeGoodbye,
  FRAME_OVERHEAD_BYTES,
  formatAddress,
  type Hello,
  MessageType,
  NONCE_BYTES,
  Pong,
  PREAMBLE,
  RemoteClock,
  unpack,
  VALUE_BYTES_MAX,
  type Welcome,
} from '@cassiopeia/protocol'
import type { TransportPorts } from './acceptor'
import { Backoff } from './backoff'
import { Link, type LinkLimits, type LinkOwner } from './link'

export interface PeerLinkOwner {
  /** A connection is up; `welcome` says who is there. A CassioError thrown here refuses it. */
  onPeerOpen(peer: PeerLink, welcome: Welcome): void
  onPeerMessage(peer: PeerLink, type: number, buffer: Buffer, from: number, to: number): void
  /** An open connection was lost. */
  onPeerLost(peer: PeerLink): void
  /** An attempt did not get as far as `onPeerOpen`; `lastError` says why. */
  onPeerUnreached(peer: PeerLink): void
}

export interface PeerLinkOptions {
  readonly secret: string | undefined
  readonly handshakeTimeoutMs: number
  readonly pingIntervalMs: number
  readonly silenceMaxMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  readonly limits: LinkLimits
}

/**
 * The connection that this node dials to one peer, for as long as the node lives: what this node asks
 * goes out here and is answered here. Lost connections are dialled again with back-off.
 */
export class PeerLink implements LinkOwner {
  link: Link | undefined
  /** The handshake is done: messages may be sent. */
  open = false
  /** The peer's index in the cluster map; -1 until there is one. */
  member = -1
  /** Who answered last; kept while the connection is down. */
  nodeId: string | undefined
  /** Why the latest attempt failed, for errors and status. */
  lastError: CassioError | undefined
  /** Usual milliseconds to an answer; 0 until one came. */
  latencyMs = 0
  readonly clock = new RemoteClock()

  private handshake: DiallerHandshake | undefined
  private connection: Connection | undefined
  private timer: Timer | undefined
  private stopped = false
  private readonly backoff: Backoff

  constructor(
    readonly address: Address,
    private readonly hello: () => Omit<Hello, 'nonce'>,
    private readonly owner: PeerLinkOwner,
    private readonly options: PeerLinkOptions,
    private readonly ports: TransportPorts,
  ) {
    this.backoff = new Backoff(options.backoffMinMs, options.backoffMaxMs, ports.random)
  }

  get name(): string {
    return formatAddress(this.address)
  }

  start(): void {
    // Unless the peer was first to call, and has been called back.
    if (this.connection === undefined) this.dial()
  }

  /** The peer has shown that it lives: do not wait out the back-off. */
  hurry(): void {
    if (this.connection !== undefined || this.stopped) return
    this.timer?.cancel()
    this.dial()
  }

  close(): void {
    this.stopped = true
    this.timer?.cancel()
    if (this.open) this.link?.end()
    else this.connection?.destroy()
    this.connection = undefined
    this.open = false
  }

  /** Counts an answer that came `elapsedMs` after its question. */
  observeLatency(elapsedMs: number): void {
    this.latencyMs = this.latencyMs === 0 ? elapsedMs : this.latencyMs * 0.9 + elapsedMs * 0.1
  }

  /** `localMs` on this node's monotonic clock, as the peer's clock will show it at the latest. */
  deadlineFor(localMs: number): number {
    return this.clock.at(localMs)
  }

  /** Closes an open connection that the owner finds unfit; it is dialled again after the back-off. */
  refuse(error: CassioError): void {
    this.lastError = error
    this.link?.goodbye(error)
    this.down()
  }

  onMessage(type: number, buffer: Buffer, from: number, to: number): void {
    if (type === MessageType.PONG) {
      this.onPong(buffer, from, to)
    } else if (this.open && type !== MessageType.GOODBYE) {
      this.owner.onPeerMessage(this, type, buffer, from, to)
    } else {
      this.onHandshakeMessage(type, buffer.subarray(from, to))
    }
  }

  onLinkClosed(error?: Error): void {
    this.lastError = this.connectionError(error)
    this.down()
  }

  private dial(): void {
    const { network, random, time, flusher, timers } = this.ports
    const hello: Hello = { ...this.hello(), nonce: random.bytes(NONCE_BYTES) }
    const handshake = new DiallerHandshake(hello, this.options.secret)
    this.handshake = handshake
    const handlers: ConnectionHandlers = {
      onOpen: () => {
        if (this.connection !== connection) return
        connection.write(Buffer.from(PREAMBLE))
        link.sendPacked(MessageType.HELLO, hello)
      },
      onData: (chunk) => link.receive(chunk),
      onDrain: () => link.onDrain(),
      onClose: (error) => link.onConnectionClosed(error),
    }
    const connection = network.dial(this.address, handlers)
    const { outputMaxBytes } = this.options.limits
    // Never paused: both sides might wait for each other, and silence would be taken for death.
    const limits = { outputMaxBytes, outputPauseBytes: Number.POSITIVE_INFINITY }
    const link = new Link(connection, time, flusher, limits, this)
    this.connection = connection
    this.link = link
    this.timer = timers.after(this.options.handshakeTimeoutMs, () => {
      if (this.connection !== connection || this.open) return
      link.destroy()
      this.onLinkClosed(new Error(`no answer within ${this.options.handshakeTimeoutMs} ms`))
    })
  }

  private onHandshakeMessage(type: number, body: Buffer): void {
    try {
      if (type === MessageType.GOODBYE) throw decodeGoodbye(body)
      const message = unpack(body)
      if (type === MessageType.CHALLENGE) {
        this.link!.sendPacked(MessageType.PROOF, this.handshake!.onChallenge(message))
      } else if (type === MessageType.WELCOME) {
        this.onWelcome(this.handshake!.onWelcome(message))
      } else {
        throw new CassioError('CASSIO_PROTOCOL', `unexpected message ${type} in the handshake`)
      }
    } catch (error) {
      this.lastError = this.connectionError(error)
      this.link?.destroy()
      this.down()
    }
  }

  private onWelcome(welcome: Welcome): void {
    const link = this.link!
    this.timer?.cancel()
    this.clock.reset()
    this.clock.observe(welcome.monotonicMs, this.ports.time.nowMs)
    link.reader.maxPayloadBytes = VALUE_BYTES_MAX + FRAME_OVERHEAD_BYTES
    this.nodeId = welcome.nodeId
    this.open = true
    this.lastError = undefined
    this.owner.onPeerOpen(this, welcome)
    if (!this.open) return
    // Only now: a peer that is refused each time it answers must not be dialled without pause.
    this.backoff.reset()
    // The WELCOME may have travelled slowly: a better reading of the peer's clock is wanted at once.
    this.ping(link, this.ports.time.nowMs)
    this.schedulePing(link)
  }

  private schedulePing(link: Link): void {
    this.timer = this.ports.timers.after(this.options.pingIntervalMs, () => {
      if (link.closed) return
      const now = this.ports.time.refresh()
      if (now - link.lastReceivedMs > this.options.silenceMaxMs) {
        link.destroy()
        this.onLinkClosed(new Error(`silent for ${this.options.silenceMaxMs} ms`))
        return
      }
      this.ping(link, now)
      this.schedulePing(link)
    })
  }

  private ping(link: Link, nowMs: number): void {
    const at = link.begin(MessageType.PING, 8)
    link.writer.buffer.writeDoubleBE(nowMs, at)
  }

  private onPong(buffer: Buffer, from: number, to: number): void {
    if (!this.open || to - from !== Pong.bytes) return
    const now = this.ports.time.nowMs
    this.clock.observe(buffer.readDoubleBE(from + Pong.monotonicMs), now)
  }

  private down(): void {
    const wasOpen = this.open
    this.open = false
    this.connection = undefined
    this.timer?.cancel()
    if (wasOpen) this.owner.onPeerLost(this)
    if (this.stopped) return
    if (!wasOpen) this.owner.onPeerUnreached(this)
    this.timer = this.ports.timers.after(this.backoff.next(), () => this.dial())
  }

  private connectionError(error: unknown): CassioError {
    if (error instanceof CassioError) return error
    const detail = error instanceof Error ? error.message : 'the connection was closed'
    return new CassioError('CASSIO_CONNECTION', detail, {}, { cause: error })
  }
}
