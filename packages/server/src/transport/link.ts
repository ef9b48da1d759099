import type { Connection } from '@cassiopeia/env'
import {
  CassioError,
  errorToWire,
  FrameReader,
  FrameWriter,
  HANDSHAKE_FRAME_BYTES,
  MessageType,
  Pong,
  pack,
} from '@cassiopeia/protocol'
import type { Flusher } from './flusher'
import type { LoopTime } from './loop-time'

/** The rest of the output is kept free for answers without a value, so that a refusal can be said. */
const VALUES_SHARE = 7 / 8

/** Who makes sense of a link's messages. */
export interface LinkOwner {
  onMessage(type: number, buffer: Buffer, from: number, to: number): void
  /** Once, whoever closed. */
  onLinkClosed(error?: Error): void
}

export interface LinkLimits {
  /** Output waiting beyond this pauses reading: who does not read is not served further. */
  readonly outputPauseBytes: number
  /** Output waiting beyond this drops the connection. */
  readonly outputMaxBytes: number
}

/**
 * One framed connection, dialled or accepted: cuts what arrives into messages, gathers what is sent
 * into one write per turn, and answers PING by itself.
 */
export class Link {
  readonly writer = new FrameWriter()
  readonly reader: FrameReader
  closed = false
  /**
   * Monotonic milliseconds of the last message that arrived whole. Bytes alone do not count: when the
   * length of a frame has been damaged, what follows is taken for its body, without end.
   */
  lastReceivedMs: number
  private flushRequested = false
  private pausedForOutput = false
  private pausedForInput = false

  constructor(
    readonly connection: Connection,
    private readonly time: LoopTime,
    private readonly flusher: Flusher,
    private readonly limits: LinkLimits,
    public owner: LinkOwner,
  ) {
    this.reader = new FrameReader(HANDSHAKE_FRAME_BYTES, this.dispatch)
    this.lastReceivedMs = time.nowMs
  }

  get remote(): string {
    return this.connection.remote
  }

  /** Bytes accepted for sending that the system has not taken yet. */
  get outputBytes(): number {
    return this.connection.bufferedBytes + this.writer.pendingBytes
  }

  /** Whether reading is stopped from this side. */
  get paused(): boolean {
    return this.pausedForInput || this.pausedForOutput
  }

  /**
   * Whether `bytes` more of output stay within the limit beyond which the connection would be dropped;
   * a message alone always does. Whoever answers asks before, since a turn may gather any number of
   * answers before they are written.
   */
  hasRoomFor(bytes: number): boolean {
    const waiting = this.outputBytes
    return waiting === 0 || waiting + bytes <= this.limits.outputMaxBytes * VALUES_SHARE
  }

  /** Bytes of frames, after the protocol's own preamble. */
  receive(chunk: Buffer): void {
    this.time.refresh()
    this.reader.push(chunk)
    const fault = this.reader.fault
    if (fault !== undefined) this.reject(new CassioError('CASSIO_PROTOCOL', fault))
  }

  /** @returns where the body of `bodyBytes` begins in `writer.buffer`; the caller fills all of it. */
  begin(type: number, bodyBytes: number): number {
    this.requestFlush()
    return this.writer.begin(type, bodyBytes)
  }

  send(type: number, body: Uint8Array): void {
    if (this.closed) return
    this.requestFlush()
    this.writer.write(type, body)
  }

  sendPacked(type: number, message: unknown): void {
    this.send(type, pack(message))
  }

  flush(): void {
    this.flushRequested = false
    if (this.closed) return
    for (const bytes of this.writer.take()) this.connection.write(bytes)
    const waiting = this.connection.bufferedBytes
    if (waiting > this.limits.outputMaxBytes) {
      this.owner.onLinkClosed(this.abandon('it does not read what it asked for'))
    } else if (waiting > this.limits.outputPauseBytes && !this.pausedForOutput) {
      this.pausedForOutput = true
      this.updateReading()
    }
  }

  onDrain(): void {
    this.pausedForOutput = false
    this.updateReading()
  }

  /** Stops or resumes reading because of what the sender already has in flight. */
  holdInput(hold: boolean): void {
    if (this.pausedForInput === hold || this.closed) return
    this.pausedForInput = hold
    this.updateReading()
  }

  /** Says why, then closes; the owner is not told. */
  goodbye(error: CassioError): void {
    if (this.closed) return
    this.writer.write(MessageType.GOODBYE, pack(errorToWire(error)))
    this.end()
  }

  /** The other side has done wrong: says so, closes, and tells the owner. */
  reject(error: CassioError): void {
    if (this.closed) return
    this.goodbye(error)
    this.owner.onLinkClosed(error)
  }

  /** Sends what is gathered, then closes; the owner is not told. */
  end(): void {
    if (this.closed) return
    for (const bytes of this.writer.take()) this.connection.write(bytes)
    this.shut()
    this.connection.end()
  }

  /** Closes at once; the owner is not told. */
  destroy(): void {
    if (this.closed) return
    this.shut()
    this.connection.destroy()
  }

  /** The connection has gone away by itself. */
  onConnectionClosed(error?: Error): void {
    if (this.closed) return
    this.shut()
    this.owner.onLinkClosed(error)
  }

  private abandon(reason: string): Error {
    this.destroy()
    return new Error(reason)
  }

  private shut(): void {
    this.closed = true
    this.reader.stop()
  }

  private updateReading(): void {
    if (this.pausedForInput || this.pausedForOutput) this.connection.pause()
    else this.connection.resume()
  }

  private requestFlush(): void {
    if (this.flushRequested) return
    this.flushRequested = true
    this.flusher.request(this)
  }

  private readonly dispatch = (type: number, buffer: Buffer, from: number, to: number): void => {
    this.lastReceivedMs = this.time.nowMs
    if (type !== MessageType.PING) {
      this.owner.onMessage(type, buffer, from, to)
    } else if (to - from === 8) {
      const at = this.begin(MessageType.PONG, Pong.bytes)
      const pong = this.writer.buffer
      buffer.copy(pong, at + Pong.token, from, to)
      pong.writeDoubleBE(this.time.nowMs, at + Pong.monotonicMs)
      pong.writeDoubleBE(this.time.hybridMs(), at + Pong.hybridMs)
    }
  }
}
