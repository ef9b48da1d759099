import { keyVector, PlacementTable, partitionOf } from '@cassiopeia/placement'
import {
  type ClusterMap,
  type ClusterMember,
  decodeClusterMap,
  keyHash,
} from '@cassiopeia/protocol'

/** Where a key lives, as the cluster map has it. */
export interface KeyLocation {
  /** The key's 52-bit hash and the point of the ten-dimensional space that it stands for. */
  readonly hash: number
  readonly vector: readonly number[]
  readonly partition: number
  readonly epoch: number
  readonly replicas: readonly ClusterMember[]
}

/** A cluster map, made ready to be asked. Immutable and pure. */
export class ClusterView {
  /** By the table's own numbering of its members. */
  private readonly members: readonly (ClusterMember | undefined)[]

  private constructor(
    readonly map: ClusterMap,
    private readonly table: PlacementTable,
  ) {
    const byId = new Map(map.members.map((member) => [member.id, member]))
    this.members = table.memberIds.map((id) => byId.get(id))
  }

  /** @param bytes The result of the call `map`. @throws RangeError for bytes that are no sound map. */
  static fromBytes(bytes: Buffer): ClusterView {
    const map = decodeClusterMap(bytes)
    const table = PlacementTable.fromBytes(map.placement)
    if (table.partitionBits !== map.partitionBits) {
      throw new RangeError('the cluster map cannot be read: its placement has other partitions')
    }
    return new ClusterView(map, table)
  }

  get epoch(): number {
    return this.map.epoch
  }

  partitionOf(hash: number): number {
    return partitionOf(hash, this.map.partitionBits)
  }

  replicasOf(partition: number): ClusterMember[] {
    const replicas: ClusterMember[] = []
    for (let slot = 0; slot < this.table.replicationFactor; slot += 1) {
      const member = this.members[this.table.replica(partition, slot)]
      if (member !== undefined) replicas.push(member)
    }
    return replicas
  }

  locate(key: Buffer): KeyLocation {
    const hash = keyHash(key, 0, key.length)
    const partition = this.partitionOf(hash)
    const vector = Array.from(keyVector(hash))
    return { hash, vector, partition, epoch: this.epoch, replicas: this.replicasOf(partition) }
  }
}
