import type { ClusterView } from '../topology/cluster-view'
import { leadingMember } from './leadership'
import type { Participant } from './repair-session'

/**
 * Partitions of which this node knows that some replica misses something, until whoever leads their
 * comparison knows it too. Kept in memory: what a crash loses here the next comparison finds anyway.
 */
export class Marks {
  private readonly waiting = new Set<number>()
  private all = false

  add(partition: number): void {
    this.waiting.add(partition)
  }

  /** Which partitions it is about nobody knows. */
  addAll(): void {
    this.all = true
  }

  /**
   * Tells the leaders. Those that cannot be told stay for the next time.
   * @param participant The replica that a member is.
   */
  async tell(view: ClusterView, participant: (member: number) => Participant): Promise<void> {
    if (this.all) {
      this.all = false
      for (let i = 0; i < view.table.partitionCount; i += 1) this.waiting.add(i)
    }
    if (this.waiting.size === 0) return
    const shares = new Map<number, number[]>()
    for (const partition of [...this.waiting].sort((a, b) => a - b)) {
      const leader = leadingMember(view, partition)
      const share = shares.get(leader)
      if (share === undefined) shares.set(leader, [partition])
      else share.push(partition)
    }
    await Promise.all(
      [...shares].map(async ([member, partitions]) => {
        for (const partition of partitions) this.waiting.delete(partition)
        try {
          await participant(member).peer.mark({ epoch: view.map.epoch, partitions })
        } catch {
          for (const partition of partitions) this.waiting.add(partition)
        }
      }),
    )
  }
}
