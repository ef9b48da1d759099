import { crc32 } from './checksum'

/**
 * A frame carries the messages that one side wrote in one turn:
 *
 *   0  u32  payload length
 *   4  u32  sequence: 1 for the first frame of a connection's direction, then rising
 *   8  u32  CRC-32 of the payload, seeded with the sequence
 *  12  payload: messages, each u32 body length, u8 type, body
 *
 * A frame whose sequence is not above the last one is dropped: a repeated or overtaken frame must
 * never be acted on twice. Big-endian. @see docs/formats/wire.md
 */
export const FRAME_HEADER_BYTES = 12
export const MESSAGE_HEADER_BYTES = 5
/** What a dialler sends first; no RESP or HTTP client begins with 0xCA. */
export const PREAMBLE = Buffer.from([0xca, 0x55, 0x10, 0x01])

/** Bytes of frames that a writer gathers into one buffer; larger messages get one of their own. */
const CHUNK_BYTES = 64 * 1024
/** A frame is closed when its payload passes this, so that a reader can begin before all is sent. */
const FRAME_TARGET_BYTES = 256 * 1024

/** Gathers messages into frames. The buffers that `take` returns are never touched again. */
export class FrameWriter {
  /** Where `begin` made room; valid until the next call of `begin` or `take`. */
  buffer: Buffer = EMPTY
  private at = 0
  private frameAt = -1
  private sequence = 0
  private sealed: Buffer[] = []
  private sealedBytes = 0

  /** Bytes gathered and not yet taken. */
  get pendingBytes(): number {
    return this.sealedBytes + (this.frameAt < 0 ? 0 : this.at - this.frameAt)
  }

  /**
   * Makes room for one message.
   * @returns where its body of `bodyBytes` begins in `buffer`; the caller fills all of it.
   */
  begin(type: number, bodyBytes: number): number {
    const messageBytes = MESSAGE_HEADER_BYTES + bodyBytes
    if (this.at + messageBytes > this.buffer.length || this.frameIsFull()) {
      this.seal()
      this.makeRoom(FRAME_HEADER_BYTES + messageBytes)
    }
    if (this.frameAt < 0) {
      this.makeRoom(FRAME_HEADER_BYTES + messageBytes)
      this.frameAt = this.at
      this.at += FRAME_HEADER_BYTES
    }
    const body = this.at + MESSAGE_HEADER_BYTES
    this.buffer.writeUInt32BE(bodyBytes, this.at)
    this.buffer[this.at + 4] = type
    this.at = body + bodyBytes
    return body
  }

  /** One message whose body exists already; it is copied. */
  write(type: number, body: Uint8Array): void {
    const at = this.begin(type, body.length)
    this.buffer.set(body, at)
  }

  /** Ends the frame and hands over what was gathered, in order; empty when there is nothing. */
  take(): Buffer[] {
    this.seal()
    const taken = this.sealed
    this.sealed = []
    this.sealedBytes = 0
    return taken
  }

  private frameIsFull(): boolean {
    return this.frameAt >= 0 && this.at - this.frameAt > FRAME_TARGET_BYTES
  }

  private makeRoom(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    this.buffer = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes))
    this.at = 0
  }

  private seal(): void {
    if (this.frameAt < 0) return
    const frame = this.buffer.subarray(this.frameAt, this.at)
    this.frameAt = -1
    this.sequence = (this.sequence + 1) >>> 0
    frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 0)
    frame.writeUInt32BE(this.sequence, 4)
    frame.writeUInt32BE(crc32(frame.subarray(FRAME_HEADER_BYTES), this.sequence), 8)
    this.sealed.push(frame)
    this.sealedBytes += frame.length
  }
}

const EMPTY = Buffer.alloc(0)

/**
 * Receives messages as they arrive. `body` is `buffer[from..to)`; the buffer is the receiver's to
 * keep and to change, but other messages lie around it.
 */
export type MessageSink = (type: number, buffer: Buffer, from: number, to: number) => void

