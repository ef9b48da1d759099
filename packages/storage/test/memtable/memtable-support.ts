/** How tests fill a memtable. */
import { cellKey, keyHash } from '@cassiopeia/protocol'
import type { Arena } from '../../src/memtable/arena'
import type { Memtable } from '../../src/memtable/memtable'
import { partitionOf } from '../support'

/** Copies a cell into the arena and offers it. @returns what `apply` says. */
export function put(
  arena: Arena,
  memtable: Memtable,
  cell: Buffer,
  hash = hashOf(cell),
  partition = partitionOf(hash),
): number {
  const offset = arena.append(cell, 0, cell.length)
  return memtable.apply(hash, partition, arena.tailChunk, offset)
}

export function hashOf(cell: Buffer): number {
  const key = cellKey(cell, 0)
  return keyHash(key, 0, key.length)
}
