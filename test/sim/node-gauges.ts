import type { Node } from '@cassiopeia/server'
import type { CellStore } from '@cassiopeia/storage'
import type { Peak } from './history'

/** The parts of a node that the rig looks into. */
interface NodeInside {
  readonly parts: {
    readonly store: CellStore
    readonly hints: { readonly bytes: number }
    readonly repairState: { readonly fences: { provenOf(partition: number): number } }
  }
}

function partsOf(node: Node): NodeInside['parts'] {
  return (node as unknown as NodeInside).parts
}

export function storeOf(node: Node): CellStore {
  return partsOf(node).store
}

/** Up to which stamps, in milliseconds, the node knows that all replicas of a partition agree. */
export function provenMsOf(node: Node, partition: number): number {
  return partsOf(node).repairState.fences.provenOf(partition)
}

/** What nodes count and hold, over all their lives. */
export class NodeGauges {
  readonly counters: Record<string, number> = {}
  /** The most that was seen, by node. */
  readonly peaks: Peak[] = []
  private readonly running = new Map<number, Node>()

  /** A node has come to life. */
  adopt(node: number, running: Node): void {
    this.running.set(node, running)
    const { recovered } = storeOf(running).stats()
    this.count('tornBytes', recovered.tornBytes)
  }

  /** Its memory goes: adds up what it has counted. */
  release(node: number): void {
    const running = this.running.get(node)
    if (running === undefined) return
    this.running.delete(node)
    for (const [name, value] of Object.entries(running.counters.snapshot())) this.count(name, value)
    const stats = storeOf(running).stats()
    this.count('flushes', stats.flushes)
    this.count('compactions', stats.compactions)
    this.count('tombstonesForgotten', stats.tombstonesForgotten)
    this.count('damages', stats.damages.length)
    this.count('throttledMs', stats.throttledMs)
  }

  /** Whether the node's store has failed, and the node has not been told. */
  isZombie(node: number): boolean {
    const running = this.running.get(node)
    if (running === undefined) return false
    return (storeOf(running) as { failure?: unknown }).failure !== undefined
  }

  sample(node: number): void {
    const running = this.running.get(node)
    if (running === undefined) return
    const { memoryBytes, diskFull } = storeOf(running).stats()
    const peak = this.peakOf(node)
    peak.memoryBytes = Math.max(peak.memoryBytes, memoryBytes)
    peak.inFlight = Math.max(peak.inFlight, running.coordinator.size)
    peak.hintBytes = Math.max(peak.hintBytes, partsOf(running).hints.bytes)
    if (diskFull) this.count('diskFullSeen', 1)
  }

  count(name: string, by: number): void {
    this.counters[name] = (this.counters[name] ?? 0) + by
  }

  private peakOf(node: number): Peak {
    let peak = this.peaks.find((each) => each.node === node)
    if (peak === undefined) {
      peak = { node, inFlight: 0, memoryBytes: 0, hintBytes: 0 }
      this.peaks.push(peak)
    }
    return peak
  }
}
