import type { PlacementMember, PlacementOptions, PlacementTable } from '../src'

/** The options of a new cluster. */
export const OPTIONS: PlacementOptions = { replicationFactor: 3, partitionBits: 12 }

/** A small seeded generator (mulberry32); `below(n)` is an integer from 0 to n − 1. */
export class SeededRandom {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  word(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  below(count: number): number {
    return Math.floor((this.word() / 2 ** 32) * count)
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** Ids that look like those of nodes, the same for the same seed. */
export function nodeIds(count: number, seed = 1): string[] {
  const random = new SeededRandom(seed)
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => random.below(16).toString(16)).join('')
  return Array.from({ length: count }, () => [8, 4, 4, 4, 12].map(hex).join('-'))
}

/** Members of weight 1; without `rackOf` each is its own rack. */
export function membersOf(
  ids: readonly string[],
  rackOf: (index: number) => string = (index) => `rack-${index}`,
): PlacementMember[] {
  return ids.map((id, index) => ({ id, weight: 1, rack: rackOf(index) }))
}

/** The members after each join, one at a time, from `first` to `last` members. */
export function joins(
  all: readonly PlacementMember[],
  first: number,
  last: number,
): PlacementMember[][] {
  const changes: PlacementMember[][] = []
  for (let count = first; count <= last; count++) changes.push(all.slice(0, count))
  return changes
}

/** The members after each of `count` joins and leaves, chosen at random within the bounds. */
export function joinsAndLeaves(
  random: SeededRandom,
  all: readonly PlacementMember[],
  options: { start: number; least: number; most: number; count: number },
): PlacementMember[][] {
  let members = all.slice(0, options.start)
  let next = options.start
  const changes = [members]
  for (let i = 0; i < options.count; i++) {
    const joining = random.below(2) === 0
    if (members.length <= options.least || (joining && members.length < options.most)) {
      members = [...members, all[next++]!]
    } else {
      const leaving = random.below(members.length)
      members = members.filter((_, index) => index !== leaving)
    }
    changes.push(members)
  }
  return changes
}

export function shuffled<T>(random: SeededRandom, items: readonly T[]): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[result[i], result[j]] = [result[j]!, result[i]!]
  }
  return result
}

/** How often each number of replicas in one rack occurs, as a sorted list of shapes like "2+1". */
export function rackShapes(table: PlacementTable, members: readonly PlacementMember[]): string[] {
  const rackOf = new Map(members.map(({ id, rack }) => [id, rack]))
  const shapes = new Set<string>()
  for (let partition = 0; partition < table.partitionCount; partition++) {
    const counts = new Map<string, number>()
    for (const id of table.replicaIds(partition)) {
      const rack = rackOf.get(id)!
      counts.set(rack, (counts.get(rack) ?? 0) + 1)
    }
    shapes.add([...counts.values()].sort((a, b) => b - a).join('+'))
  }
  return [...shapes].sort()
}
