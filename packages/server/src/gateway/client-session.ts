import { partitionOf } from '@cassiopeia/placement'
import {
  Call,
  CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  type ConsistencyCode,
  cellExpiryMs,
  cellFault,
  cellFlags,
  cellKeyLength,
  cellSize,
  decodeCall,
  EXPIRY_MS_MAX,
  encodeFault,
  Found,
  isConsistencyCode,
  KEY_BYTES_MAX,
  keyHash,
  MessageType,
  NotFound,
  Request,
  STAMP_BYTES,
  setCellExpiryMs,
  WRITTEN_SUPERSEDED,
  Written,
} from '@cassiopeia/protocol'
import type { Coordinator } from '../coordinator/coordinator'
import type { Requester } from '../coordinator/operation'
import type { Counters } from '../metrics'
import type { Link, LinkOwner } from '../transport/link'
import { answerCall } from '../transport/peer-session'

/** What a client's session needs of its node. */
export interface ClientSessionOwner {
  readonly coordinator: Coordinator
  readonly counters: Counters
  readonly maxValueBytes: number
  readonly connectionBytesMax: number
  /** 0 until the cluster has formed. */
  readonly epoch: number
  wallMs(): number
  nowMs(): number
  /** Why no request can be served yet. */
  notFormed(): CassioError
  onClientCall(method: string, params: unknown, deadlineMs: number): Promise<unknown>
  onClientClosed(session: ClientSession): void
}

/** No request may wait longer; a deadline beyond is taken for this. As in the client's options. */
const REQUEST_MS_MAX = 600_000
/** Control calls in flight on one connection; each may hold a page of a scan. */
const CALLS_MAX = 256

/** One client's native connection: decodes its requests, encodes the answers. */
export class ClientSession implements LinkOwner, Requester {
  /** Bytes of the requests in flight, by what they cost in memory. */
  private bytesInFlight = 0
  private readonly requestBytes = new Map<number, number>()
  private calls = 0

  constructor(
    private readonly link: Link,
    private readonly owner: ClientSessionOwner,
  ) {}

  onMessage(type: number, buffer: Buffer, from: number, to: number): void {
    if (type === MessageType.GET) this.onGet(buffer, from, to)
    else if (type === MessageType.PUT) this.onPut(buffer, from, to)
    else if (type === MessageType.CALL) this.onCall(buffer.subarray(from, to))
    else this.abandon(`unexpected message ${type}`)
  }

  onLinkClosed(): void {
    this.owner.onClientClosed(this)
  }

  onWritten(
    token: number,
    acknowledged: number,
    required: number,
    superseded: boolean,
    stamps: Buffer,
    stampAt: number,
  ): void {
    if (!this.settle(token)) return
    const at = this.link.begin(MessageType.WRITTEN, Written.bytes)
    const { buffer } = this.link.writer
    buffer.writeUInt32BE(token, at + Written.id)
    buffer[at + Written.acknowledged] = acknowledged
    buffer[at + Written.required] = required
    buffer[at + Written.flags] = superseded ? WRITTEN_SUPERSEDED : 0
    stamps.copy(buffer, at + Written.stamp, stampAt, stampAt + STAMP_BYTES)
  }

  onFound(token: number, cell: Buffer, cellAt: number): void {
    if (!this.settle(token)) return
    const size = cellSize(cell, cellAt)
    if (!this.link.hasRoomFor(size)) {
      this.refuse(token, 'CASSIO_OVERLOADED', 'answers that were not read yet are waiting')
      return
    }
    const at = this.link.begin(MessageType.FOUND, Found.cell + size)
    const { buffer } = this.link.writer
    buffer.writeUInt32BE(token, at + Found.id)
    cell.copy(buffer, at + Found.cell, cellAt, cellAt + size)
  }

  onNotFound(token: number): void {
    if (!this.settle(token)) return
    const at = this.link.begin(MessageType.NOT_FOUND, NotFound.bytes)
    this.link.writer.buffer.writeUInt32BE(token, at + NotFound.id)
  }

  onFailed(token: number, error: Error): void {
    if (!this.settle(token)) return
    this.link.send(MessageType.FAULT, encodeFault(token, error as CassioError))
  }

  private onGet(buffer: Buffer, from: number, to: number): void {
    const level = this.admit(buffer, from, to)
    if (level === undefined) return
    const id = buffer.readUInt32BE(from + Request.id)
    const keyAt = from + Request.rest
    if (to - keyAt > KEY_BYTES_MAX) {
      this.refuse(id, 'CASSIO_KEY_TOO_LARGE', `the key has ${to - keyAt} bytes`)
    } else if (to === keyAt) {
      this.refuse(id, 'CASSIO_INVALID', 'the key is empty')
    } else {
      const { coordinator } = this.owner
      const hash = keyHash(buffer, keyAt, to)
      const partition = this.partitionOf(hash)
      const deadlineMs = this.deadlineOf(buffer, from + Request.deadline)
      this.open(id, to - from)
      coordinator.reads.get(this, id, level, deadlineMs, buffer, keyAt, to, partition, hash)
    }
  }

