import { ReplicaAnswer } from '@cassiopeia/protocol'
import type { CellStore } from '@cassiopeia/storage'
import type { Hints } from '../hints/hints'
import type { Counters } from '../metrics'
import type { LocalReplica } from '../replica/local-replica'
import type { ClusterView } from '../topology/cluster-view'
import { Coordination, type CoordinationOptions, type CoordinationPorts } from './coordination'
import type { ReadOperation } from './operation'
import { type Operation, WriteOperation } from './operation'
import { ReadCoordinator } from './read-coordinator'
import type { Stamper } from './stamper'
import { WriteCoordinator } from './write-coordinator'

/**
 * Serves requests on behalf of clients. `WriteCoordinator` and `ReadCoordinator` do the work, each
 * around a pure core (`write-core`, `read-core`); `Coordination` holds what they share; this class
 * brings answers to the operation that they belong to.
 */
export class Coordinator {
  readonly shared: Coordination
  readonly writes: WriteCoordinator
  readonly reads: ReadCoordinator

  constructor(
    store: CellStore,
    local: LocalReplica,
    stamper: Stamper,
    counters: Counters,
    options: CoordinationOptions,
    ports: CoordinationPorts,
  ) {
    this.shared = new Coordination(
      store,
      local,
      stamper,
      counters,
      options,
      ports,
      (operation) => {
        if (operation instanceof WriteOperation) this.writes.onDue(operation)
        else this.reads.onDue(operation as ReadOperation)
      },
      (write) => this.writes.onClosing(write),
    )
    this.writes = new WriteCoordinator(this.shared)
    this.reads = new ReadCoordinator(this.shared)
  }

  /** Requests in flight. */
  get size(): number {
    return this.shared.operations.size
  }

  setView(view: ClusterView): void {
    this.shared.view = view
  }

  setHints(hints: Pick<Hints, 'keep'>): void {
    this.shared.hints = hints
  }

  /** WRITE_ACK from the peer that is `member` of the cluster map. */
  onWriteAck(member: number, buffer: Buffer, from: number, to: number): void {
    const operation = this.findAnswered(buffer, from, to)
    if (operation === undefined) return
    if (operation instanceof WriteOperation) this.writes.onAck(operation, member, buffer, from, to)
    else this.reads.onRepairAck(operation as ReadOperation, member, buffer, from)
  }

  /** READ_ACK from the peer that is `member` of the cluster map. */
  onReadAck(member: number, buffer: Buffer, from: number, to: number): void {
    const operation = this.findAnswered(buffer, from, to)
    if (operation === undefined || operation instanceof WriteOperation) return
    this.observeLatency(operation, member)
    this.reads.onAck(operation as ReadOperation, member, buffer, from, to)
  }

  /** The connection to a member is gone, and with it every answer that it owed. */
  onPeerLost(member: number): void {
    this.shared.operations.forEach((operation) => {
      if (operation instanceof WriteOperation) this.writes.onLost(operation, member)
      else this.reads.onLost(operation as ReadOperation, member)
    })
  }

  close(): void {
    this.shared.close()
  }

  private findAnswered(buffer: Buffer, from: number, to: number): Operation | undefined {
    if (to - from < ReplicaAnswer.rest) return undefined
    const slot = buffer.readUInt32BE(from + ReplicaAnswer.slot)
    const sequence = buffer.readUInt32BE(from + ReplicaAnswer.sequence)
    return this.shared.operations.find(slot, sequence)
  }

  private observeLatency(operation: Operation, member: number): void {
    const elapsedMs = this.shared.ports.time.nowMs - operation.startedMs
    operation.view.peers[member]?.observeLatency(elapsedMs)
  }
}
