import {
  type CassioError,
  CELL_STAMP_AT,
  CellFlag,
  type ConsistencyCode,
  cellFlags,
  cellSize,
  type ErrorDetails,
  formatStamp,
  type NodeCause,
  ReplicaAnswer,
  ReplicaOutcome,
  requiredReplicas,
  STAMP_BYTES,
  WriteMode,
} from '@cassiopeia/protocol'
import type { WriteSink } from '@cassiopeia/storage'
import { writeRefusal } from '../store-refusals'
import { type Coordination, failureCode, replicaCause, shortfall } from './coordination'
import { type Requester, serialOf, slotOf, ticketOf, WriteOperation } from './operation'
import { sendWriteOperation } from './replica-channel'
import { WriteStep } from './write-core'

/** Rounds of stamping above newer versions before giving up; more than one is rare. */
const ROUNDS_MAX = 4
/**
 * The share of the operations in flight that may be acknowledged ones which wait for their last
 * replicas: beyond it, a replica that is behind gets a hint instead.
 */
const LINGERING_SHARE = 1 / 4

/**
 * Serves sets and deletes: stamps the cell, sends it to every replica, answers at the level. A write
 * lives on until every replica has answered or its deadline has come: for those that have missed it,
 * a hint is kept.
 */
export class WriteCoordinator implements WriteSink {
  /** Acknowledged writes for which some replica still owes its answer, and their bytes. */
  lingering = 0
  private lingeringBytes = 0

  private readonly fence = Buffer.alloc(STAMP_BYTES)

  constructor(private readonly shared: Coordination) {}

  /**
   * @param cell A sound cell at `cell[at]` with an absolute expiry; the coordinator keeps the buffer
   * until it answers and writes the stamp into it, unless the client gave one.
   * @param deadlineMs By this node's monotonic clock. Past it nothing more is sent.
   */
  put(
    requester: Requester,
    token: number,
    level: ConsistencyCode,
    deadlineMs: number,
    cell: Buffer,
    at: number,
    partition: number,
    hash: number,
  ): void {
    const { shared } = this
    const bytes = cellSize(cell, at)
    if (!shared.admits(requester, token, bytes)) return
    const adrift = keepsStamp(cell, at) ? undefined : shared.stamper.refusal()
    if (adrift !== undefined) {
      requester.onFailed(token, adrift)
      return
    }
    const view = shared.view!
    const write = shared.operations.takeWrite()
    write.requester = requester
    write.token = token
    write.required = requiredReplicas(level, view.map.replicationFactor)
    write.partition = partition
    write.hash = hash
    write.cell = cell
    write.cellAt = at
    write.rounds = 0
    write.acknowledged = false
    write.deadlineMs = deadlineMs
    shared.placeReplicas(write, view)
    shared.begin(write, bytes)
    // Before the stamp is there, which may take a while: nobody has been asked yet.
    write.core.begin(write.members.length, write.required, keepsStamp(write.cell, write.cellAt))
    if (shared.liveReplicas(write) < write.required) {
      shared.fail(write, shared.unavailable(write))
      return
    }
    shared.counters.writes += 1
    shared.watch(write, deadlineMs)
    if (keepsStamp(write.cell, write.cellAt)) this.send(write)
    else this.stampAndSend(write)
  }

  /** WRITE_ACK of a peer. */
  onAck(write: WriteOperation, member: number, buffer: Buffer, from: number, to: number): void {
    const outcome = buffer[from + ReplicaAnswer.outcome] as ReplicaOutcome
    const replica = write.replicaOf(member)
    if (replica < 0) return
    const rest = from + ReplicaAnswer.rest
    const tellsStamp = outcome === ReplicaOutcome.dominated || outcome === ReplicaOutcome.fenced
    if (tellsStamp && to - rest < STAMP_BYTES) return
    this.perform(write, write.core.onOutcome(replica, outcome, buffer, rest))
  }

  /** This node's own store has the cell. */
  onWritten(ticket: number, newest: Buffer | undefined, newestAt: number): void {
    const write = this.findOwn(ticket)
    if (write === undefined) return
    const outcome = newest === undefined ? ReplicaOutcome.applied : ReplicaOutcome.dominated
    this.perform(write, write.core.onOutcome(0, outcome, newest, newestAt + CELL_STAMP_AT))
  }

  onWriteFailed(ticket: number, error: CassioError): void {
    const write = this.findOwn(ticket)
    if (write === undefined) return
    this.perform(write, write.core.onOutcome(0, writeRefusal(error)))
  }

  onLost(write: WriteOperation, member: number): void {
    const replica = write.replicaOf(member)
    if (replica >= 0) this.perform(write, write.core.onLost(replica))
  }

  onDue(write: WriteOperation): void {
    const { ports, counters } = this.shared
    if (ports.time.nowMs < write.deadlineMs) {
      this.shared.watch(write, write.deadlineMs)
    } else if (write.acknowledged) this.settle(write)
    else {
      counters.timeouts += 1
      this.giveUp(write, 'CASSIO_TIMEOUT')
    }
  }

  /** The node stops: what replicas still owe is kept for them. */
  onClosing(write: WriteOperation): void {
    this.settle(write)
  }

