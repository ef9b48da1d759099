import {
  CELL_STAMP_AT,
  type ConsistencyCode,
  ConsistencyLevel,
  cellFault,
  cellSize,
  isExpired,
  isRefusal,
  isTombstone,
  quorum,
  ReadMode,
  ReplicaAnswer,
  ReplicaOutcome,
  requiredReplicas,
  VOTE_BYTES,
  WriteMode,
} from '@cassiopeia/protocol'
import type { ReadSink, WriteSink } from '@cassiopeia/storage'
import { type Coordination, replicaCause, shortfall } from './coordination'
import { ReadOperation, type Requester, serialOf, slotOf, ticketOf } from './operation'
import { ReadStep } from './read-core'
import { sendRead, sendRepair } from './replica-channel'

/** Who asks for a read in the background. */
const NOBODY: Requester = Object.freeze({
  onWritten: () => {},
  onFound: () => {},
  onNotFound: () => {},
  onFailed: () => {},
})

/** Serves gets: collects votes, hedges slow replicas, repairs before it answers. */
export class ReadCoordinator implements ReadSink, WriteSink {
  constructor(private readonly shared: Coordination) {}

  /**
   * @param key The key is `key[from..to)`; the coordinator keeps the buffer until it answers.
   * @param deadlineMs By this node's monotonic clock.
   */
  get(
    requester: Requester,
    token: number,
    level: ConsistencyCode,
    deadlineMs: number,
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
  ): void {
    const { shared } = this
    const bytes = to - from
    if (!shared.admits(requester, token, bytes)) return
    const view = shared.view!
    const read = shared.operations.takeRead()
    read.requester = requester
    read.token = token
    read.required = requiredReplicas(level, view.map.replicationFactor)
    read.partition = partition
    read.hash = hash
    read.key = key
    read.from = from
    read.to = to
    read.deadlineMs = deadlineMs
    shared.placeReplicas(read, view)
    shared.begin(read, bytes)
    read.core.begin(read.members.length, read.required)
    if (shared.liveReplicas(read) < read.required) {
      const error = shared.unavailable(read)
      this.end(read)
      requester.onFailed(token, error)
      return
    }
    shared.counters.reads += 1
    const mayLookDeeper = read.required < quorum(view.map.replicationFactor)
    this.askFirst(read)
    if (mayLookDeeper) this.lookDeeper(deadlineMs, key, from, to, partition, hash)
  }

  /**
   * A read below QUORUM compares nothing, or little. For some of them the key is read again at QUORUM,
   * on nobody's behalf, which repairs what it finds.
   */
  private lookDeeper(
    deadlineMs: number,
    key: Buffer,
    from: number,
    to: number,
    partition: number,
    hash: number,
  ): void {
    const { options, ports, counters } = this.shared
    if (ports.random.unit() * 100 >= options.readRepairPercent) return
    counters.backgroundReads += 1
    const copy = Buffer.from(key.subarray(from, to))
    ports.timers.soon(() => {
      const { QUORUM } = ConsistencyLevel
      this.get(NOBODY, 0, QUORUM, deadlineMs, copy, 0, copy.length, partition, hash)
    })
  }

  /** READ_ACK of a peer. */
  onAck(read: ReadOperation, member: number, buffer: Buffer, from: number, to: number): void {
    const { core } = read
    const replica = read.replicaOf(member)
    if (replica < 0) return
    const outcome = buffer[from + ReplicaAnswer.outcome]!
    const rest = from + ReplicaAnswer.rest
    if (outcome === ReplicaOutcome.none) {
      this.perform(read, core.onNone(replica))
    } else if (outcome === ReplicaOutcome.cell && cellFault(buffer, rest, to) === undefined) {
      this.perform(read, core.onCell(replica, buffer, rest))
    } else if (outcome === ReplicaOutcome.vote && to - rest === VOTE_BYTES) {
      this.perform(read, core.onVote(replica, buffer, rest))
    } else if (isRefusal(outcome)) {
      this.perform(read, core.onLost(replica))
    }
  }

  /** WRITE_ACK of a peer: a repair has arrived. */
  onRepairAck(read: ReadOperation, member: number, buffer: Buffer, from: number): void {
    const replica = read.replicaOf(member)
    if (replica < 0) return
    const isRefused = isRefusal(buffer[from + ReplicaAnswer.outcome]!)
    const { core } = read
    this.perform(read, isRefused ? core.onLost(replica) : core.onHolds(replica))
  }

  /** This node's own vote. */
  onRead(ticket: number, cell: Buffer | undefined, at: number): void {
    const read = this.findOwn(ticket)
    if (read === undefined) return
    const { core } = read
    const step = cell === undefined ? core.onNone(0) : core.onCell(0, cell, at)
    if (cell !== undefined && step !== ReadStep.answer) core.keepCell(0, cellSize(cell, at))
    this.perform(read, step)
  }

