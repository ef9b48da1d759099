import type { Connection, Ports, Timer } from '@cassiopeia/env'
import {
  CassioError,
  DiallerHandshake,
  decodeGoodbye,
  FRAME_OVERHEAD_BYTES,
  FrameReader,
  FrameWriter,
  HANDSHAKE_FRAME_BYTES,
  MessageType,
  NONCE_BYTES,
  Pong,
  PREAMBLE,
  PROTOCOL_VERSION,
  pack,
  RemoteClock,
  unpack,
  VALUE_BYTES_MAX,
  type Welcome,
} from '@cassiopeia/protocol'
import { protocolError } from './answers'
import type { Attempt } from './operation'
import { encodeRequest } from './request-encoder'
import { RequestTable } from './request-table'
import { hedgeDelay, usualLatency } from './retry-policy'
import { type HybridReading, NOTHING_HEARD, nextReading } from './stamp-floor'

/** From dialling to WELCOME. */
const HANDSHAKE_TIMEOUT_MS = 5_000
/** A connection that owes an answer and stays silent this long is given up. */
const SILENCE_MAX_MS = 10_000
/** A frame once begun must be whole within this. */
const FRAME_ASSEMBLY_MAX_MS = 10_000
/** A PONG that took longer may have lain in our own socket while this process was busy. */
const PONG_DOUBT_MS = 100
const ANSWER_ID_BYTES = 4

/** Who is told what happens on a connection. */
export interface ConnectionOwner {
  onReady(connection: NodeConnection, welcome: Welcome): void
  /** The node has answered a PING: it is more than an open port. */
  onAlive(connection: NodeConnection): void
  /** Something waits for `flush`; once per flush. */
  onOutput(connection: NodeConnection): void
  /** Gives the attempt its `deadlineMs`, right before it leaves. */
  onSend(attempt: Attempt, nowMs: number): void
  /** FOUND, NOT_FOUND, WRITTEN, RESULT or FAULT. What it throws closes the connection. */
  onAnswer(attempt: Attempt, type: number, buffer: Buffer, from: number, to: number): void
  /** Once. `lost` is what was still out, sent or not. */
  onClosed(connection: NodeConnection, error: CassioError, lost: Attempt[]): void
}

export interface ConnectionSettings {
  readonly secret: string | undefined
  readonly hedgeAfterMs: number
  readonly sendBufferMaxBytes: number
}

/**
 * One link to one node: dials, shakes hands, sends what has gathered in one write a turn, finds the
 * request of each answer, and notices when the node has gone silent.
 */
export class NodeConnection {
  state: 'opening' | 'ready' | 'closed' = 'opening'
  /** Known once ready. */
  nodeId = ''
  /** Empty while the node's cluster has not formed. */
  clusterId = ''
  maxValueBytes = VALUE_BYTES_MAX
  /** Requests waiting or sent, and not answered. */
  inFlight = 0
  /** When the last bytes arrived; the clock that answers are timed by. */
  receivedMs = 0
  /** What the node's hybrid time was at most, when we heard of it last. */
  hybrid: HybridReading = NOTHING_HEARD
  readLatencyMs = 0
  writeLatencyMs = 0

  private readonly connection: Connection
  private readonly handshake: DiallerHandshake
  private readonly handshakeTimer: Timer
  private readonly writer = new FrameWriter()
  private readonly reader: FrameReader
  private readonly requests = new RequestTable<Attempt>()
  private readonly remoteClock = new RemoteClock()
  private queue: Attempt[] = []
  private queuedBytes = 0
  private openedMs = 0
  private outputAnnounced = false
  /** Since when the node owes us bytes: the later of the last ones and the first thing sent since. */
  private owedSinceMs = Number.POSITIVE_INFINITY
  private pingToken = 0
  private pingPending = false
  private pingSentMs = 0
  private pongDoubted = false
  private assembling = { frames: 0, sinceMs: Number.POSITIVE_INFINITY }
  private failure: CassioError | undefined

