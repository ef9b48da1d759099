import { checkMemberId, checkReplicationFactor, MEMBERS_MAX } from './member'
import { checkPartitionBits } from './partition'
import { decodePlacementTable, encodePlacementTable, HOLE } from './placement-table-codec'

/**
 * Which members hold which partition: part of the cluster map, and changed only
 * with it, by `nextPlacement`. Immutable.
 *
 * A partition has `replicationFactor` slots. A slot holds the index of a member
 * in `memberIds`, or nothing when there are fewer members than replicas; such
 * holes come after the replicas. The order of the slots says nothing about the
 * replicas: none of them leads.
 */
export class PlacementTable {
  readonly memberIds: readonly string[]
  private readonly loads: Uint32Array

  /**
   * @param memberIds In ascending order (by code unit), each id once.
   * @param assignment Slot `s` of partition `p` at `p × replicationFactor + s`: a member's index
   *   or {@link HOLE}. The table keeps this array; nobody may write to it afterwards.
   * @throws RangeError when any of this does not hold.
   */
  constructor(
    readonly partitionBits: number,
    readonly replicationFactor: number,
    memberIds: readonly string[],
    private readonly assignment: Uint16Array,
  ) {
    checkPartitionBits(partitionBits)
    checkReplicationFactor(replicationFactor)
    checkMemberIds(memberIds)
    this.memberIds = Object.freeze([...memberIds])
    this.loads = loadsOf(this, assignment)
  }

  /**
   * The table that {@link toBytes} encoded. Keeps no reference to `bytes`.
   *
   * @throws RangeError for anything else, however it was damaged.
   */
  static fromBytes(bytes: Uint8Array): PlacementTable {
    const fields = decodePlacementTable(bytes)
    return new PlacementTable(
      fields.partitionBits,
      fields.replicationFactor,
      fields.memberIds,
      fields.assignment,
    )
  }

  get partitionCount(): number {
    return 1 << this.partitionBits
  }

  /** @returns The index in `memberIds` of the replica in a slot, or −1 for a hole. */
  replica(partition: number, slot: number): number {
    const member = this.assignment[partition * this.replicationFactor + slot]!
    return member === HOLE ? -1 : member
  }

  /** @returns The ids of the members that hold a partition. A new array each time. */
  replicaIds(partition: number): string[] {
    const ids: string[] = []
    for (let slot = 0; slot < this.replicationFactor; slot++) {
      const member = this.replica(partition, slot)
      if (member >= 0) ids.push(this.memberIds[member]!)
    }
    return ids
  }

  /** Whether a member, given by its index, holds a partition. */
  holds(partition: number, memberIndex: number): boolean {
    for (let slot = 0; slot < this.replicationFactor; slot++) {
      if (this.replica(partition, slot) === memberIndex) return true
    }
    return false
  }

  /** How many partitions a member, given by its index, holds. */
  partitionsOf(memberIndex: number): number {
    return this.loads[memberIndex] ?? 0
  }

  /** The table's encoding; its layout is in docs/PLACEMENT.md. */
  toBytes(): Uint8Array {
    const { partitionBits, replicationFactor, memberIds, assignment } = this
    return encodePlacementTable({ partitionBits, replicationFactor, memberIds, assignment })
  }

  equals(other: PlacementTable): boolean {
    return (
      this.partitionBits === other.partitionBits &&
      this.replicationFactor === other.replicationFactor &&
      this.memberIds.length === other.memberIds.length &&
      this.memberIds.every((id, i) => id === other.memberIds[i]) &&
      this.assignment.every((member, i) => member === other.assignment[i])
    )
  }
}

function checkMemberIds(memberIds: readonly string[]): void {
  if (memberIds.length < 1 || memberIds.length > MEMBERS_MAX) {
    throw new RangeError(`a table has 1 to ${MEMBERS_MAX} members, got ${memberIds.length}`)
  }
  memberIds.forEach((id, i) => {
    checkMemberId(id)
    if (i > 0 && memberIds[i - 1]! >= id) {
      throw new RangeError(`member ids must ascend: '${id}' follows '${memberIds[i - 1]}'`)
    }
  })
}

/** Checks each slot of an assignment and counts the partitions of each member. */
function loadsOf(table: PlacementTable, assignment: Uint16Array): Uint32Array {
  const { replicationFactor, partitionCount } = table
  const memberCount = table.memberIds.length
  if (assignment.length !== partitionCount * replicationFactor) {
    throw new RangeError(
      `${partitionCount} partitions of ${replicationFactor} replicas need ` +
        `${partitionCount * replicationFactor} slots, got ${assignment.length}`,
    )
  }
  const loads = new Uint32Array(memberCount)
  const replicas = Math.min(replicationFactor, memberCount)
  // The last partition in which a member was seen, plus one.
  const seenIn = new Uint32Array(memberCount)
  for (let partition = 0; partition < partitionCount; partition++) {
    for (let slot = 0; slot < replicationFactor; slot++) {
      const member = assignment[partition * replicationFactor + slot]!
      if (slot >= replicas ? member !== HOLE : member >= memberCount) {
        throw new RangeError(
          `slot ${slot} of partition ${partition} must be ` +
            `${slot >= replicas ? 'a hole' : `a member below ${memberCount}`}, got ${member}`,
        )
      }
      if (member === HOLE) continue
      if (seenIn[member] === partition + 1) {
        throw new RangeError(`partition ${partition} lists member ${member} twice`)
      }
      seenIn[member] = partition + 1
      loads[member] = loads[member]! + 1
    }
  }
  return loads
}
