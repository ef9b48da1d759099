import { cellSize, MessageType, ReplicaRequest } from '@cassiopeia/protocol'
import type { PeerLink } from '../transport/peer-link'
import type { Operation, ReadOperation, WriteOperation } from './operation'

/** Asks a peer to apply a cell. @returns false when it cannot be sent. */
export function sendWrite(
  peer: PeerLink,
  operation: Operation,
  epoch: number,
  cell: Buffer,
  cellAt: number,
): boolean {
  const size = cellSize(cell, cellAt)
  if (!canSend(peer, size)) return false
  const at = begin(peer, MessageType.WRITE, operation, epoch, size)
  const { buffer } = peer.link!.writer
  buffer[at + ReplicaRequest.mode] = 0
  cell.copy(buffer, at + ReplicaRequest.rest, cellAt, cellAt + size)
  return true
}

/** Asks a peer for its vote, or its cell. @returns false when it cannot be sent. */
export function sendRead(
  peer: PeerLink,
  operation: ReadOperation,
  epoch: number,
  mode: number,
): boolean {
  const { key, from, to } = operation
  if (!canSend(peer, to - from)) return false
  const at = begin(peer, MessageType.READ, operation, epoch, to - from)
  const { buffer } = peer.link!.writer
  buffer[at + ReplicaRequest.mode] = mode
  key.copy(buffer, at + ReplicaRequest.rest, from, to)
  return true
}

export function sendWriteOperation(peer: PeerLink, write: WriteOperation): boolean {
  return sendWrite(peer, write, write.view.map.epoch, write.cell, write.cellAt)
}

/** A peer that is too slow to take what it has been given is given no more. */
function canSend(peer: PeerLink, bytes: number): boolean {
  return peer.open && peer.link!.hasRoomFor(bytes)
}

function begin(
  peer: PeerLink,
  type: number,
  operation: Operation,
  epoch: number,
  restBytes: number,
): number {
  const at = peer.link!.begin(type, ReplicaRequest.rest + restBytes)
  const { buffer } = peer.link!.writer
  buffer.writeUInt32BE(operation.slot, at + ReplicaRequest.slot)
  buffer.writeUInt32BE(operation.sequence, at + ReplicaRequest.sequence)
  buffer.writeUInt32BE(epoch, at + ReplicaRequest.epoch)
  buffer.writeDoubleBE(peer.deadlineFor(operation.deadlineMs), at + ReplicaRequest.deadline)
  return at
}
