import { partitionOf } from '@cassiopeia/placement'
import {
  type CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellFault,
  cellKeyLength,
  cellSize,
  KEY_BYTES_MAX,
  keyHash,
  MessageType,
  ReadMode,
  ReplicaAnswer,
  ReplicaOutcome,
  ReplicaRequest,
  STAMP_BYTES,
  VOTE_BYTES,
  type WriteMode,
  writeVote,
} from '@cassiopeia/protocol'
import type { CellStore, ReadSink, WriteSink } from '@cassiopeia/storage'
import type { Stamper } from '../coordinator/stamper'
import type { Counters } from '../metrics'
import { readRefusal, writeRefusal } from '../store-refusals'
import type { ClusterView } from '../topology/cluster-view'
import type { Link } from '../transport/link'
import type { LoopTime } from '../transport/loop-time'
import type { LocalReplica } from './local-replica'

/**
 * Serves other nodes' WRITE and READ from this node's store. The hot path of every replica: what must
 * be remembered until the disk has answered lies in columns by token, so that an operation costs no
 * object, closure or promise.
 */
export class ReplicaService implements WriteSink, ReadSink {
  /** Set once the cluster map is known. */
  view: ClusterView | undefined
  private readonly links: (Link | undefined)[] = []
  private readonly slots: number[] = []
  private readonly sequences: number[] = []
  private readonly modes: number[] = []
  private readonly free: number[] = []

  constructor(
    private readonly store: CellStore,
    private readonly local: LocalReplica,
    private readonly stamper: Stamper,
    private readonly counters: Counters,
    private readonly time: LoopTime,
  ) {}

  onWriteRequest(link: Link, buffer: Buffer, from: number, to: number): void {
    const cellAt = from + ReplicaRequest.rest
    const refusal =
      this.refusalOf(buffer, from, to) ??
      (cellFault(buffer, cellAt, to) === undefined ? undefined : ReplicaOutcome.invalid)
    if (refusal !== undefined) {
      this.refuse(link, MessageType.WRITE_ACK, buffer, from, to, refusal)
      return
    }
    const keyAt = cellAt + CELL_HEADER_BYTES
    const hash = keyHash(buffer, keyAt, keyAt + cellKeyLength(buffer, cellAt))
    const partition = this.partitionHeldHere(hash)
    if (partition < 0) {
      this.refuse(link, MessageType.WRITE_ACK, buffer, from, to, ReplicaOutcome.invalid)
    } else if (this.stamper.isTooFarAhead(buffer, cellAt + CELL_STAMP_AT)) {
      this.refuse(link, MessageType.WRITE_ACK, buffer, from, to, ReplicaOutcome.stampAhead)
    } else {
      this.stamper.observe(buffer, cellAt + CELL_STAMP_AT)
      const token = this.remember(link, buffer, from, 0)
      const mode = buffer[from + ReplicaRequest.mode] as WriteMode
      const outcome = this.local.write(mode, buffer, cellAt, partition, hash, this, token)
      if (outcome !== undefined) this.answerUnwritten(token, partition, outcome)
    }
  }

  onReadRequest(link: Link, buffer: Buffer, from: number, to: number): void {
    const keyAt = from + ReplicaRequest.rest
    const isKey = to > keyAt && to - keyAt <= KEY_BYTES_MAX
    const refusal = this.refusalOf(buffer, from, to) ?? (isKey ? undefined : ReplicaOutcome.invalid)
    const hash = refusal === undefined ? keyHash(buffer, keyAt, to) : 0
    const partition = refusal === undefined ? this.partitionHeldHere(hash) : -1
    if (partition < 0) {
      const outcome = refusal ?? ReplicaOutcome.invalid
      this.refuse(link, MessageType.READ_ACK, buffer, from, to, outcome)
      return
    }
    const token = this.remember(link, buffer, from, buffer[from + ReplicaRequest.mode]!)
    this.store.read(buffer, keyAt, to, partition, hash, this, token)
  }

  onWritten(token: number, newest: Buffer | undefined, newestAt: number): void {
    const bytes = newest === undefined ? 0 : STAMP_BYTES
    const outcome = newest === undefined ? ReplicaOutcome.applied : ReplicaOutcome.dominated
    const link = this.links[token]!
    const at = this.answer(token, MessageType.WRITE_ACK, outcome, bytes)
    if (at < 0 || newest === undefined) return
    const stampAt = newestAt + CELL_STAMP_AT
    newest.copy(link.writer.buffer, at, stampAt, stampAt + STAMP_BYTES)
  }