  private onPut(buffer: Buffer, from: number, to: number): void {
    const level = this.admit(buffer, from, to)
    if (level === undefined) return
    const id = buffer.readUInt32BE(from + Request.id)
    const cellAt = from + Request.rest
    const fault = cellFault(buffer, cellAt, to)
    if (fault !== undefined) {
      this.refuse(id, 'CASSIO_INVALID', fault)
      return
    }
    const keyAt = cellAt + CELL_HEADER_BYTES
    const keyEnd = keyAt + cellKeyLength(buffer, cellAt)
    if (to - keyEnd > this.owner.maxValueBytes) {
      const message = `the value has ${to - keyEnd} bytes, this node takes ${this.owner.maxValueBytes}`
      this.refuse(id, 'CASSIO_VALUE_TOO_LARGE', message)
      return
    }
    if (!this.settleTimes(id, buffer, cellAt)) return
    const hash = keyHash(buffer, keyAt, keyEnd)
    const partition = this.partitionOf(hash)
    const deadlineMs = this.deadlineOf(buffer, from + Request.deadline)
    this.open(id, to - from)
    const { writes } = this.owner.coordinator
    writes.put(this, id, level, deadlineMs, buffer, cellAt, partition, hash)
  }

  /**
   * Makes a time to live absolute, and judges the stamp that the client gave, or the time that it wants
   * the stamp to be above.
   */
  private settleTimes(id: number, buffer: Buffer, cellAt: number): boolean {
    const flags = cellFlags(buffer, cellAt)
    if ((flags & CellFlag.expires) !== 0) {
      const expiryMs = this.owner.wallMs() + cellExpiryMs(buffer, cellAt)
      setCellExpiryMs(buffer, cellAt, Math.min(expiryMs, EXPIRY_MS_MAX))
    }
    const stampAt = cellAt + CELL_STAMP_AT
    const { stamper } = this.owner.coordinator.shared
    if (stamper.isTooFarAhead(buffer, stampAt)) {
      this.refuse(id, 'CASSIO_STAMP_AHEAD', "the stamp is too far ahead of this node's clock")
      return false
    }
    if ((flags & CellFlag.clientStamp) === 0) stamper.observe(buffer, stampAt)
    return true
  }

  /** @returns the consistency level, when the request may go on; else it has been answered. */
  private admit(buffer: Buffer, from: number, to: number): ConsistencyCode | undefined {
    if (to - from < Request.rest) {
      this.abandon('a request is shorter than its header')
      return undefined
    }
    this.owner.counters.requests += 1
    const id = buffer.readUInt32BE(from + Request.id)
    const level = buffer[from + Request.level]!
    const epoch = buffer.readUInt32BE(from + Request.epoch)
    if (this.requestBytes.has(id)) {
      this.abandon(`request ${id} is in flight already`)
    } else if (!isConsistencyCode(level)) {
      this.refuse(id, 'CASSIO_INVALID', `unknown consistency level ${level}`)
    } else if (this.owner.epoch === 0) {
      this.refuseWith(id, this.owner.notFormed())
    } else if (epoch !== 0 && epoch !== this.owner.epoch) {
      const message = `the request is of epoch ${epoch}, this node of ${this.owner.epoch}`
      this.refuse(id, 'CASSIO_STALE_MAP', message)
    } else if (!(this.owner.nowMs() <= buffer.readDoubleBE(from + Request.deadline))) {
      this.refuseLate(id)
    } else {
      return level
    }
    return undefined
  }

  private partitionOf(hash: number): number {
    return partitionOf(hash, this.owner.coordinator.shared.view!.table.partitionBits)
  }

  private onCall(body: Buffer): void {
    if (body.length < Call.rest) {
      this.abandon('a call is shorter than its header')
      return
    }
    const id = body.readUInt32BE(Call.id)
    if (this.requestBytes.has(id)) {
      this.abandon(`request ${id} is in flight already`)
    } else if (!(this.owner.nowMs() <= body.readDoubleBE(Call.deadline))) {
      this.refuseLate(id)
    } else if (this.calls >= CALLS_MAX) {
      this.refuse(id, 'CASSIO_OVERLOADED', `${CALLS_MAX} calls are in flight on this connection`)
    } else {
      void this.answerCall(id, body)
    }
  }

  private async answerCall(id: number, body: Buffer): Promise<void> {
    this.open(id, body.length)
    this.calls += 1
    try {
      const { method, params } = decodeCall(body)
      const deadlineMs = this.deadlineOf(body, Call.deadline)
      await answerCall(this.link, id, this.owner.onClientCall(method, params, deadlineMs))
    } catch (error) {
      this.refuse(id, 'CASSIO_INVALID', (error as Error).message)
    } finally {
      this.calls -= 1
      this.settle(id)
    }
  }

  /** A deadline may be anything up to infinity. */
  private deadlineOf(bytes: Buffer, at: number): number {
    return Math.min(bytes.readDoubleBE(at), this.owner.nowMs() + REQUEST_MS_MAX)
  }

  private refuseLate(id: number): void {
    this.owner.counters.expired += 1
    this.refuse(id, 'CASSIO_TIMEOUT', 'the request arrived after its deadline; it was not begun')
  }

  private refuse(id: number, code: CassioError['code'], message: string): void {
    this.refuseWith(id, new CassioError(code, message))
  }

  private refuseWith(id: number, error: CassioError): void {
    this.link.send(MessageType.FAULT, encodeFault(id, error))
  }

  private open(id: number, bytes: number): void {
    this.requestBytes.set(id, bytes)
    this.bytesInFlight += bytes
    if (this.bytesInFlight > this.owner.connectionBytesMax) this.link.holdInput(true)
  }

  /** @returns whether the client is still there to be answered. */
  private settle(id: number): boolean {
    this.bytesInFlight -= this.requestBytes.get(id)!
    this.requestBytes.delete(id)
    if (this.bytesInFlight <= this.owner.connectionBytesMax) this.link.holdInput(false)
    return !this.link.closed
  }

  private abandon(reason: string): void {
    this.link.reject(new CassioError('CASSIO_PROTOCOL', reason))
  }
}
