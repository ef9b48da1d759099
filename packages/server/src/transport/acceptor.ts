import type {
  Address,
  Connection,
  Listener,
  Logger,
  Network,
  Random,
  Timer,
  Timers,
} from '@cassiopeia/env'
import {
  AcceptorHandshake,
  CassioError,
  FRAME_OVERHEAD_BYTES,
  formatAddress,
  type Hello,
  MessageType,
  NONCE_BYTES,
  PREAMBLE,
  unpack,
  VALUE_BYTES_MAX,
  type Welcome,
} from '@cassiopeia/protocol'
import type { Flusher } from './flusher'
import { Link, type LinkLimits, type LinkOwner } from './link'
import type { LoopTime } from './loop-time'

/** What the transport needs of the world, and what a node's links share. */
export interface TransportPorts {
  readonly network: Network
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly time: LoopTime
  readonly flusher: Flusher
}

export interface AcceptorOptions {
  readonly nodeId: string
  readonly secret: string | undefined
  readonly connectionsMax: number
  readonly handshakeTimeoutMs: number
  readonly frameTimeoutMs: number
  readonly maxValueBytes: number
  readonly limits: LinkLimits
}

export interface AcceptorOwner {
  /** Proven to be who it says. A CassioError thrown here is told to the caller, who is then cut off. */
  welcome(hello: Hello): Welcome
  /** @returns who takes the link's messages from now on. */
  adopt(link: Link, hello: Hello): LinkOwner
}

/** Elements and depth that a stranger's handshake may have. */
const HANDSHAKE_LIMITS = { elementsMax: 64, depthMax: 4 }

/**
 * Times `frameTimeoutMs` in which a caller may take nothing of what it asked for. More patience than
 * with frames: the system may report a batch of output as taken only once all of it is.
 */
const STALLED_CHECKS_MAX = 6

/**
 * The node's one port: takes connections within its limits, tells protocols apart by the first byte,
 * and hands a link over once its handshake is done.
 */
export class Acceptor {
  private readonly guests = new Set<Guest>()
  private listener: Listener | undefined
  private closed = false

  constructor(
    private readonly owner: AcceptorOwner,
    readonly options: AcceptorOptions,
    readonly ports: TransportPorts,
  ) {}

  /** Connections now, whatever their state. */
  get size(): number {
    return this.guests.size
  }

  /** @throws CassioError CASSIO_ADDRESS_IN_USE, CASSIO_CONFIG. */
  async listen(address: Address): Promise<Address> {
    try {
      this.listener = await this.ports.network.listen(address, (connection) =>
        this.take(connection),
      )
    } catch (error) {
      const where = formatAddress(address)
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
        throw new CassioError('CASSIO_ADDRESS_IN_USE', `${where} is taken by another process`)
      }
      const detail = error instanceof Error ? error.message : String(error)
      throw new CassioError('CASSIO_CONFIG', `cannot listen on ${where}: ${detail}`)
    }
    return this.listener.address
  }

  async close(): Promise<void> {
    this.closed = true
    await this.listener?.close()
    for (const guest of this.guests) guest.leave()
  }

  forget(guest: Guest): void {
    this.guests.delete(guest)
  }

  welcome(hello: Hello): Welcome {
    return this.owner.welcome(hello)
  }

  adopt(link: Link, hello: Hello): LinkOwner {
    return this.owner.adopt(link, hello)
  }

  private take(connection: Connection): void {
    if (this.closed) {
      connection.destroy()
    } else if (this.guests.size >= this.options.connectionsMax) {
      this.ports.logger.warn('connection refused: too many', { remote: connection.remote })
      connection.setHandlers({ onData() {}, onClose() {} })
      connection.destroy()
    } else {
      this.guests.add(new Guest(connection, this))
    }
  }
}

/** One accepted connection: preamble, then handshake, then a link in somebody's hands. */
class Guest implements LinkOwner {
  private readonly link: Link
  private readonly handshake: AcceptorHandshake
  private preambleBytes = 0
  private successor: LinkOwner | undefined
  private framesAtLastCheck = -1
  private outputAtLastCheck = 0
  private stalledChecks = 0
  private timer: Timer

  constructor(
    private readonly connection: Connection,
    private readonly acceptor: Acceptor,
  ) {
    const { options, ports } = acceptor
    this.link = new Link(connection, ports.time, ports.flusher, options.limits, this)
    const nonce = ports.random.bytes(NONCE_BYTES)
    this.handshake = new AcceptorHandshake(options.nodeId, options.secret, nonce)
    connection.setHandlers({
      onData: (chunk) => this.receive(chunk),
      onDrain: () => this.link.onDrain(),
      onClose: (error) => {
        this.link.onConnectionClosed(error)
        // Only now: until then it counts, also while it waits for the other side's end.
        acceptor.forget(this)
      },
    })
    this.timer = ports.timers.after(options.handshakeTimeoutMs, () => this.checkHandshake())
  }

