import type { Clock, Logger, Ports, Random, Timer, Timers } from '@cassiopeia/env'
import {
  CassioError,
  type ErrorCode,
  type ErrorDetails,
  type NodeCause,
  ReplicaOutcome,
} from '@cassiopeia/protocol'
import type { CellStore } from '@cassiopeia/storage'
import type { Hints } from '../hints/hints'
import type { Counters } from '../metrics'
import type { LocalReplica } from '../replica/local-replica'
import type { ClusterView } from '../topology/cluster-view'
import type { LoopTime } from '../transport/loop-time'
import { DeadlineWheel } from './deadline-wheel'
import { type Operation, type Requester, WriteOperation } from './operation'
import { OperationTable } from './operation-table'
import type { Stamper } from './stamper'

export interface CoordinationOptions {
  readonly operationsMax: number
  readonly operationBytesMax: number
  readonly hedgeMinMs: number
  readonly hedgeMaxMs: number
  readonly readRepairPercent: number
}

export interface CoordinationPorts {
  readonly buggify: Ports['buggify']
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly time: LoopTime
}

/** Ticks of the wheel: how late a deadline or a hedge may be noticed. */
const TICK_MS = 5
const WHEEL_SLOTS = 1024
/** Tickets of operations that have ended lie in the wheel until they come due: at most so long. */
const WATCH_MAX_MS = 5_000

/** What coordinating reads and writes has in common: the operations in flight, and their time. */
export class Coordination {
  readonly operations = new OperationTable()
  /** Set once the cluster map is known. */
  view: ClusterView | undefined
  /** Where writes are kept for replicas that missed them. */
  hints: Pick<Hints, 'keep'> | undefined
  private readonly wheel: DeadlineWheel
  private timer: Timer | undefined
  private bytes = 0
  private closed = false

  constructor(
    readonly store: CellStore,
    readonly local: LocalReplica,
    readonly stamper: Stamper,
    readonly counters: Counters,
    readonly options: CoordinationOptions,
    readonly ports: CoordinationPorts,
    /** Called when an operation's ticket comes due. */
    private readonly onDue: (operation: Operation) => void,
    /** Called for an acknowledged write when no more answers will come. */
    private readonly onClosing: (write: WriteOperation) => void,
  ) {
    this.wheel = new DeadlineWheel(TICK_MS, WHEEL_SLOTS, ports.time.nowMs)
  }

  /** @returns whether there is room for a request of `bytes`; the requester has been told if not. */
  admits(requester: Requester, token: number, bytes: number): boolean {
    if (this.closed) {
      requester.onFailed(token, new CassioError('CASSIO_CLOSED', 'the node is stopping'))
      return false
    }
    const { operationsMax, operationBytesMax } = this.options
    if (this.operations.size < operationsMax && this.bytes + bytes <= operationBytesMax) return true
    this.counters.overloads += 1
    const message = `${this.operations.size} requests of ${this.bytes} bytes are in flight here already`
    requester.onFailed(token, new CassioError('CASSIO_OVERLOADED', message))
    return false
  }

  /** Fills an operation's replicas: the members that hold its partition, this node first. */
  placeReplicas(operation: Operation, view: ClusterView): void {
    const { table, ownIndex } = view
    operation.view = view
    for (let slot = 0; slot < table.replicationFactor; slot += 1) {
      const member = table.replica(operation.partition, slot)
      if (member === ownIndex) operation.members.unshift(member)
      else if (member >= 0) operation.members.push(member)
    }
  }

  liveReplicas(operation: Operation): number {
    let live = 0
    for (const member of operation.members) if (operation.view.isLive(member)) live += 1
    return live
  }

  /** Counts an operation in, until `end`. */
  begin(operation: Operation, bytes: number): void {
    operation.bytes = bytes
    operation.startedMs = this.ports.time.nowMs
    this.bytes += bytes
  }

  /** Looks at the operation again at `dueMs` or earlier, unless it has ended. */
  watch(operation: Operation, dueMs: number): void {
    this.wheel.add(operation.ticket, Math.min(dueMs, this.ports.time.nowMs + WATCH_MAX_MS))
    if (this.timer === undefined && !this.closed) this.arm()
  }

  end(operation: Operation): void {
    this.bytes -= operation.bytes
    this.operations.release(operation)
  }

  /** Ends the operation with an error for whoever asked. */
  fail(operation: Operation, error: Error): void {
    const { requester, token } = operation
    this.end(operation)
    requester.onFailed(token, error)
  }

