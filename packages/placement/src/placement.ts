/**
 * The next table of replicas. `nextPlacement` orders the steps, and each is a
 * function below: `fillHoles` finds members for replicas that nobody holds,
 * `takeShares` gives newcomers what is theirs, `settle` (in settle.ts) brings
 * the last members to their quotas. `rack-rule.ts` says where replicas may lie,
 * `fair-share.ts` how many a member is to hold, `draft.ts` is the table while
 * it changes.
 */
import { Draft } from './draft'
import { leastFor, quotasOf, sharesOf } from './fair-share'
import type { PlacementMember, PlacementOptions } from './member'
import { partitionVector } from './partition'
import { PlacementTable } from './placement-table'
import { HOLE } from './placement-table-codec'
import { type Layout, layoutOf } from './rack-rule'
import { settle } from './settle'
import { nodeVectors, similarity } from './vector'

/**
 * The table after a change of membership, weights, racks or replication factor;
 * founding a cluster is the change from no table. It follows from its arguments
 * alone, and the order of `members` does not matter.
 *
 * What need not move stays. The replicas of members that leave go to the most
 * similar members with room under their fair share; a member that joins takes
 * its share from those that hold most, and of theirs the partitions most similar
 * to it. Nobody exceeds 1.03 times its fair share (see `fairShares`), or that
 * share rounded up where it is so small that this is more. Replicas of a
 * partition lie in different racks while there are racks enough, and are spread
 * over the racks evenly otherwise. With fewer members than replicas every member
 * holds everything, and there are holes.
 *
 * @throws RangeError for options out of range, bad or repeated members, none, or a
 *   `partitionBits` other than the table's.
 */
export function nextPlacement(
  table: PlacementTable | undefined,
  members: readonly PlacementMember[],
  options: PlacementOptions,
): PlacementTable {
  const layout = layoutOf(members, options)
  if (table !== undefined && table.partitionBits !== layout.partitionBits) {
    throw new RangeError(
      `partitionBits is ${table.partitionBits} for the life of this table, ` +
        `it cannot become ${layout.partitionBits}`,
    )
  }
  if (members.length <= options.replicationFactor) return everybodyHoldsAll(layout)

  const shares = sharesOf(layout)
  const draft = new Draft(layout, table, shares)
  draft.dropMisplaced()
  const quotas = quotasOf(layout, shares, draft.loads)
  const vectors = new LazyNodeVectors(layout)
  fillHoles(draft, quotas, vectors)
  takeShares(draft, quotas, vectors)
  settle(draft, quotas)
  return draft.toTable()
}

/** The first slots rotate from partition to partition, so that nobody is always the first. */
function everybodyHoldsAll(layout: Layout): PlacementTable {
  const { members, partitionBits, partitionCount, replicationFactor } = layout
  const assignment = new Uint16Array(partitionCount * replicationFactor).fill(HOLE)
  for (let partition = 0; partition < partitionCount; partition++) {
    for (let slot = 0; slot < members.length; slot++) {
      const member = (partition + slot) % members.length
      assignment[partition * replicationFactor + slot] = member
    }
  }
  const ids = members.map(({ id }) => id)
  return new PlacementTable(partitionBits, replicationFactor, ids, assignment)
}

/**
 * Gives each hole to the most similar member that has room under its quota and
 * may take it. Where all such members are barred by racks, or hold the partition
 * already, the emptiest member that may take it does so beyond its quota, and
 * `settle` evens that out.
 */
function fillHoles(draft: Draft, quotas: Uint32Array, vectors: LazyNodeVectors): void {
  const { members, partitionBits, partitionCount, replicas } = draft.layout
  const similarities = new Float64Array(members.length)
  for (let partition = 0; partition < partitionCount; partition++) {
    let holes = replicas - draft.placed(partition)
    if (holes === 0) continue
    const point = partitionVector(partition, partitionBits)
    for (let member = 0; member < members.length; member++) {
      const hasRoom = draft.loads[member]! < quotas[member]!
      similarities[member] = hasRoom ? similarity(vectors.of(member), point) : 0
    }
    for (; holes > 0; holes--) {
      let best = -1
      let spare = -1
      for (let member = 0; member < members.length; member++) {
        if (!draft.mayAdd(partition, member)) continue
        if (draft.loads[member]! < quotas[member]!) {
          if (best === -1 || similarities[member]! > similarities[best]!) best = member
        } else if (spare === -1 || draft.isFuller(spare, member)) {
          spare = member
        }
      }
      draft.add(partition, best === -1 ? spare : best)
    }
  }
}

/**
 * Lets members that lack much of their share, the emptiest first, take replicas:
 * of the partitions most similar to them, and of their holders from the fullest
 * one that is over its quota. A member that joins takes its whole quota; one that
 * was there (its weight was raised, or racks have changed) only as much as it must
 * have, for nothing moves that need not.
 */
function takeShares(draft: Draft, quotas: Uint32Array, vectors: LazyNodeVectors): void {
  const goal = (member: number) =>
    draft.isNew[member] ? quotas[member]! : leastFor(draft.shares[member]!)
  const takers = draft.layout.members
    .map((_, member) => member)
    .filter((member) => draft.loads[member]! < goal(member))
    .sort((a, b) => (draft.isFuller(a, b) ? 1 : -1))
  for (const taker of takers) {
    for (const partition of mostSimilarFirst(draft, quotas, vectors.of(taker))) {
      if (draft.loads[taker]! >= goal(taker)) break
      const slot = fullestDonor(draft, quotas, partition, taker)
      if (slot !== -1) draft.replace(partition, slot, taker)
    }
  }
}

/** The partitions of which some holder is over its quota, by similarity to a node. */
function mostSimilarFirst(
  draft: Draft,
  quotas: Uint32Array,
  vectorsOfNode: readonly Float64Array[],
): Uint32Array {
  const { partitionBits, partitionCount, replicas } = draft.layout
  const similarities = new Float64Array(partitionCount)
  const candidates = new Uint32Array(partitionCount)
  let count = 0
  for (let partition = 0; partition < partitionCount; partition++) {
    let hasDonor = false
    for (let slot = 0; slot < replicas && !hasDonor; slot++) {
      const member = draft.member(partition, slot)
      hasDonor = draft.loads[member]! > quotas[member]!
    }
    if (!hasDonor) continue
    candidates[count++] = partition
    similarities[partition] = similarity(vectorsOfNode, partitionVector(partition, partitionBits))
  }
  return candidates.subarray(0, count).sort((a, b) => similarities[b]! - similarities[a]! || a - b)
}

/** @returns The slot whose member is to give a partition to `taker`, or −1. */
function fullestDonor(draft: Draft, quotas: Uint32Array, partition: number, taker: number): number {
  let fullest = -1
  for (let slot = 0; slot < draft.layout.replicas; slot++) {
    const member = draft.member(partition, slot)
    if (draft.loads[member]! <= quotas[member]!) continue
    if (!draft.mayReplace(partition, slot, taker)) continue
    if (fullest === -1 || draft.isFuller(member, draft.member(partition, fullest))) {
      fullest = slot
    }
  }
  return fullest
}

/** The vectors of the members, drawn when they are first asked for. */
class LazyNodeVectors {
  private readonly drawn: Float64Array[][] = []

  constructor(private readonly layout: Layout) {}

  of(member: number): readonly Float64Array[] {
    const { id, weight } = this.layout.members[member]!
    this.drawn[member] ??= nodeVectors(id, weight)
    return this.drawn[member]
  }
}
