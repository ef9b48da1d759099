/** The slow, obvious digest: all newest cells, one by one. */
import { cellKey, keyHash } from '@cassiopeia/protocol'
import type { DigestRequest, PartitionDigest } from '../../src'
import { DigestBuilder } from '../../src/digest/digest-builder'
import { PARTITIONS, partitionOf } from '../support'

export const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition)

export function request(cutoffMs: number, provenMs = 0, partitions = ALL): DigestRequest {
  return { partitions, cutoffMs, provenMs: partitions.map(() => provenMs) }
}

/** @param cells The newest of each key. */
export function digestsOf(cells: Iterable<Buffer>, asked: DigestRequest): PartitionDigest[] {
  const placed = new Map<number, { cell: Buffer; hash: number }[]>()
  for (const cell of cells) {
    const key = cellKey(cell, 0)
    const hash = keyHash(key, 0, key.length)
    const partition = partitionOf(hash)
    placed.set(partition, [...(placed.get(partition) ?? []), { cell, hash }])
  }
  return asked.partitions.map((partition, i) => {
    const builder = new DigestBuilder(asked.cutoffMs)
    builder.begin(asked.provenMs[i]!)
    for (const { cell, hash } of placed.get(partition) ?? []) builder.add(cell, 0, hash)
    return builder.take(partition, false)
  })
}

/** What of a digest must be equal on two replicas: the counts of cells need not be. */
export function leavesOf(digests: readonly PartitionDigest[]): string[] {
  return digests.map(({ partition, leaves, damaged }) => {
    const hex = leaves === undefined ? 'none' : Buffer.from(leaves).toString('hex')
    return `${partition}${damaged ? ' damaged' : ''} ${hex}`
  })
}
