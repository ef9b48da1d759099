import { checkPartitionBits } from './partition'

/** A node as placement sees it. */
export interface PlacementMember {
  /** 1 to 255 printable ASCII characters without a space; a UUID in practice. */
  readonly id: string
  /** Share of the data relative to the others: an integer from 1 to 64. */
  readonly weight: number
  /** Replicas of a partition avoid sharing a rack. Any string; equal strings are one rack. */
  readonly rack: string
}

export interface PlacementOptions {
  /** Replicas of a partition: 1 to 255. */
  readonly replicationFactor: number
  /** 10 to 20; the same for the whole life of a cluster. */
  readonly partitionBits: number
}

export const WEIGHT_MAX = 64
export const REPLICATION_FACTOR_MAX = 255
/** An index must fit in 16 bits, and one value of them means a hole. */
export const MEMBERS_MAX = 0xfffe

const MEMBER_ID = /^[\x21-\x7e]{1,255}$/

/** @throws RangeError for an id that the table of replicas cannot carry. */
export function checkMemberId(id: string): void {
  if (!MEMBER_ID.test(id)) {
    throw new RangeError(
      `a member id must be 1 to 255 printable ASCII characters without spaces, got '${id}'`,
    )
  }
}

/** @throws RangeError unless the factor is an integer from 1 to 255. */
export function checkReplicationFactor(factor: number): void {
  if (!Number.isInteger(factor) || factor < 1 || factor > REPLICATION_FACTOR_MAX) {
    throw new RangeError(
      `replicationFactor must be an integer from 1 to ${REPLICATION_FACTOR_MAX}, got ${factor}`,
    )
  }
}

/** @throws RangeError for options out of range, bad or repeated members, or none. */
export function checkMembers(members: readonly PlacementMember[], options: PlacementOptions): void {
  checkPartitionBits(options.partitionBits)
  checkReplicationFactor(options.replicationFactor)
  if (members.length < 1 || members.length > MEMBERS_MAX) {
    throw new RangeError(`a placement has 1 to ${MEMBERS_MAX} members, got ${members.length}`)
  }
  const seen = new Set<string>()
  for (const { id, weight } of members) {
    checkMemberId(id)
    if (seen.has(id)) throw new RangeError(`member '${id}' is listed twice`)
    seen.add(id)
    if (!Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX) {
      throw new RangeError(
        `the weight of '${id}' must be an integer from 1 to ${WEIGHT_MAX}, got ${weight}`,
      )
    }
  }
}
