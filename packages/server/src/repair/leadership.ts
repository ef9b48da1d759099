import type { ClusterView } from '../topology/cluster-view'

/** A partition whose comparison this node leads now. */
export interface Led {
  readonly partition: number
  /** The other live replicas, by member. */
  readonly others: readonly number[]
  /** Addresses of replicas that are not live: without them nothing can be proven. */
  readonly absent: readonly string[]
}

/**
 * The partitions that this node leads: those of which it is the first live replica, in the order of
 * the placement's slots. Two nodes that see others as dead may both lead one for a while: that costs
 * work, and does no harm.
 */
export class Leadership {
  private known: readonly Led[] = []
  private liveThen: readonly boolean[] = []

  constructor(readonly view: ClusterView) {}

  /** All partitions of which this node is a replica, as if it led them. */
  get held(): readonly Led[] {
    const live = this.view.map.members.map((_, member) => this.view.isLive(member))
    return ledBy(this.view, live, true)
  }

  /** As of now; the same array while nobody comes or goes. */
  get led(): readonly Led[] {
    const live = this.view.map.members.map((_, member) => this.view.isLive(member))
    const isSame = live.every((isLive, member) => isLive === this.liveThen[member])
    if (!isSame || this.liveThen.length === 0) {
      this.liveThen = live
      this.known = ledBy(this.view, live, false)
    }
    return this.known
  }
}

function ledBy(view: ClusterView, live: readonly boolean[], all: boolean): Led[] {
  const { table, ownIndex } = view
  const led: Led[] = []
  for (let partition = 0; partition < table.partitionCount; partition += 1) {
    const isLed = all ? table.holds(partition, ownIndex) : leads(view, live, partition)
    if (!isLed) continue
    const others: number[] = []
    const absent: string[] = []
    for (let slot = 0; slot < table.replicationFactor; slot += 1) {
      const member = table.replica(partition, slot)
      if (member < 0 || member === ownIndex) continue
      if (live[member]) others.push(member)
      else absent.push(view.addressOf(member))
    }
    led.push({ partition, others, absent })
  }
  return led
}

function leads({ table, ownIndex }: ClusterView, live: readonly boolean[], partition: number) {
  for (let slot = 0; slot < table.replicationFactor; slot += 1) {
    const member = table.replica(partition, slot)
    if (member === ownIndex) return true
    if (member >= 0 && live[member]) return false
  }
  return false
}

/** The member that leads a partition, as this node sees it: when none is live, the first. */
export function leadingMember(view: ClusterView, partition: number): number {
  const { table } = view
  for (let slot = 0; slot < table.replicationFactor; slot += 1) {
    const member = table.replica(partition, slot)
    if (member >= 0 && view.isLive(member)) return member
  }
  return table.replica(partition, 0)
}