  constructor(
    readonly address: string,
    target: { host: string; port: number },
    private readonly ports: Pick<Ports, 'clock' | 'timers' | 'random' | 'network'>,
    private readonly settings: ConnectionSettings,
    private readonly owner: ConnectionOwner,
  ) {
    const nonce = ports.random.bytes(NONCE_BYTES)
    const hello = { protocol: PROTOCOL_VERSION, role: 'client' as const, nonce }
    this.handshake = new DiallerHandshake(hello, settings.secret)
    this.reader = new FrameReader(HANDSHAKE_FRAME_BYTES, this.onMessage)
    this.handshakeTimer = ports.timers.after(HANDSHAKE_TIMEOUT_MS, () => {
      this.close(this.connectionError(`no answer within ${HANDSHAKE_TIMEOUT_MS} ms`))
    })
    this.connection = ports.network.dial(target, {
      onOpen: () => this.onOpen(),
      onData: (chunk) => this.onData(chunk),
      onClose: (error) => this.onClose(error),
    })
  }

  /** Whether it owes nothing, or has not owed it for long. */
  isResponsive(nowMs: number): boolean {
    return nowMs - this.owedSinceMs <= this.patienceMs
  }

  /** How long silence is ordinary. */
  get patienceMs(): number {
    return hedgeDelay(this.settings.hedgeAfterMs, Math.max(this.readLatencyMs, this.writeLatencyMs))
  }

  hasRoomFor(bytes: number): boolean {
    const waiting = this.queuedBytes + this.connection.bufferedBytes
    return waiting === 0 || waiting + bytes <= this.settings.sendBufferMaxBytes
  }

  enqueue(attempt: Attempt): void {
    this.inFlight += 1
    this.queuedBytes += attempt.operation.bytes
    this.queue.push(attempt)
    this.announceOutput()
  }

  /** The attempt's answer, should it come, is not wanted any more. */
  forget(attempt: Attempt): void {
    if (attempt.isOver) return
    attempt.isOver = true
    this.inFlight -= 1
    if (attempt.isSent) this.requests.take(attempt.id)
  }

  /** Asks for a sign of life, unless one is awaited already. */
  ping(): void {
    if (this.pingPending || this.state !== 'ready') return
    this.pingPending = true
    this.pingSentMs = this.ports.clock.monotonicMs()
    this.pingToken += 1
    const at = this.writer.begin(MessageType.PING, 8)
    this.writer.buffer.writeDoubleBE(this.pingToken, at)
    this.announceOutput()
  }

  /** Sends what has gathered during this turn. */
  flush(nowMs: number, epoch: number): void {
    this.outputAnnounced = false
    if (this.state === 'closed') return
    const { queue } = this
    this.queue = []
    this.queuedBytes = 0
    for (const attempt of queue) if (!attempt.isOver) this.send(attempt, nowMs, epoch)
    const output = this.writer.take()
    for (const bytes of output) this.connection.write(bytes)
    if (output.length > 0) this.owedSinceMs = Math.min(this.owedSinceMs, nowMs)
  }

  /** Every second: a ping, or the end of a connection that has been silent too long. */
  tick(nowMs: number): void {
    if (this.state !== 'ready') return
    const { assembling, reader } = this
    if (!reader.assembling || reader.frames !== assembling.frames) {
      assembling.frames = reader.frames
      assembling.sinceMs = nowMs
    }
    if (nowMs - assembling.sinceMs > FRAME_ASSEMBLY_MAX_MS) {
      this.close(protocolError(`a frame was not whole after ${FRAME_ASSEMBLY_MAX_MS} ms`))
    } else if (nowMs - this.owedSinceMs > SILENCE_MAX_MS) {
      this.close(this.connectionError(`silent for more than ${SILENCE_MAX_MS} ms`))
    } else {
      this.ping()
    }
  }

  /** Of answers only: how long a stopped node keeps silent says nothing of its usual pace. */
  observeLatency(attempt: Attempt, nowMs: number): void {
    const measuredMs = nowMs - attempt.sentMs
    if (attempt.operation.body.type === MessageType.GET) {
      this.readLatencyMs = usualLatency(this.readLatencyMs, measuredMs)
    } else if (attempt.operation.isWrite) {
      this.writeLatencyMs = usualLatency(this.writeLatencyMs, measuredMs)
    }
  }

