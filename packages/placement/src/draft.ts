import { PlacementTable } from './placement-table'
import { HOLE } from './placement-table-codec'
import type { Layout } from './rack-rule'

/**
 * A table while it is being changed. It knows who held what before the change,
 * which replacements the rule of racks allows, and each member's load. Members
 * are indexes into the layout.
 *
 * The replicas of a partition come first in its slots, holes after them.
 */
export class Draft {
  readonly slots: Uint16Array
  /** Slots of a partition while the change lasts: enough for the table before it too. */
  readonly width: number
  readonly loads: Uint32Array
  /** Whether a member is new: it was not in the table before. */
  readonly isNew: readonly boolean[]
  /** The slots before the change, in the layout's indexes; HOLE where a member has left. */
  private readonly before: Uint16Array
  private readonly slotsBefore: number
  private readonly rackCounts: Uint8Array

  constructor(
    readonly layout: Layout,
    table: PlacementTable | undefined,
    /** The fair share of each member, which tells how full it is. */
    readonly shares: readonly number[],
  ) {
    const { members, partitionCount, racks, replicationFactor } = layout
    this.slotsBefore = table?.replicationFactor ?? 0
    this.before = table === undefined ? new Uint16Array(0) : survivors(layout, table)
    this.loads = new Uint32Array(members.length)
    const knownIds = new Set(table?.memberIds)
    this.isNew = members.map(({ id }) => !knownIds.has(id))
    this.rackCounts = new Uint8Array(racks.length)
    const width = Math.max(replicationFactor, this.slotsBefore)
    this.slots = new Uint16Array(partitionCount * width).fill(HOLE)
    this.width = width
    for (let partition = 0; partition < partitionCount; partition++) {
      let slot = 0
      for (let i = 0; i < this.slotsBefore; i++) {
        const member = this.before[partition * this.slotsBefore + i]!
        if (member === HOLE) continue
        this.slots[partition * width + slot++] = member
        this.loads[member]! += 1
      }
    }
  }

  member(partition: number, slot: number): number {
    return this.slots[partition * this.width + slot]!
  }

  /** How many replicas a partition has now. */
  placed(partition: number): number {
    let slot = 0
    while (slot < this.width && this.member(partition, slot) !== HOLE) slot += 1
    return slot
  }

  /** @returns The slot in which a member holds a partition, or −1. */
  slotOf(partition: number, member: number): number {
    for (let slot = 0; slot < this.width; slot++) {
      if (this.member(partition, slot) === member) return slot
    }
    return -1
  }

  /** Whether a member held a partition before the change: giving it back moves no data. */
  heldBefore(partition: number, member: number): boolean {
    for (let i = 0; i < this.slotsBefore; i++) {
      if (this.before[partition * this.slotsBefore + i] === member) return true
    }
    return false
  }

  /** Whether a member may take a hole of a partition. */
  mayAdd(partition: number, member: number): boolean {
    const { rackOf, rackMost, replicas, rackLeastSum } = this.layout
    const rack = rackOf[member]!
    let placed = 0
    let inRack = 0
    for (; placed < this.width; placed++) {
      const holder = this.member(partition, placed)
      if (holder === HOLE) break
      if (holder === member) return false
      if (rackOf[holder] === rack) inRack += 1
    }
    if (inRack >= rackMost[rack]!) return false
    if (rackLeastSum === 0) return true
    // What is left afterwards must do for the racks that lack replicas.
    const counts = this.countRacks(partition)
    counts[rack]! += 1
    return this.lacking(counts) <= replicas - placed - 1
  }

  /** Whether a member may take the place of the one in a slot. */
  mayReplace(partition: number, slot: number, member: number): boolean {
    const { rackOf, rackLeast, rackMost } = this.layout
    const rackIn = rackOf[member]!
    const rackOut = rackOf[this.member(partition, slot)]!
    let countIn = 0
    let countOut = 0
    for (let i = 0; i < this.width; i++) {
      const holder = this.member(partition, i)
      if (holder === HOLE) break
      if (holder === member) return false
      if (rackOf[holder] === rackIn) countIn += 1
      if (rackOf[holder] === rackOut) countOut += 1
    }
    if (rackIn === rackOut) return true
    return countIn < rackMost[rackIn]! && countOut > rackLeast[rackOut]!
  }

