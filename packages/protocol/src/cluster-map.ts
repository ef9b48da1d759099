import { parseAddress } from './address'
import { pack, unpack } from './message-pack'

export interface ClusterMember {
  /** The node's UUID. */
  readonly id: string
  /** Where the node is dialled, HOST:PORT. */
  readonly address: string
  readonly rack: string
  readonly datacenter: string
  /** Share of the data relative to the others, a whole number from 1. */
  readonly weight: number
  readonly state: 'normal'
}

/** Who owns data, as of one epoch. Immutable; a change makes the next epoch. */
export interface ClusterMap {
  readonly clusterId: string
  readonly epoch: number
  /** Sorted by id. */
  readonly members: readonly ClusterMember[]
  readonly replicationFactor: number
  readonly partitionBits: number
  /** The placement table in its own encoding (`docs/PLACEMENT.md`). */
  readonly placement: Buffer
}

export function encodeClusterMap(map: ClusterMap): Buffer {
  return pack(map)
}

/** @throws RangeError naming the first field that is not as it must be. */
export function decodeClusterMap(bytes: Buffer): ClusterMap {
  const map = unpack(bytes) as ClusterMap | null
  if (typeof map !== 'object' || map === null) throw bad('it is no object')
  if (typeof map.clusterId !== 'string' || map.clusterId === '') throw bad('clusterId')
  if (!Number.isSafeInteger(map.epoch) || map.epoch < 1) throw bad('epoch')
  if (!Array.isArray(map.members) || map.members.length === 0) throw bad('members')
  map.members.forEach(checkMember)
  if (!isWhole(map.replicationFactor, 1, 255)) throw bad('replicationFactor')
  if (!isWhole(map.partitionBits, 10, 20)) throw bad('partitionBits')
  if (!(map.placement instanceof Uint8Array)) throw bad('placement')
  return { ...map, placement: Buffer.from(map.placement) }
}

function checkMember(member: ClusterMember): void {
  for (const field of ['id', 'address', 'rack', 'datacenter'] as const) {
    if (typeof member?.[field] !== 'string') {
      throw bad(`a member's ${field}`)
    }
  }
  parseAddress(member.address)
  if (!isWhole(member.weight, 1, 64)) throw bad("a member's weight")
  if (member.state !== 'normal') throw bad("a member's state")
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max
}

function bad(field: string): RangeError {
  return new RangeError(`the cluster map cannot be read: ${field} is wrong`)
}