  onWriteFailed(token: number, error: CassioError): void {
    this.counters.refusals += 1
    this.answer(token, MessageType.WRITE_ACK, writeRefusal(error), 0)
  }

  onRead(token: number, cell: Buffer | undefined, at: number): void {
    const link = this.links[token]!
    if (cell === undefined) {
      this.answer(token, MessageType.READ_ACK, ReplicaOutcome.none, 0)
    } else if (this.modes[token] === ReadMode.stamp) {
      const to = this.answer(token, MessageType.READ_ACK, ReplicaOutcome.vote, VOTE_BYTES)
      if (to >= 0) writeVote(link.writer.buffer, to, cell, at)
    } else {
      const size = cellSize(cell, at)
      if (!link.hasRoomFor(size)) {
        this.counters.refusals += 1
        this.answer(token, MessageType.READ_ACK, ReplicaOutcome.overloaded, 0)
        return
      }
      const to = this.answer(token, MessageType.READ_ACK, ReplicaOutcome.cell, size)
      if (to >= 0) cell.copy(link.writer.buffer, to, at, at + size)
    }
  }

  onReadFailed(token: number, error: CassioError): void {
    this.counters.refusals += 1
    this.answer(token, MessageType.READ_ACK, readRefusal(error), 0)
  }

  /** The fence has not let a cell pass. */
  private answerUnwritten(token: number, partition: number, outcome: ReplicaOutcome): void {
    const isFenced = outcome === ReplicaOutcome.fenced
    const link = this.links[token]!
    const at = this.answer(token, MessageType.WRITE_ACK, outcome, isFenced ? STAMP_BYTES : 0)
    if (isFenced && at >= 0) this.local.fences.writeFence(partition, link.writer.buffer, at)
  }

  private refusalOf(buffer: Buffer, from: number, to: number): ReplicaOutcome | undefined {
    if (to - from < ReplicaRequest.rest) return ReplicaOutcome.invalid
    const epoch = buffer.readUInt32BE(from + ReplicaRequest.epoch)
    if (epoch !== this.view?.map.epoch) return ReplicaOutcome.staleMap
    if (!(this.time.nowMs <= buffer.readDoubleBE(from + ReplicaRequest.deadline))) {
      this.counters.expired += 1
      return ReplicaOutcome.expired
    }
    return undefined
  }

  /** @returns -1 when this node is no replica of the key's partition. */
  private partitionHeldHere(hash: number): number {
    const { table, ownIndex } = this.view!
    const partition = partitionOf(hash, table.partitionBits)
    for (let slot = 0; slot < table.replicationFactor; slot += 1) {
      if (table.replica(partition, slot) === ownIndex) return partition
    }
    return -1
  }

  private remember(link: Link, buffer: Buffer, from: number, mode: number): number {
    const token = this.free.pop() ?? this.links.length
    this.links[token] = link
    this.slots[token] = buffer.readUInt32BE(from + ReplicaRequest.slot)
    this.sequences[token] = buffer.readUInt32BE(from + ReplicaRequest.sequence)
    this.modes[token] = mode
    return token
  }

  /** @returns where `bytes` more are to be written, or -1 when the asker has gone. */
  private answer(token: number, type: number, outcome: ReplicaOutcome, bytes: number): number {
    const link = this.links[token]!
    this.links[token] = undefined
    this.free.push(token)
    if (link.closed) return -1
    return writeAnswer(link, type, this.slots[token]!, this.sequences[token]!, outcome, bytes)
  }

  private refuse(
    link: Link,
    type: number,
    request: Buffer,
    from: number,
    to: number,
    outcome: ReplicaOutcome,
  ): void {
    this.counters.refusals += 1
    if (to - from < ReplicaRequest.epoch) return
    const slot = request.readUInt32BE(from + ReplicaRequest.slot)
    const sequence = request.readUInt32BE(from + ReplicaRequest.sequence)
    writeAnswer(link, type, slot, sequence, outcome, 0)
  }
}

function writeAnswer(
  link: Link,
  type: number,
  slot: number,
  sequence: number,
  outcome: ReplicaOutcome,
  bytes: number,
): number {
  const at = link.begin(type, ReplicaAnswer.rest + bytes)
  const { buffer } = link.writer
  buffer.writeUInt32BE(slot, at + ReplicaAnswer.slot)
  buffer.writeUInt32BE(sequence, at + ReplicaAnswer.sequence)
  buffer[at + ReplicaAnswer.outcome] = outcome
  return at + ReplicaAnswer.rest
}
