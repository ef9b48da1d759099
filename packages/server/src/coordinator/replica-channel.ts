import { cellSize, MessageType, ReplicaRequest } from '@cassiopeia/protocol'
import type { PeerLink } from '../transport/peer-link'
import type { Operation, ReadOperation, WriteOperation } from './operation'

/** Output waiting for a peer beyond this means that it is too slow to be given more. */
export const PEER_OUTPUT_MAX_BYTES = 64 * 1024 * 1024

/** Asks a peer to apply a cell. @returns false when it cannot be sent. */
export function sendWrite(
  peer: PeerLink,
  operation: Operation,
  epoch: number,
  cell: Buffer,
  cellAt: number,
): boolean {
  if (!canSend(peer)) return false
  const size = cellSize(cell, cellAt)
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
  if (!canSend(peer)) return false
  const { key, from, to } = operation
  const at = begin(peer, MessageType.READ, operation, epoch, to - from)
  const { buffer } = peer.link!.writer
  buffer[at + ReplicaRequest.mode] = mode
  key.copy(buffer, at + ReplicaRequest.rest, from, to)
  return true
}

export function sendWriteOperation(peer: PeerLink, write: WriteOperation): boolean {
  return sendWrite(peer, write, write.view.map.epoch, write.cell, write.cellAt)
}

function canSend(peer: PeerLink): boolean {
  return peer.open && peer.link!.outputBytes < PEER_OUTPUT_MAX_BYTES
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