  add(partition: number, member: number): void {
    this.slots[partition * this.width + this.placed(partition)] = member
    this.loads[member]! += 1
  }

  replace(partition: number, slot: number, member: number): void {
    const at = partition * this.width + slot
    this.loads[this.slots[at]!]! -= 1
    this.slots[at] = member
    this.loads[member]! += 1
  }

  /**
   * Drops the replicas that the rule of racks does not let stay: first those
   * above what a rack may hold, then those whose place another rack must have,
   * or that are more than the replicas there are to be. Where there is a choice
   * the fullest member loses its replica.
   */
  dropMisplaced(): void {
    const { partitionCount, rackOf, rackLeast, rackMost, replicas } = this.layout
    for (let partition = 0; partition < partitionCount; partition++) {
      const counts = this.countRacks(partition)
      for (let rack = 0; rack < counts.length; rack++) {
        while (counts[rack]! > rackMost[rack]!) {
          this.dropFullest(partition, (member) => rackOf[member] === rack)
          counts[rack]! -= 1
        }
      }
      let placed = this.placed(partition)
      const room = replicas - this.lacking(counts)
      while (placed > room) {
        const dropped = this.dropFullest(partition, (member) => {
          const rack = rackOf[member]!
          return counts[rack]! > rackLeast[rack]!
        })
        counts[rackOf[dropped]!]! -= 1
        placed -= 1
      }
    }
  }

  toTable(): PlacementTable {
    const { members, partitionBits, partitionCount, replicationFactor } = this.layout
    const assignment = new Uint16Array(partitionCount * replicationFactor)
    for (let partition = 0; partition < partitionCount; partition++) {
      for (let slot = 0; slot < replicationFactor; slot++) {
        assignment[partition * replicationFactor + slot] = this.member(partition, slot)
      }
    }
    const ids = members.map(({ id }) => id)
    return new PlacementTable(partitionBits, replicationFactor, ids, assignment)
  }

  /** Removes the fullest of the members that fit; the last replica moves to its slot. */
  private dropFullest(partition: number, fits: (member: number) => boolean): number {
    let fullest = -1
    const last = this.placed(partition) - 1
    for (let slot = 0; slot <= last; slot++) {
      const member = this.member(partition, slot)
      if (!fits(member)) continue
      if (fullest === -1 || this.isFuller(member, fullest)) fullest = member
    }
    const slot = this.slotOf(partition, fullest)
    this.slots[partition * this.width + slot] = this.member(partition, last)
    this.slots[partition * this.width + last] = HOLE
    this.loads[fullest]! -= 1
    return fullest
  }

  /** Whether one member holds more than another, each relative to its fair share. */
  isFuller(a: number, b: number): boolean {
    const fullnessA = this.loads[a]! / this.shares[a]!
    const fullnessB = this.loads[b]! / this.shares[b]!
    return fullnessA !== fullnessB ? fullnessA > fullnessB : a < b
  }

  /** Replicas of a partition in each rack; the array is reused by the next call. */
  private countRacks(partition: number): Uint8Array {
    const counts = this.rackCounts.fill(0)
    for (let slot = 0; slot < this.width; slot++) {
      const member = this.member(partition, slot)
      if (member === HOLE) break
      counts[this.layout.rackOf[member]!]! += 1
    }
    return counts
  }

  /** How many replicas the racks lack that hold fewer than they must. */
  private lacking(counts: Uint8Array): number {
    let lacking = 0
    for (let rack = 0; rack < counts.length; rack++) {
      const least = this.layout.rackLeast[rack]!
      if (counts[rack]! < least) lacking += least - counts[rack]!
    }
    return lacking
  }
}

/** The assignment of a table in the indexes of a layout, with holes for those who left. */
function survivors(layout: Layout, table: PlacementTable): Uint16Array {
  const indexes = new Map(layout.members.map(({ id }, i) => [id, i]))
  const toLayout = table.memberIds.map((id) => indexes.get(id) ?? HOLE)
  const slots = new Uint16Array(table.partitionCount * table.replicationFactor).fill(HOLE)
  for (let partition = 0; partition < table.partitionCount; partition++) {
    for (let slot = 0; slot < table.replicationFactor; slot++) {
      const member = table.replica(partition, slot)
      if (member >= 0) slots[partition * table.replicationFactor + slot] = toLayout[member]!
    }
  }
  return slots
}