  private stampAndSend(write: WriteOperation): void {
    const { stamper } = this.shared
    if (stamper.refusal() !== undefined) {
      this.giveUp(write, 'CASSIO_FAILED')
      return
    }
    if (stamper.stamp(write.cell, write.stampAt)) {
      this.send(write)
      return
    }
    const { ticket } = write
    stamper.whenReady(() => {
      if (this.shared.operations.findByTicket(ticket) !== write) return
      if (this.isTooLate(write)) this.giveUp(write, 'CASSIO_TIMEOUT')
      else this.stampAndSend(write)
    })
  }

  private send(write: WriteOperation): void {
    const { core, view, members } = write
    for (let replica = 0; replica < members.length; replica += 1) {
      const member = members[replica]!
      if (member === view.ownIndex) {
        core.sent(replica)
        this.writeSelf(write, replica)
      } else if (sendWriteOperation(view.peers[member]!, write)) {
        core.sent(replica)
      }
    }
    this.perform(write, core.judge())
  }

  private writeSelf(write: WriteOperation, replica: number): void {
    const { cell, cellAt, partition, hash, core } = write
    const { local } = this.shared
    const ticket = ticketOf(write.slot, write.sequence)
    const outcome = local.write(WriteMode.write, cell, cellAt, partition, hash, this, ticket)
    if (outcome === undefined) return
    local.fences.writeFence(partition, this.fence, 0)
    // What to do is judged once all have been asked.
    core.onOutcome(replica, outcome, this.fence, 0)
  }

  private perform(write: WriteOperation, step: WriteStep): void {
    if (write.acknowledged) {
      if (write.core.pending === 0) this.settle(write)
    } else if (step === WriteStep.written) this.acknowledge(write)
    else if (step === WriteStep.restamp) this.restamp(write)
    else if (step === WriteStep.failed) this.giveUp(write, 'CASSIO_FAILED')
  }

  private acknowledge(write: WriteOperation): void {
    const { core, requester, token, required, cell, stampAt } = write
    const { received, dominated } = core
    write.acknowledged = true
    this.lingering += 1
    this.lingeringBytes += write.bytes
    if (core.pending === 0 || this.lingersTooMuch()) this.settle(write)
    requester.onWritten(token, received, required, dominated, cell, stampAt)
  }

  private lingersTooMuch(): boolean {
    const { options, ports } = this.shared
    const { operationsMax, operationBytesMax } = options
    return (
      ports.buggify?.('write.settle-early') === true ||
      this.lingering > operationsMax * LINGERING_SHARE ||
      this.lingeringBytes > operationBytesMax * LINGERING_SHARE
    )
  }

  /** Ends an acknowledged write: who has not confirmed it by now gets a hint. */
  private settle(write: WriteOperation): void {
    this.lingering -= 1
    this.lingeringBytes -= write.bytes
    this.keepHints(write)
    this.shared.end(write)
  }

  private keepHints(write: WriteOperation): void {
    const { core, members, view, partition, cell, cellAt } = write
    const { hints } = this.shared
    if (hints === undefined || core.received === members.length) return
    members.forEach((member, replica) => {
      if (member === view.ownIndex || !core.wantsHint(replica)) return
      hints.keep(view.map.members[member]!.id, partition, cell, cellAt)
    })
  }

  private restamp(write: WriteOperation): void {
    const { stamper, counters, operations } = this.shared
    counters.restamps += 1
    write.rounds += 1
    const isTooFarAhead = stamper.isTooFarAhead(write.core.newest, 0)
    if (write.rounds >= ROUNDS_MAX || isTooFarAhead || this.isTooLate(write)) {
      this.giveUp(write, 'CASSIO_TIMEOUT')
      return
    }
    stamper.observe(write.core.newest, 0)
    // Answers to the earlier round must not count for this one.
    write.sequence = operations.nextSequence()
    write.core.begin(write.members.length, write.required, keepsStamp(write.cell, write.cellAt))
    this.stampAndSend(write)
  }

  /**
   * The disk's answer comes at any time, also when the process has been stopped for long: the clock is
   * read anew, since a write stamped after its deadline would beat what was written meanwhile.
   */
  private isTooLate(write: WriteOperation): boolean {
    return this.shared.ports.time.refresh() >= write.deadlineMs
  }

  private giveUp(write: WriteOperation, reason: 'CASSIO_TIMEOUT' | 'CASSIO_FAILED'): void {
    const { core, view, members, required, cell, stampAt } = write
    const causes: NodeCause[] = []
    members.forEach((member, replica) => {
      const outcome = core.outcomeOf(replica)
      if (!core.isHeldBy(replica)) causes.push(replicaCause(view, member, outcome))
    })
    const what = core.dominated ? 'hold it, under a newer version' : 'acknowledged the write'
    const isUnknown = write.rounds > 0 || core.mayBeApplied()
    const details: ErrorDetails = isUnknown
      ? { applied: 'unknown', causes, stamp: formatStamp(cell, stampAt) }
      : { applied: 'none', causes }
    // What is told to be without effect must not have one later.
    if (isUnknown) this.keepHints(write)
    const code = failureCode(reason, causes, isUnknown)
    this.shared.fail(write, shortfall(code, what, core.received, required, details))
  }

  private findOwn(ticket: number): WriteOperation | undefined {
    const operation = this.shared.operations.find(slotOf(ticket), serialOf(ticket))
    return operation instanceof WriteOperation ? operation : undefined
  }
}

function keepsStamp(cell: Buffer, at: number): boolean {
  return (cellFlags(cell, at) & CellFlag.clientStamp) !== 0
}
