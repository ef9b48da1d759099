import { checkMembers, type PlacementMember, type PlacementOptions } from './member'

/**
 * The members of one placement in order of their ids, and how many replicas of
 * a partition each rack may and must hold.
 *
 * The rule: the replicas of a partition lie in as many racks as they can, and
 * as evenly. With at least `replicas` racks that is one replica a rack, at most.
 * With fewer, every rack fills up to one level `L`, or to all of its members if
 * it has fewer: it holds at least `min(L − 1, size)` and at most `min(L, size)`.
 */
export interface Layout {
  readonly members: readonly PlacementMember[]
  readonly partitionCount: number
  readonly partitionBits: number
  readonly replicationFactor: number
  /** Replicas that a partition really has: fewer when there are fewer members. */
  readonly replicas: number
  /** The rack of each member, as an index into the arrays below. */
  readonly rackOf: readonly number[]
  /** The members of each rack. */
  readonly racks: readonly (readonly number[])[]
  /** The fewest replicas of a partition that each rack must hold. */
  readonly rackLeast: readonly number[]
  /** Sum of `rackLeast`: 0 while there are racks enough. */
  readonly rackLeastSum: number
  /** The most replicas of a partition that each rack may hold. */
  readonly rackMost: readonly number[]
}

/** @throws RangeError for options out of range, bad or repeated members, or none. */
export function layoutOf(unordered: readonly PlacementMember[], options: PlacementOptions): Layout {
  checkMembers(unordered, options)
  const members = [...unordered].sort((a, b) => (a.id < b.id ? -1 : 1))
  const replicas = Math.min(options.replicationFactor, members.length)

  // Racks are numbered in the order in which the sorted members name them.
  const rackIndexes = new Map<string, number>()
  const racks: number[][] = []
  const rackOf = members.map(({ rack }, member) => {
    const index = rackIndexes.get(rack) ?? racks.length
    rackIndexes.set(rack, index)
    racks[index] ??= []
    racks[index].push(member)
    return index
  })

  let level = 1
  while (sum(racks.map((rack) => Math.min(level, rack.length))) < replicas) level += 1
  const rackLeast = racks.map((rack) => Math.min(level - 1, rack.length))
  return {
    members,
    partitionBits: options.partitionBits,
    partitionCount: 1 << options.partitionBits,
    replicationFactor: options.replicationFactor,
    replicas,
    rackOf,
    racks,
    rackLeast,
    rackLeastSum: sum(rackLeast),
    rackMost: racks.map((rack) => Math.min(level, rack.length)),
  }
}

export function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