  unavailable(operation: Operation): CassioError {
    const { view, members, required } = operation
    const causes = members
      .filter((member) => !view.isLive(member))
      .map((member) => downCause(view, member))
    const message =
      required > members.length
        ? `${required} replicas are required, but keys have ${members.length}`
        : `${members.length - causes.length} of ${members.length} replicas are live, ` +
          `${required} are required; not live: ${causes.map((cause) => cause.node).join(', ')}`
    this.counters.unavailables += 1
    return new CassioError('CASSIO_UNAVAILABLE', message, { required, received: 0, causes })
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.operations.forEach((operation) => {
      if (operation instanceof WriteOperation && operation.acknowledged) {
        this.onClosing(operation)
        return
      }
      const applied = operation instanceof WriteOperation ? 'unknown' : 'none'
      this.fail(operation, new CassioError('CASSIO_CLOSED', 'the node is stopping', { applied }))
    })
  }

  private arm(): void {
    this.timer = this.ports.timers.after(TICK_MS, () => {
      this.timer = undefined
      const nowMs = this.ports.time.refresh()
      this.wheel.advance(nowMs, (ticket) => {
        const operation = this.operations.findByTicket(ticket)
        if (operation !== undefined) this.onDue(operation)
      })
      if (this.wheel.size > 0 && !this.closed) this.arm()
    })
  }
}

/** Why a member counts as not live. */
export function downCause(view: ClusterView, member: number): NodeCause {
  const peer = view.peers[member]
  const node = view.addressOf(member)
  if (peer?.open !== true) {
    const message = peer?.lastError?.message ?? 'not connected'
    return { node, code: 'CASSIO_CONNECTION', message }
  }
  return { node, code: 'CASSIO_TIMEOUT', message: 'suspected: its heartbeats have stopped' }
}

const REFUSALS: Readonly<Record<number, readonly [ErrorCode, string]>> = Object.freeze({
  [ReplicaOutcome.overloaded]: ['CASSIO_OVERLOADED', 'the replica has too much to do'],
  [ReplicaOutcome.staleMap]: ['CASSIO_STALE_MAP', 'the replica knows another cluster map'],
  [ReplicaOutcome.stampAhead]: [
    'CASSIO_STAMP_AHEAD',
    "the stamp is too far ahead of the replica's clock",
  ],
  [ReplicaOutcome.expired]: [
    'CASSIO_TIMEOUT',
    'the request reached the replica after its deadline',
  ],
  [ReplicaOutcome.invalid]: ['CASSIO_INVALID', 'the replica found the request malformed'],
  [ReplicaOutcome.storage]: ['CASSIO_STORAGE', "the replica's disk has failed"],
  [ReplicaOutcome.diskFull]: ['CASSIO_DISK_FULL', "the replica's disk is full"],
  [ReplicaOutcome.damaged]: ['CASSIO_CORRUPT', 'the replica has a damaged block there'],
  [ReplicaOutcome.fenced]: ['CASSIO_STAMP_OLD', 'replicas have agreed on what is as old already'],
})

/** A replica's refusal, or its silence (`undefined`), as a cause. */
export function replicaCause(
  view: ClusterView,
  member: number,
  outcome: ReplicaOutcome | undefined,
): NodeCause {
  const node = view.addressOf(member)
  const refusal = outcome === undefined ? undefined : REFUSALS[outcome]
  if (refusal !== undefined) return { node, code: refusal[0], message: refusal[1] }
  if (!view.isLive(member)) return downCause(view, member)
  return { node, code: 'CASSIO_TIMEOUT', message: 'no answer' }
}

/** An error about too few answers, with the numbers in words. */
export function shortfall(
  code: ErrorCode,
  what: string,
  received: number,
  required: number,
  details: ErrorDetails,
): CassioError {
  const message = `${received} of ${required} required replicas ${what}`
  return new CassioError(code, message, { received, required, ...details })
}

/**
 * The code of a write that came to nothing, or to too little. When its replicas refused for one
 * reason and nothing was applied, that is the reason to give. When they all found it late, its time
 * was too short, whatever else is known of it.
 */
export function failureCode(
  otherwise: ErrorCode,
  causes: readonly NodeCause[],
  isUnknown: boolean,
): ErrorCode {
  const common = causes[0]?.code
  const isCommon = common !== undefined && causes.every((cause) => cause.code === common)
  return isCommon && (!isUnknown || common === 'CASSIO_TIMEOUT') ? common : otherwise
}
