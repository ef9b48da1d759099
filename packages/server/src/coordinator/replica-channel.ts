import { cellSize, MessageType, ReplicaRequest, WriteMode } from '@cassiopeia/protocol'
import type { PeerLink } from '../transport/peer-link'
import type { Operation, ReadOperation, WriteOperation } from './operation'

/**
 * Asks a peer to apply a cell. @param slot,sequence Come back with its answer. @param deadlineMs By
 * this node's monotonic clock. @returns false when it cannot be sent.
 */
export function sendCell(
  peer: PeerLink,
  mode: WriteMode,
  slot: number,
  sequence: number,
  epoch: number,
  deadlineMs: number,
  cell: Buffer,
  cellAt: number,
): boolean {
  const size = cellSize(cell, cellAt)
  if (!canSend(peer, size)) return false
  const at = begin(peer, MessageType.WRITE, slot, sequence, epoch, deadlineMs, size)
  const { buffer } = peer.link!.writer
  buffer[at + ReplicaRequest.mode] = mode
  cell.copy(buffer, at + ReplicaRequest.rest, cellAt, cellAt + size)
  return true
}

/** Asks a peer to apply the cell that has won a read. */
export function sendRepair(
  peer: PeerLink,
  { slot, sequence, view, deadlineMs }: Operation,
  cell: Buffer,
  cellAt: number,
): boolean {
  const { epoch } = view.map
  return sendCell(peer, WriteMode.repair, slot, sequence, epoch, deadlineMs, cell, cellAt)
}

/** Asks a peer for its vote, or its cell. @returns false when it cannot be sent. */
export function sendRead(
  peer: PeerLink,
  operation: ReadOperation,
  epoch: number,
  mode: number,
): boolean {
  const { key, from, to, slot, sequence, deadlineMs } = operation
  if (!canSend(peer, to - from)) return false
  const at = begin(peer, MessageType.READ, slot, sequence, epoch, deadlineMs, to - from)
  const { buffer } = peer.link!.writer
  buffer[at + ReplicaRequest.mode] = mode
  key.copy(buffer, at + ReplicaRequest.rest, from, to)
  return true
}

export function sendWriteOperation(peer: PeerLink, write: WriteOperation): boolean {
  const { slot, sequence, view, deadlineMs, cell, cellAt } = write
  const { epoch } = view.map
  return sendCell(peer, WriteMode.write, slot, sequence, epoch, deadlineMs, cell, cellAt)
}

/** A peer that is too slow to take what it has been given is given no more. */
function canSend(peer: PeerLink, bytes: number): boolean {
  return peer.open && peer.link!.hasRoomFor(bytes)
}

function begin(
  peer: PeerLink,
  type: number,
  slot: number,
  sequence: number,
  epoch: number,
  deadlineMs: number,
  restBytes: number,
): number {
  const at = peer.link!.begin(type, ReplicaRequest.rest + restBytes)
  const { buffer } = peer.link!.writer
  buffer.writeUInt32BE(slot, at + ReplicaRequest.slot)
  buffer.writeUInt32BE(sequence, at + ReplicaRequest.sequence)
  buffer.writeUInt32BE(epoch, at + ReplicaRequest.epoch)
  buffer.writeDoubleBE(peer.deadlineFor(deadlineMs), at + ReplicaRequest.deadline)
  return at
}
