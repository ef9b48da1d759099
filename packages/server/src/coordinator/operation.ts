import { CELL_STAMP_AT } from '@cassiopeia/protocol'
import type { ClusterView } from '../topology/cluster-view'
import { ReadCore } from './read-core'
import { WriteCore } from './write-core'

/** Who asked, and gets the one answer; `token` is what it gave with the request. */
export interface Requester {
  /** @param stamps The write's stamp at `stamps[at]`, valid during the call only. */
  onWritten(
    token: number,
    acknowledged: number,
    required: number,
    superseded: boolean,
    stamps: Buffer,
    at: number,
  ): void
  /** @param cell A live cell at `cell[at]`, valid during the call only. */
  onFound(token: number, cell: Buffer, at: number): void
  onNotFound(token: number): void
  onFailed(token: number, error: Error): void
}

/**
 * A request that is being served. Operations are pooled: an instance keeps its slot for ever and gets
 * a new serial with each tenant.
 */
export abstract class Operation {
  /** 0 while the slot is free. */
  serial = 0
  /** Names the present round of questions; an answer with another one is late. */
  sequence = 0
  requester!: Requester
  token = 0
  view!: ClusterView
  required = 0
  partition = 0
  hash = 0
  /** By the node's monotonic clock. */
  startedMs = 0
  deadlineMs = 0
  /** What the operation counts against the coordinator's bound. */
  bytes = 0
  /** Members by replica index; holes of the placement are left out. */
  readonly members: number[] = []

  constructor(readonly slot: number) {}

  replicaOf(member: number): number {
    return this.members.indexOf(member)
  }

  /** Names this tenant in timers. */
  get ticket(): number {
    return ticketOf(this.slot, this.serial)
  }
}

/** More than twice `operationsMax`, since reads and writes have slots of their own. */
const SLOTS = 2 ** 21

/** A slot and a serial (or sequence), of 32 bits, as one safe integer. */
export function ticketOf(slot: number, serial: number): number {
  return serial * SLOTS + slot
}

export function slotOf(ticket: number): number {
  return ticket % SLOTS
}

export function serialOf(ticket: number): number {
  return Math.floor(ticket / SLOTS)
}

export class WriteOperation extends Operation {
  readonly core = new WriteCore()
  /** The cell, in the buffer that it arrived in. */
  cell!: Buffer
  cellAt = 0
  rounds = 0
  /** The requester has its answer; some replica still owes its own. */
  acknowledged = false

  get stampAt(): number {
    return this.cellAt + CELL_STAMP_AT
  }
}

export class ReadOperation extends Operation {
  readonly core = new ReadCore()
  /** The key, in the buffer that it arrived in. */
  key!: Buffer
  from = 0
  to = 0
}