  /** Idempotent; the owner is told, later. */
  close(error: CassioError): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.failure = error
    this.handshakeTimer.cancel()
    this.reader.stop()
    this.connection.destroy()
  }

  private send(attempt: Attempt, nowMs: number, epoch: number): void {
    attempt.isSent = true
    attempt.sentMs = nowMs
    attempt.epoch = epoch
    this.owner.onSend(attempt, nowMs)
    attempt.id = this.requests.add(attempt)
    encodeRequest(this.writer, attempt, this.remoteClock.at(attempt.deadlineMs))
  }

  private announceOutput(): void {
    if (this.outputAnnounced) return
    this.outputAnnounced = true
    this.owner.onOutput(this)
  }

  private onOpen(): void {
    if (this.state !== 'opening') return
    this.openedMs = this.ports.clock.monotonicMs()
    this.writer.write(MessageType.HELLO, pack(this.handshake.hello))
    this.connection.write(Buffer.concat([PREAMBLE, ...this.writer.take()]))
  }

  private onData(chunk: Buffer): void {
    if (this.state === 'closed') return
    this.receivedMs = this.ports.clock.monotonicMs()
    try {
      this.reader.push(chunk)
    } catch (error) {
      this.close(error instanceof CassioError ? error : this.brokenInvariant(error))
      return
    }
    const { fault, frames } = this.reader
    if (fault !== undefined) {
      // Not even its first frame makes sense: this is no damage, it is another kind of server.
      const isStranger = `${this.address} does not speak Cassiopeia's protocol`
      this.close(protocolError(frames === 0 ? isStranger : `${this.address}: ${fault}`))
    }
    const owes = this.inFlight > 0 || this.pingPending
    this.owedSinceMs = owes ? this.receivedMs : Number.POSITIVE_INFINITY
  }

  private readonly onMessage = (type: number, buffer: Buffer, from: number, to: number): void => {
    if (this.state === 'closed') return
    if (type === MessageType.GOODBYE) {
      this.close(decodeGoodbye(buffer.subarray(from, to)))
    } else if (this.state === 'opening') {
      this.onHandshakeMessage(type, buffer.subarray(from, to))
    } else {
      this.onReadyMessage(type, buffer, from, to)
    }
  }

  private onHandshakeMessage(type: number, body: Buffer): void {
    if (type === MessageType.CHALLENGE) {
      const proof = this.handshake.onChallenge(readPacked(body))
      this.writer.write(MessageType.PROOF, pack(proof))
      for (const bytes of this.writer.take()) this.connection.write(bytes)
    } else if (type === MessageType.WELCOME) {
      this.onWelcome(this.handshake.onWelcome(readPacked(body)))
    } else {
      throw protocolError(`message ${type} during the handshake`)
    }
  }

  private onWelcome(welcome: Welcome): void {
    const { maxValueBytes, epoch, monotonicMs, hybridMs } = welcome
    const isSound =
      Number.isInteger(maxValueBytes) &&
      maxValueBytes > 0 &&
      maxValueBytes <= VALUE_BYTES_MAX &&
      Number.isInteger(epoch) &&
      Number.isFinite(monotonicMs + hybridMs)
    if (!isSound) throw protocolError('the WELCOME is malformed')
    this.handshakeTimer.cancel()
    this.state = 'ready'
    this.nodeId = welcome.nodeId
    this.clusterId = welcome.clusterId
    this.maxValueBytes = maxValueBytes
    // Maps and pages may be larger than the node's largest value, so this is the format's limit.
    this.reader.maxPayloadBytes = VALUE_BYTES_MAX + FRAME_OVERHEAD_BYTES
    this.remoteClock.observe(monotonicMs, this.receivedMs)
    this.hear(hybridMs, this.openedMs)
    this.owner.onReady(this, welcome)
    this.ping()
  }

  private onReadyMessage(type: number, buffer: Buffer, from: number, to: number): void {
    switch (type) {
      case MessageType.FOUND:
      case MessageType.NOT_FOUND:
      case MessageType.WRITTEN:
      case MessageType.RESULT:
      case MessageType.FAULT: {
        if (to - from < ANSWER_ID_BYTES) throw protocolError('an answer without an id')
        const attempt = this.requests.take(buffer.readUInt32BE(from))
        // Late, and given up before; or never asked for. Either way nobody waits for it.
        if (attempt === undefined) return
        attempt.isOver = true
        this.inFlight -= 1
        this.owner.onAnswer(attempt, type, buffer, from, to)
        return
      }
      case MessageType.PONG:
        this.onPong(buffer, from, to)
        return
      case MessageType.PING:
        if (to - from === 8) this.answerPing(buffer, from, to)
        return
      default:
        throw protocolError(`unexpected message ${type}`)
    }
  }

  private onPong(buffer: Buffer, from: number, to: number): void {
    const isWhole = to - from === Pong.bytes
    const remoteMs = isWhole ? buffer.readDoubleBE(from + Pong.monotonicMs) : Number.NaN
    const hybridMs = isWhole ? buffer.readDoubleBE(from + Pong.hybridMs) : Number.NaN
    if (!Number.isFinite(remoteMs + hybridMs)) throw protocolError('the PONG is malformed')
    if (!this.pingPending || buffer.readDoubleBE(from) !== this.pingToken) return
    this.pingPending = false
    this.hear(hybridMs, this.pingSentMs)
    this.owner.onAlive(this)
    this.observeRemote(remoteMs)
  }

  /**
   * A reading that is older than it seems makes all deadlines too early, and the node would drop what
   * we send. So a slow one is not believed, unless the next one is slow as well: then it is the way.
   */
  private observeRemote(remoteMs: number): void {
    const isSlow = this.receivedMs - this.pingSentMs > PONG_DOUBT_MS
    this.pongDoubted = isSlow && !this.pongDoubted
    if (this.pongDoubted) this.ping()
    else this.remoteClock.observe(remoteMs, this.receivedMs)
  }

  /** @param askedMs The node has answered something that was sent then. */
  private hear(hybridMs: number, askedMs: number): void {
    const { receivedMs } = this
    this.hybrid = nextReading(this.hybrid, hybridMs, receivedMs - askedMs, receivedMs)
  }

  private answerPing(buffer: Buffer, from: number, to: number): void {
    const at = this.writer.begin(MessageType.PONG, Pong.bytes)
    const pong = this.writer.buffer
    buffer.copy(pong, at + Pong.token, from, to)
    pong.writeDoubleBE(this.receivedMs, at + Pong.monotonicMs)
    pong.writeDoubleBE(0, at + Pong.hybridMs)
    this.announceOutput()
  }

  private onClose(error?: Error): void {
    this.close(this.connectionError(describeClose(error, this.state), error))
    const lost = [...this.requests.takeAll(), ...this.queue.filter((attempt) => !attempt.isOver)]
    for (const attempt of lost) attempt.isOver = true
    this.queue = []
    this.inFlight = 0
    this.owner.onClosed(this, this.failure!, lost)
  }

  private connectionError(message: string, cause?: Error): CassioError {
    return new CassioError(
      'CASSIO_CONNECTION',
      `${this.address}: ${message}`,
      {},
      cause === undefined ? undefined : { cause },
    )
  }

  private brokenInvariant(cause: unknown): CassioError {
    return new CassioError('CASSIO_INTERNAL', 'reading an answer failed', {}, { cause })
  }
}

function readPacked(body: Buffer): unknown {
  try {
    return unpack(body)
  } catch (cause) {
    throw protocolError('a handshake message cannot be read', cause)
  }
}

function describeClose(error: Error | undefined, state: NodeConnection['state']): string {
  const code = (error as { code?: unknown } | undefined)?.code
  if (typeof code === 'string') return code
  if (error !== undefined) return error.message
  return state === 'opening'
    ? 'the node closed the connection before the handshake was done'
    : 'the node closed the connection'
}