/** Cuts a stream of bytes into messages. After a fault it stays silent; close the connection. */
export class FrameReader {
  /** What is wrong with the stream, once something is. */
  fault: string | undefined
  /** Whole frames read so far; with `assembling` it shows a sender that never finishes one. */
  frames = 0
  private sequence = 0
  private stopped = false
  private partial: Buffer = EMPTY
  private partialBytes = 0

  /** @param maxPayloadBytes Checked before anything is allocated; may be raised after a handshake. */
  constructor(
    public maxPayloadBytes: number,
    private readonly sink: MessageSink,
  ) {}

  /** Whether part of a frame has arrived. */
  get assembling(): boolean {
    return this.partialBytes > 0
  }

  /** Bytes held for a frame that is not whole yet. */
  get heldBytes(): number {
    return this.partial.length
  }

  /** No further message is handed out, even of a frame that is being read. */
  stop(): void {
    this.stopped = true
    this.partial = EMPTY
    this.partialBytes = 0
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.stopped) {
      at = this.partialBytes > 0 ? this.continueFrame(chunk, at) : this.startFrame(chunk, at)
    }
  }

  private startFrame(chunk: Buffer, at: number): number {
    const left = chunk.length - at
    if (left >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + chunk.readUInt32BE(at)
      if (!this.lengthIsSound(chunk, at)) return chunk.length
      if (end <= chunk.length) {
        this.readFrame(chunk, at, end)
        return end
      }
    }
    this.keep(chunk, at, chunk.length)
    return chunk.length
  }

  private continueFrame(chunk: Buffer, at: number): number {
    if (this.partialBytes < FRAME_HEADER_BYTES) {
      const to = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.partialBytes)
      this.keep(chunk, at, to)
      if (this.partialBytes < FRAME_HEADER_BYTES) return to
      if (!this.lengthIsSound(this.partial, 0)) return chunk.length
      if (this.partial.readUInt32BE(0) > 0) return to
      at = to
    }
    const frameBytes = FRAME_HEADER_BYTES + this.partial.readUInt32BE(0)
    const to = Math.min(chunk.length, at + frameBytes - this.partialBytes)
    this.keep(chunk, at, to)
    if (this.partialBytes < frameBytes) return to
    const frame = this.partial
    this.partial = EMPTY
    this.partialBytes = 0
    this.readFrame(frame, 0, frameBytes)
    return to
  }

  private lengthIsSound(bytes: Buffer, at: number): boolean {
    const length = bytes.readUInt32BE(at)
    if (length <= this.maxPayloadBytes) return true
    this.fail(`a frame of ${length} bytes is over the limit of ${this.maxPayloadBytes}`)
    return false
  }

  /**
   * Memory grows with the bytes that have come, doubling, never to the length that was announced: a
   * stranger who declares 16 MiB and sends nothing costs nothing.
   */
  private keep(chunk: Buffer, from: number, to: number): void {
    const needed = this.partialBytes + to - from
    if (needed > this.partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(512, needed, this.partial.length * 2))
      this.partial.copy(grown, 0, 0, this.partialBytes)
      this.partial = grown
    }
    chunk.copy(this.partial, this.partialBytes, from, to)
    this.partialBytes = needed
  }

  private readFrame(buffer: Buffer, at: number, end: number): void {
    const sequence = buffer.readUInt32BE(at + 4)
    const payload = buffer.subarray(at + FRAME_HEADER_BYTES, end)
    if (crc32(payload, sequence) !== buffer.readUInt32BE(at + 8)) {
      this.fail('a frame fails its checksum')
      return
    }
    // Serial arithmetic, so that the number may wrap on a connection that lives for years.
    if (((sequence - this.sequence) | 0) <= 0) return
    this.sequence = sequence
    this.frames += 1
    this.readMessages(buffer, at + FRAME_HEADER_BYTES, end)
  }

  private readMessages(buffer: Buffer, at: number, end: number): void {
    while (at < end && !this.stopped) {
      const body = at + MESSAGE_HEADER_BYTES
      const next = body <= end ? body + buffer.readUInt32BE(at) : end + 1
      if (next > end) {
        this.fail('a message is longer than its frame')
        return
      }
      this.sink(buffer[at + 4]!, buffer, body, next)
      at = next
    }
  }

  private fail(fault: string): void {
    this.fault = fault
    this.stop()
  }
}
