import type { RepairProgress } from '@cassiopeia/protocol'
import type { Blocker } from './repair-session'

/** A repair that somebody has asked for: which partitions, and how far it is. */
export class RepairRun {
  differed = 0
  cells = 0
  bytes = 0
  private readonly total: number
  private readonly pending: Set<number>
  private verified = 0
  private readonly failures = new Map<string, { node: string; reason: string; count: number }>()

  constructor(partitions: readonly number[]) {
    this.total = partitions.length
    this.pending = new Set(partitions)
  }

  get running(): boolean {
    return this.pending.size > 0
  }

  wants(partition: number): boolean {
    return this.pending.has(partition)
  }

  /** Only these can be worked on here. */
  keepOnly(partitions: ReadonlySet<number>, node: string): void {
    const blockers = [{ node, reason: 'another node leads the partition now' }]
    for (const partition of [...this.pending]) {
      if (!partitions.has(partition)) this.done(partition, false, blockers)
    }
  }

  done(partition: number, verified: boolean, blockers: readonly Blocker[]): void {
    if (!this.pending.delete(partition)) return
    if (verified) this.verified += 1
    for (const { node, reason } of blockers) {
      const key = `${node} ${reason}`
      const failure = this.failures.get(key) ?? { node, reason, count: 0 }
      failure.count += 1
      this.failures.set(key, failure)
    }
  }

  stop(): void {
    this.pending.clear()
  }

  progress(): RepairProgress {
    const { total, pending, verified, differed, cells, bytes } = this
    return {
      running: this.running,
      total,
      done: total - pending.size,
      verified,
      differed,
      cells,
      bytes,
      failures: [...this.failures.values()].map(({ node, reason, count }) => ({
        partitions: count,
        node,
        reason,
      })),
    }
  }
}
