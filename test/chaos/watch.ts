import type { CassioClient, NodeStatus } from '@cassiopeia/client'
import type { History } from '../sim/history'
import type { ChaosCluster } from './chaos-cluster'
import type { ChaosPlan } from './plan'

const LOOK_EVERY_MS = 2_000
const TELL_EVERY_LOOKS = 5

/** Looks at the nodes while a run lasts: the most that each held, and now and then a line for people. */
export class Watch {
  private readonly peaks: History['peaks'][number][]
  private readonly timer: NodeJS.Timeout
  private looking: Promise<unknown> = Promise.resolve()
  private isLooking = false
  private looks = 0

  constructor(
    plan: ChaosPlan,
    private readonly cluster: ChaosCluster,
    private readonly history: History,
    private readonly observer: CassioClient,
    private readonly nowMs: () => number,
    private readonly say: (line: string) => void,
  ) {
    this.peaks = Array.from({ length: plan.nodes }, (_, node) => ({
      node,
      inFlight: 0,
      memoryBytes: 0,
      hintBytes: 0,
    }))
    this.timer = setInterval(() => {
      this.looks += 1
      if (this.looks % TELL_EVERY_LOOKS === 0) this.tell()
      // A node that is stopped answers late.
      if (!this.isLooking) this.looking = this.look()
    }, LOOK_EVERY_MS)
    this.timer.unref()
  }

  /** @returns what the nodes have counted since their last start, added up. */
  async close(): Promise<Record<string, number>> {
    clearInterval(this.timer)
    await this.looking
    const statuses = await this.look()
    ;(this.history.peaks as History['peaks'][number][]).push(...this.peaks)
    const counters: Record<string, number> = {}
    for (const status of statuses.values()) {
      for (const [name, value] of Object.entries(status.counters)) {
        counters[name] = (counters[name] ?? 0) + value
      }
    }
    return counters
  }

  private async look(): Promise<Map<number, NodeStatus>> {
    this.isLooking = true
    try {
      const statuses = await this.cluster.statuses(this.observer)
      for (const [index, status] of statuses) this.note(index, status)
      return statuses
    } finally {
      this.isLooking = false
    }
  }

  private note(index: number, { operationsInFlight, hints, nodeId, members }: NodeStatus): void {
    const peak = this.peaks[index]!
    const { memoryBytes = 0 } = members.find(({ id }) => id === nodeId)?.load ?? {}
    peak.inFlight = Math.max(peak.inFlight, operationsInFlight)
    peak.hintBytes = Math.max(peak.hintBytes, hints.bytes)
    peak.memoryBytes = Math.max(peak.memoryBytes, memoryBytes)
  }

  private tell(): void {
    const { records, faults, incidents } = this.history
    const { nodes } = this.cluster.lives
    const ok = records.filter(({ outcome }) => outcome === 'ok').length
    const up = nodes.map(({ isServing }) => (isServing ? '+' : '-')).join('')
    this.say(
      `${(this.nowMs() / 1_000).toFixed(0).padStart(5)} s  nodes ${up}  ${records.length} calls, ` +
        `${ok} ok  ${faults.length} faults  ${incidents.length} incidents`,
    )
  }
}
