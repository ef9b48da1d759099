import { fairShares, leastFor, mostFor, sharesOf } from './fair-share'
import type { PlacementMember, PlacementOptions } from './member'
import type { PlacementTable } from './placement-table'
import { layoutOf, sum } from './rack-rule'

export interface Balance {
  /** Load of the fullest member, relative to its fair share: 1 is perfect. */
  readonly fullest: number
  /** Load of the emptiest member, relative to its fair share. */
  readonly emptiest: number
}

/**
 * How evenly a table loads its members, each against its fair share.
 *
 * @param members The members of the table, in any order.
 * @throws RangeError if a member is missing in the table, or `members` are invalid.
 */
export function balance(table: PlacementTable, members: readonly PlacementMember[]): Balance {
  const shares = fairShares(members, table)
  const indexes = new Map(table.memberIds.map((id, i) => [id, i]))
  let fullest = 0
  let emptiest = Number.POSITIVE_INFINITY
  members.forEach(({ id }, i) => {
    const index = indexes.get(id)
    if (index === undefined) throw new RangeError(`the table has no member '${id}'`)
    const fullness = table.partitionsOf(index) / shares[i]!
    fullest = Math.max(fullest, fullness)
    emptiest = Math.min(emptiest, fullness)
  })
  return { fullest, emptiest }
}

/**
 * The data that a change moves, in replicas of a partition: how many pairs of
 * partition and member are in the table after it and not in the one before.
 *
 * @param before `undefined` for the founding of a cluster.
 */
export function movement(before: PlacementTable | undefined, after: PlacementTable): number {
  const toBefore = after.memberIds.map((id) => before?.memberIds.indexOf(id) ?? -1)
  let gained = 0
  for (let partition = 0; partition < after.partitionCount; partition++) {
    for (let slot = 0; slot < after.replicationFactor; slot++) {
      const member = after.replica(partition, slot)
      if (member < 0) continue
      const index = toBefore[member]!
      if (index < 0 || before?.holds(partition, index) !== true) gained += 1
    }
  }
  return gained
}

/**
 * The least data that a change to these members must move: no table gains fewer
 * replicas over the one before if it keeps the rule of racks, if members that
 * join get their fair share (rounded down), and if everybody else is within 3 %
 * of it (or within its rounding).
 *
 * Three things force replicas to move, and the largest of them is the bound:
 *
 * - what members lack: one that joins all of its fair share, one that was there
 *   what is missing to 0.97 times that;
 * - all slots must be filled, while a member keeps at most what it has, and at
 *   most 1.03 times its fair share: what members that leave held must go elsewhere;
 * - a partition keeps no more replicas in a rack than the rule of racks lets it,
 *   and must gain the ones that it then lacks.
 *
 * Where racks bind, or in very small clusters, the true minimum may lie above
 * this bound. `nextPlacement` can move slightly less than it when racks keep a
 * member that joins up to 3 % short of its share.
 *
 * @param before `undefined` for the founding of a cluster.
 */
export function minimumMovement(
  before: PlacementTable | undefined,
  members: readonly PlacementMember[],
  options: PlacementOptions,
): number {
  const layout = layoutOf(members, options)
  const { partitionCount, rackOf, rackLeast, rackMost, replicas } = layout
  const total = partitionCount * replicas
  if (before === undefined) return total

  const shares = sharesOf(layout)
  const indexes = new Map(layout.members.map(({ id }, i) => [id, i]))
  const toLayout = before.memberIds.map((id) => indexes.get(id) ?? -1)
  const held: number[] = new Array(shares.length).fill(0)
  const counts = new Uint8Array(rackLeast.length)
  let displaced = 0
  for (let partition = 0; partition < partitionCount; partition++) {
    counts.fill(0)
    for (let slot = 0; slot < before.replicationFactor; slot++) {
      const index = before.replica(partition, slot)
      const member = index < 0 ? -1 : toLayout[index]!
      if (member < 0) continue
      held[member]! += 1
      counts[rackOf[member]!]! += 1
    }
    let mayStay = 0
    let lacking = 0
    for (let rack = 0; rack < counts.length; rack++) {
      mayStay += Math.min(counts[rack]!, rackMost[rack]!)
      lacking += Math.max(0, rackLeast[rack]! - counts[rack]!)
    }
    displaced += replicas - Math.min(mayStay, replicas - lacking)
  }

  const knownIds = new Set(before.memberIds)
  const lacks = (member: number) => {
    const share = shares[member]!
    const joins = !knownIds.has(layout.members[member]!.id)
    return Math.max(0, (joins ? Math.floor(share) : leastFor(share)) - held[member]!)
  }
  const mustReceive = sum(shares.map((_, member) => lacks(member)))
  const mayKeep = sum(shares.map((share, member) => Math.min(mostFor(share), held[member]!)))
  return Math.max(mustReceive, total - mayKeep, displaced)
}