  onReadFailed(ticket: number): void {
    const read = this.findOwn(ticket)
    if (read !== undefined) this.perform(read, read.core.onLost(0))
  }

  /** A repair of this node's own store. */
  onWritten(ticket: number): void {
    const read = this.findOwn(ticket)
    if (read !== undefined) this.perform(read, read.core.onHolds(0))
  }

  onWriteFailed(ticket: number): void {
    const read = this.findOwn(ticket)
    if (read !== undefined) this.perform(read, read.core.onLost(0))
  }

  onLost(read: ReadOperation, member: number): void {
    const replica = read.replicaOf(member)
    if (replica >= 0) this.perform(read, read.core.onLost(replica))
  }

  /** The hedge is due at first, the deadline after that. */
  onDue(read: ReadOperation): void {
    if (this.shared.ports.time.nowMs >= read.deadlineMs) {
      this.shared.counters.timeouts += 1
      this.giveUp(read, 'CASSIO_TIMEOUT')
      return
    }
    this.shared.watch(read, read.deadlineMs)
    if (this.hedge(read)) this.shared.counters.hedges += 1
  }

  /** @returns whether there was another replica to ask. */
  private hedge(read: ReadOperation): boolean {
    if (read.core.isVoting) return this.askRemote(read)
    return read.core.isRepairing && this.repairOneMore(read)
  }

  /**
   * The others first: this node's own vote costs nothing, so it is taken when it is the last one
   * missing, and its cell need not be copied when all agree.
   */
  private askFirst(read: ReadOperation): void {
    const { core, required } = read
    const { serial } = read
    const remote = holdsReplica(read) ? required - 1 : required
    for (let i = 0; i < remote; i += 1) this.askRemote(read)
    if (core.outstanding < remote) {
      this.giveUp(read, 'CASSIO_UNAVAILABLE')
      return
    }
    if (remote === 0) this.askSelf(read)
    if (read.serial === serial) this.watchHedge(read)
  }

  private askSelf(read: ReadOperation): void {
    read.core.asked(0)
    const ticket = ticketOf(read.slot, read.sequence)
    const { store } = this.shared
    store.read(read.key, read.from, read.to, read.partition, read.hash, this, ticket)
  }

  /** Asks one more of the other replicas, if there is a live one. */
  private askRemote(read: ReadOperation): boolean {
    const { core, view } = read
    const replica = this.chooseRemote(read)
    if (replica < 0) return false
    const needsValue = !holdsReplica(read) && core.outstanding === 0 && core.votes === 0
    const mode = needsValue ? ReadMode.value : ReadMode.stamp
    const peer = view.peers[read.members[replica]!]!
    if (!sendRead(peer, read, view.map.epoch, mode)) return false
    core.asked(replica)
    return true
  }

  /** The next live replica in turn, unless another one is usually twice as fast. */
  private chooseRemote(read: ReadOperation): number {
    const { core, members, view, sequence } = read
    let chosen = -1
    let chosenMs = 0
    for (let i = 0; i < members.length; i += 1) {
      const replica = (sequence + i) % members.length
      const member = members[replica]!
      if (member === view.ownIndex || !core.isUnasked(replica) || !view.isLive(member)) continue
      const { latencyMs } = view.peers[member]!
      if (chosen >= 0 && latencyMs * 2 > chosenMs) continue
      chosen = replica
      chosenMs = latencyMs
    }
    return chosen
  }

  private watchHedge(read: ReadOperation): void {
    const { options, ports, watch } = this.shared
    const usualMs = slowestAsked(read)
    const atOnce = ports.buggify?.('read.hedge-at-once') === true
    const delayMs = atOnce
      ? 0
      : Math.min(Math.max(usualMs * HEDGE_FACTOR, options.hedgeMinMs), options.hedgeMaxMs)
    watch.call(this.shared, read, Math.min(ports.time.nowMs + delayMs, read.deadlineMs))
  }

  private perform(read: ReadOperation, step: ReadStep): void {
    if (step === ReadStep.answer) this.answer(read)
    else if (step === ReadStep.wait) this.completeOwnVote(read)
    else if (step === ReadStep.askMore) this.askMore(read)
    else if (step === ReadStep.fetch) this.fetch(read)
    else if (step === ReadStep.repair) this.repair(read)
    else this.repairUntilPossible(read)
  }

  /** When this node's own vote is the last one missing, it is taken. */
  private completeOwnVote(read: ReadOperation): void {
    const { core, required } = read
    if (!core.isVoting || core.votes !== required - 1) return
    if (holdsReplica(read) && core.isUnasked(0)) this.askSelf(read)
  }

  private askMore(read: ReadOperation): void {
    const { core, required } = read
    const ownVote = holdsReplica(read) && core.isUnasked(0) ? 1 : 0
    while (core.votes + core.outstanding + ownVote < required) {
      if (!this.askRemote(read)) {
        this.giveUp(read, 'CASSIO_UNAVAILABLE')
        return
      }
    }
    this.completeOwnVote(read)
  }

