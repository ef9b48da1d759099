import type { Ports } from '@cassiopeia/env'
import { type CellStore, DIGEST_BYTES, type PartitionDigest, rootOf } from '@cassiopeia/storage'
import type { Fences } from './fences'

/** Roots kept; leaves are made anew when a root turns out to differ. */
interface Kept {
  readonly root: Buffer
  readonly cutoffMs: number
  readonly provenMs: number
  /** The count of arrivals before which everything is in it. */
  readonly arrivals: number
  readonly hasDead: boolean
  readonly hasAbove: boolean
  readonly expiryMs: number
}

export interface Roots {
  /** `DIGEST_BYTES` for each partition. */
  readonly roots: Buffer
  readonly damaged: readonly number[]
}

/** Partitions of which leaves are kept, 2 KiB each: those of a session or two. */
const LEAVES_MAX = 512
const NOTHING = Buffer.alloc(DIGEST_BYTES)

/**
 * The roots of this node's partitions, kept from comparison to comparison: one that nothing has
 * arrived in since, and that time has not changed, is not summed up again.
 */
export class PartitionDigests {
  /** Partitions summed up, and those whose kept root was still right. */
  built = 0
  reused = 0
  private readonly kept = new Map<number, Kept>()
  /** Of partitions summed up lately, since those that differ are asked for next; oldest first. */
  private readonly leavesOf = new Map<number, Uint8Array | undefined>()

  constructor(
    private readonly store: CellStore,
    private readonly fences: Fences,
    private readonly buggify?: Ports['buggify'],
  ) {}

  /** @param partitions Rising. @param provenMs One for each. @throws what `CellStore.digest` does. */
  async roots(
    partitions: readonly number[],
    cutoffMs: number,
    provenMs: readonly number[],
  ): Promise<Roots> {
    if (this.buggify?.('repair.forget-roots')) this.kept.clear()
    const missing = partitions.filter((partition, i) => {
      const kept = this.kept.get(partition)
      return kept === undefined || !this.isValid(kept, partition, cutoffMs, provenMs[i]!)
    })
    this.reused += partitions.length - missing.length
    const damaged = new Set<number>()
    if (missing.length > 0) {
      const provenOf = new Map(partitions.map((partition, i) => [partition, provenMs[i]!]))
      const proven = missing.map((partition) => provenOf.get(partition)!)
      for (const digest of await this.build(missing, cutoffMs, proven)) {
        if (digest.damaged) damaged.add(digest.partition)
      }
    }
    const roots = Buffer.alloc(partitions.length * DIGEST_BYTES)
    partitions.forEach((partition, i) => {
      this.kept.get(partition)?.root.copy(roots, i * DIGEST_BYTES)
    })
    return { roots, damaged: [...damaged] }
  }

  /**
   * The leaves of one partition; undefined when all are zero, or it is damaged. Where they were just
   * summed up they may miss what has arrived since: they only show where to look.
   */
  async leaves(
    partition: number,
    cutoffMs: number,
    provenMs: number,
  ): Promise<Uint8Array | undefined> {
    if (this.leavesOf.has(partition)) return this.leavesOf.get(partition)
    const [digest] = await this.build([partition], cutoffMs, [provenMs])
    return digest?.leaves
  }

  private async build(
    partitions: readonly number[],
    cutoffMs: number,
    provenMs: readonly number[],
  ): Promise<PartitionDigest[]> {
    const arrivals = partitions.map((partition) => this.fences.arrivals[partition]!)
    // What has arrived up to here is visible afterwards, and so in the digests.
    await this.store.sync()
    const digests = await this.store.digest({ partitions, cutoffMs, provenMs })
    this.built += partitions.length
    digests.forEach((digest, i) => {
      const { partition, leaves, dead, above, expiryMs, damaged } = digest
      this.keepLeaves(partition, leaves)
      if (damaged) this.kept.delete(partition)
      else {
        this.kept.set(partition, {
          root: leaves === undefined ? NOTHING : Buffer.from(rootOf(leaves)),
          cutoffMs,
          provenMs: provenMs[i]!,
          arrivals: arrivals[i]!,
          hasDead: dead > 0,
          hasAbove: above > 0,
          expiryMs,
        })
      }
    })
    return digests
  }

  private keepLeaves(partition: number, leaves: Uint8Array | undefined): void {
    this.leavesOf.delete(partition)
    this.leavesOf.set(partition, leaves)
    if (this.leavesOf.size <= LEAVES_MAX) return
    const [oldest] = this.leavesOf.keys()
    this.leavesOf.delete(oldest!)
  }

  /** Whether it would come out the same with these limits. */
  private isValid(kept: Kept, partition: number, cutoffMs: number, provenMs: number): boolean {
    if (kept.arrivals !== this.fences.arrivals[partition]) return false
    if (provenMs !== kept.provenMs && (kept.hasDead || provenMs < kept.provenMs)) return false
    if (cutoffMs === kept.cutoffMs) return true
    return cutoffMs > kept.cutoffMs && !kept.hasAbove && kept.expiryMs > cutoffMs
  }
}
