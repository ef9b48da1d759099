import {
  CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellExpiryMs,
  cellFault,
  cellFlags,
  cellKey,
  cellKeyLength,
  cellKind,
  cellValue,
  decodeFault,
  decodeResult,
  decodeValue,
  Found,
  formatStamp,
  isTombstone,
  MessageType,
  NotFound,
  stampCounter,
  stampMs,
  WRITTEN_SUPERSEDED,
  Written,
} from '@cassiopeia/protocol'

/** What a caller wants of the answer. */
export const AnswerShape = Object.freeze({
  value: 0,
  entry: 1,
  presence: 2,
  receipt: 3,
  result: 4,
})
export type AnswerShape = (typeof AnswerShape)[keyof typeof AnswerShape]

/** What a node says of a write that succeeded. */
export interface WriteReceipt {
  /** The write's place in the order of versions, MILLISECONDS-COUNTER-TAG. */
  readonly stamp: string
  /** Replicas that had it in their commit log when the node answered, and how many were required. */
  readonly acknowledged: number
  readonly required: number
  /** A newer version of the key was there already; only with a timestamp of the caller's own. */
  readonly superseded: boolean
}

/** A key's newest version. */
export interface Entry<T = unknown> {
  readonly value: T
  readonly stamp: string
  /** Milliseconds since the Unix epoch, by the coordinator's clock; absent without expiry. */
  readonly expiresAtMs?: number
}

/** The answer is not laid out as it must be, or belongs to another request. */
export function protocolError(message: string, cause?: unknown): CassioError {
  return new CassioError(
    'CASSIO_PROTOCOL',
    message,
    {},
    cause === undefined ? undefined : { cause },
  )
}

/**
 * Reads FOUND, NOT_FOUND, WRITTEN or RESULT, whose body is `buffer[from..to)`. Pure.
 * @param key The key that was asked for, when it was a read.
 * @throws CassioError CASSIO_PROTOCOL when it is damaged or does not answer this question.
 */
export function readAnswer(
  shape: AnswerShape,
  key: Buffer | undefined,
  type: number,
  buffer: Buffer,
  from: number,
  to: number,
): unknown {
  switch (type) {
    case MessageType.FOUND:
      if (key === undefined) break
      checkFound(key, buffer, from + Found.cell, to)
      return readFound(shape, buffer, from + Found.cell)
    case MessageType.NOT_FOUND:
      if (key === undefined || to - from !== NotFound.bytes) break
      return shape === AnswerShape.presence ? false : undefined
    case MessageType.WRITTEN:
      if (shape !== AnswerShape.receipt || to - from !== Written.bytes) break
      return new Receipt(buffer, from)
    case MessageType.RESULT:
      if (shape !== AnswerShape.result) break
      return readResult(buffer.subarray(from, to))
  }
  throw protocolError(`message ${type} of ${to - from} bytes does not answer the request`)
}

/** @throws CassioError CASSIO_PROTOCOL when it is damaged: then nothing is known of the request. */
export function readFault(body: Buffer): CassioError {
  const fault = decodeFault(body)
  if (fault.code === 'CASSIO_PROTOCOL') throw fault
  return fault
}

function checkFound(key: Buffer, buffer: Buffer, at: number, to: number): void {
  const fault = cellFault(buffer, at, to)
  if (fault !== undefined) throw protocolError(`damaged answer: ${fault}`)
  const keyAt = at + CELL_HEADER_BYTES
  if (key.compare(buffer, keyAt, keyAt + cellKeyLength(buffer, at)) !== 0) {
    throw protocolError('the answer is about another key')
  }
}

function readFound(shape: AnswerShape, cell: Buffer, at: number): unknown {
  const isGone = isTombstone(cell, at)
  if (shape === AnswerShape.presence) return !isGone
  if (isGone) return undefined
  return shape === AnswerShape.entry ? readEntry(cell, at) : readValue(cell, at)
}

/** @throws CassioError CASSIO_CORRUPT when the stored value cannot be decoded. */
export function readValue(cell: Buffer, at: number): unknown {
  try {
    return decodeValue(cellKind(cell, at), cellValue(cell, at))
  } catch (cause) {
    const key = cellKey(cell, at).toString('utf8')
    const message = `the value of ${JSON.stringify(key)} cannot be decoded`
    throw new CassioError('CASSIO_CORRUPT', message, {}, { cause })
  }
}

export function readEntry(cell: Buffer, at: number): Entry {
  const expires = (cellFlags(cell, at) & CellFlag.expires) !== 0
  return {
    value: readValue(cell, at),
    stamp: formatStamp(cell, at + CELL_STAMP_AT),
    ...(expires ? { expiresAtMs: cellExpiryMs(cell, at) } : {}),
  }
}

function readResult(body: Buffer): unknown {
  try {
    return decodeResult(body)
  } catch (cause) {
    throw protocolError('damaged answer', cause)
  }
}

/** Writes are many and stamps are seldom looked at: the text is made when it is asked for. */
class Receipt implements WriteReceipt {
  readonly acknowledged: number
  readonly required: number
  readonly superseded: boolean
  private readonly stampMs: number
  private readonly stampCounter: number
  private readonly tagHigh: number
  private readonly tagLow: number

  constructor(body: Buffer, at: number) {
    const stampAt = at + Written.stamp
    this.acknowledged = body[at + Written.acknowledged]!
    this.required = body[at + Written.required]!
    this.superseded = (body[at + Written.flags]! & WRITTEN_SUPERSEDED) !== 0
    this.stampMs = stampMs(body, stampAt)
    this.stampCounter = stampCounter(body, stampAt)
    this.tagHigh = body.readUInt32BE(stampAt + 8)
    this.tagLow = body.readUInt32BE(stampAt + 12)
  }

  get stamp(): string {
    const tag = hex32(this.tagHigh) + hex32(this.tagLow)
    return `${this.stampMs}-${this.stampCounter}-${tag}`
  }

  toJSON(): WriteReceipt {
    const { stamp, acknowledged, required, superseded } = this
    return { stamp, acknowledged, required, superseded }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): WriteReceipt {
    return this.toJSON()
  }
}

function hex32(word: number): string {
  return word.toString(16).padStart(8, '0')
}