  private fetch(read: ReadOperation): void {
    const { core, view, members } = read
    this.nextRound(read)
    members.forEach((member, replica) => {
      if (!core.wantsCell(replica) || member === view.ownIndex) return
      const isSent = sendRead(view.peers[member]!, read, view.map.epoch, ReadMode.value)
      if (isSent) core.asked(replica)
    })
    if (core.outstanding === 0) this.giveUp(read, 'CASSIO_UNAVAILABLE')
  }

  private repair(read: ReadOperation): void {
    const { core, members } = read
    this.shared.counters.readRepairs += 1
    this.nextRound(read)
    for (let replica = 0; replica < members.length; replica += 1) {
      if (core.wantsRepair(replica)) this.sendRepair(read, replica)
    }
    this.repairUntilPossible(read)
  }

  private repairUntilPossible(read: ReadOperation): void {
    while (!read.core.repairIsPossible) {
      if (!this.repairOneMore(read)) {
        this.giveUp(read, 'CASSIO_UNAVAILABLE')
        return
      }
    }
  }

  private repairOneMore(read: ReadOperation): boolean {
    const { core, members, view } = read
    for (let replica = 0; replica < members.length; replica += 1) {
      if (!core.mayRepair(replica) || !view.isLive(members[replica]!)) continue
      if (this.sendRepair(read, replica)) return true
    }
    return false
  }

  private sendRepair(read: ReadOperation, replica: number): boolean {
    const { core, view } = read
    const member = read.members[replica]!
    const cell = core.winningCell!
    const at = core.winningCellAt
    if (member === view.ownIndex) {
      this.repairSelf(read, cell, at)
    } else if (!sendRepair(view.peers[member]!, read, cell, at)) {
      return false
    }
    core.asked(replica)
    return true
  }

  private repairSelf(read: ReadOperation, cell: Buffer, at: number): void {
    const { local, ports, stamper } = this.shared
    const { partition, hash } = read
    const ticket = ticketOf(read.slot, read.sequence)
    // What this node would not take from others, it must not take from itself.
    if (stamper.isTooFarAhead(cell, at + CELL_STAMP_AT)) {
      ports.timers.soon(() => this.onWriteFailed(ticket))
      return
    }
    stamper.observe(cell, at + CELL_STAMP_AT)
    const outcome = local.write(WriteMode.repair, cell, at, partition, hash, this, ticket)
    if (outcome === undefined) return
    // As from a peer, the answer comes after the question.
    ports.timers.soon(() => {
      if (outcome === ReplicaOutcome.settled) this.onWritten(ticket)
      else this.onWriteFailed(ticket)
    })
  }

  /** Answers to the questions so far come too late from now on. */
  private nextRound(read: ReadOperation): void {
    read.sequence = this.shared.operations.nextSequence()
  }

  private answer(read: ReadOperation): void {
    const { core, requester, token } = read
    const cell = core.winningCell
    const at = cell === undefined ? 0 : core.winningCellAt
    this.end(read)
    const wallMs = this.shared.ports.clock.wallMs()
    if (cell === undefined || isTombstone(cell, at) || isExpired(cell, at, wallMs)) {
      requester.onNotFound(token)
    } else {
      requester.onFound(token, cell, at)
    }
  }

  private giveUp(read: ReadOperation, code: 'CASSIO_TIMEOUT' | 'CASSIO_UNAVAILABLE'): void {
    const { core, view, members, required, requester, token } = read
    const causes = members.flatMap((member, replica) =>
      core.hasAnswered(replica) ? [] : [replicaCause(view, member, undefined)],
    )
    const what = core.isRepairing ? 'hold the newest version' : 'answered the read'
    const received = core.isRepairing ? core.holders : core.votes
    const error = shortfall(code, what, received, required, { causes })
    this.end(read)
    requester.onFailed(token, error)
  }

  private end(read: ReadOperation): void {
    read.core.release()
    this.shared.end(read)
  }

  private findOwn(ticket: number): ReadOperation | undefined {
    const operation = this.shared.operations.find(slotOf(ticket), serialOf(ticket))
    return operation instanceof ReadOperation ? operation : undefined
  }
}

/** A peer that takes this many times its usual time is hedged. */
const HEDGE_FACTOR = 4

/** This node's own replica, where it has one, is the first. */
function holdsReplica(read: ReadOperation): boolean {
  return read.members[0] === read.view.ownIndex
}

function slowestAsked(read: ReadOperation): number {
  const { core, members, view } = read
  let slowestMs = 0
  for (let replica = 0; replica < members.length; replica += 1) {
    const peer = view.peers[members[replica]!]
    if (peer !== undefined && core.isPending(replica)) {
      slowestMs = Math.max(slowestMs, peer.latencyMs)
    }
  }
  return slowestMs
}