  /** The node is stopping. */
  leave(): void {
    this.link.goodbye(new CassioError('CASSIO_CLOSED', 'the node is stopping'))
    this.onLinkClosed()
  }

  onMessage(type: number, buffer: Buffer, from: number, to: number): void {
    try {
      const message = unpack(buffer.subarray(from, to), HANDSHAKE_LIMITS)
      if (type === MessageType.HELLO) {
        this.link.sendPacked(MessageType.CHALLENGE, this.handshake.onHello(message))
      } else if (type === MessageType.PROOF) {
        this.admit(this.handshake.onProof(message))
      } else {
        throw new CassioError('CASSIO_PROTOCOL', 'the handshake comes first')
      }
    } catch (error) {
      this.refuse(
        error instanceof CassioError
          ? error
          : new CassioError('CASSIO_PROTOCOL', 'the handshake cannot be read'),
      )
    }
  }

  onLinkClosed(error?: Error): void {
    this.timer.cancel()
    this.successor?.onLinkClosed(error)
    this.successor = undefined
  }

  private receive(chunk: Buffer): void {
    const rest = this.preambleBytes < PREAMBLE.length ? this.readPreamble(chunk) : chunk
    if (rest.length > 0) this.link.receive(rest)
  }

  /** @returns what follows the preamble in the chunk; nothing when the caller is no friend. */
  private readPreamble(chunk: Buffer): Buffer {
    let at = 0
    while (at < chunk.length && this.preambleBytes < PREAMBLE.length) {
      if (chunk[at] !== PREAMBLE[this.preambleBytes]) {
        this.turnAway(chunk)
        return chunk.subarray(chunk.length)
      }
      at += 1
      this.preambleBytes += 1
    }
    return chunk.subarray(at)
  }

  /** Answers people who came with another protocol in words that their tools will show. */
  private turnAway(chunk: Buffer): void {
    const text = "this port speaks Cassiopeia's native protocol; use the cassio command or the SDK"
    const isHttp = /^(GET|PUT|POST|HEAD|DELETE|OPTIONS|PATCH) /.test(chunk.toString('latin1', 0, 8))
    const answer = isHttp
      ? `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${text.length + 1}\r\n` +
        `Connection: close\r\n\r\n${text}\n`
      : `-ERR CASSIO_PROTOCOL ${text}\r\n`
    this.connection.write(Buffer.from(answer))
    this.link.end()
    this.onLinkClosed()
  }

  private admit(hello: Hello): void {
    const { options, ports } = this.acceptor
    const welcome = this.acceptor.welcome(hello)
    // A peer may pass on what was written under another limit.
    const valueBytes = hello.role === 'peer' ? VALUE_BYTES_MAX : options.maxValueBytes
    this.link.reader.maxPayloadBytes = valueBytes + FRAME_OVERHEAD_BYTES
    this.link.sendPacked(MessageType.WELCOME, welcome)
    const successor = this.acceptor.adopt(this.link, hello)
    this.successor = successor
    this.link.owner = {
      onMessage: (type, buffer, from, to) => successor.onMessage(type, buffer, from, to),
      onLinkClosed: (error) => this.onLinkClosed(error),
    }
    this.timer.cancel()
    this.timer = ports.timers.after(options.frameTimeoutMs, () => this.checkProgress())
  }

  private checkHandshake(): void {
    if (this.successor !== undefined || this.link.closed) return
    this.refuse(new CassioError('CASSIO_PROTOCOL', 'the handshake took too long'))
  }

  /**
   * A frame that was already begun at the last check and is not whole yet has had its time, unless it
   * was this side that stopped reading. So has a caller that takes nothing of too much output.
   */
  private checkProgress(): void {
    const { reader, paused, outputBytes, closed } = this.link
    if (closed) return
    const { options, ports } = this.acceptor
    const isStalled =
      outputBytes > options.limits.outputPauseBytes && outputBytes >= this.outputAtLastCheck
    this.stalledChecks = isStalled ? this.stalledChecks + 1 : 0
    if (this.stalledChecks > STALLED_CHECKS_MAX) {
      ports.logger.warn('connection dropped: it does not read', { remote: this.link.remote })
      this.link.destroy()
      this.onLinkClosed(new Error('it does not read what it asked for'))
      return
    }
    if (!paused && reader.assembling && reader.frames === this.framesAtLastCheck) {
      this.refuse(new CassioError('CASSIO_PROTOCOL', 'a frame took too long to arrive'))
      return
    }
    this.outputAtLastCheck = outputBytes
    this.framesAtLastCheck = reader.assembling && !paused ? reader.frames : -1
    this.timer = ports.timers.after(options.frameTimeoutMs, () => this.checkProgress())
  }

  private refuse(error: CassioError): void {
    const { logger } = this.acceptor.ports
    logger.info('connection refused', { remote: this.link.remote, reason: error.message })
    this.link.reject(error)
  }
}
