import { partitionOf } from '@cassiopeia/placement'
import {
  CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  cellFault,
  cellKey,
  cellKeyLength,
  cellSize,
  keyHash,
  type RepairApplied,
  type RepairApply,
  type RepairBegin,
  type RepairBegun,
  type RepairCells,
  type RepairCommit,
  type RepairDigested,
  type RepairDigests,
  type RepairFetch,
  type RepairLeaves,
  type RepairList,
  type RepairListed,
  type RepairMark,
  type RepairPrepare,
  type RepairPrepared,
  ReplicaOutcome,
  WriteMode,
} from '@cassiopeia/protocol'
import {
  type CellStore,
  DIGEST_BYTES,
  DIGEST_LEAVES,
  digestLeafOf,
  type ReadSink,
  type WriteSink,
} from '@cassiopeia/storage'
import type { Stamper } from '../coordinator/stamper'
import type { Counters } from '../metrics'
import type { LocalReplica } from '../replica/local-replica'
import { counts, entryOf } from './entries'
import type { PartitionDigests } from './partition-digests'
import type { ProofNews } from './proof-news'
import type { RepairPeer } from './repair-peer'
import type { RepairState } from './repair-state'

/** Bytes of entries, or of cells, in one answer. */
export const REPAIR_BYTES_MAX = 256 * 1024
/** Cells examined for one answer. */
const EXAMINED_MAX = 20_000

export interface LocalRepairParts {
  readonly store: CellStore
  readonly local: LocalReplica
  readonly state: RepairState
  readonly digests: PartitionDigests
  readonly news: Pick<ProofNews, 'moved'>
  readonly stamper: Stamper
  readonly counters: Counters
  readonly partitionBits: number
  readonly generation: number
  readonly maxClockAheadMs: number
  readonly wallMs: () => number
}

/** This node's side of a comparison. */
export class LocalRepairPeer implements RepairPeer {
  constructor(private readonly parts: LocalRepairParts) {}

  async begin({ partitions, cutoffMs }: RepairBegin): Promise<RepairBegun> {
    const { local, generation, wallMs, maxClockAheadMs } = this.parts
    const { fences } = local
    // Writes would be stamped above it, where others refuse them.
    if (cutoffMs > wallMs() + maxClockAheadMs) {
      const message = "the comparison would reach too far ahead of this node's clock"
      throw new CassioError('CASSIO_STAMP_AHEAD', message)
    }
    for (const partition of partitions) fences.raise(partition, cutoffMs)
    return { generation, provenMs: partitions.map((partition) => fences.provenOf(partition)) }
  }

  async digests({ partitions, cutoffMs, provenMs }: RepairDigests): Promise<RepairDigested> {
    this.learn(partitions, provenMs)
    return this.parts.digests.roots(partitions, cutoffMs, provenMs)
  }

  async leaves({ partition, cutoffMs, provenMs }: RepairLeaves): Promise<Buffer> {
    const leaves = await this.parts.digests.leaves(partition, cutoffMs, provenMs)
    if (leaves === undefined) return Buffer.alloc(DIGEST_LEAVES * DIGEST_BYTES)
    return Buffer.from(leaves.buffer, leaves.byteOffset, leaves.byteLength)
  }

  async list(call: RepairList): Promise<RepairListed> {
    const { partition, cutoffMs, provenMs, leaves, afterKey } = call
    const entries: Buffer[] = []
    let bytes = 0
    let examined = 0
    let until: Buffer | undefined
    await this.parts.store.scan(partition, partition, afterKey, (cell, at) => {
      examined += 1
      const keyAt = at + CELL_HEADER_BYTES
      const hash = keyHash(cell, keyAt, keyAt + cellKeyLength(cell, at))
      if (isWanted(leaves, digestLeafOf(hash)) && counts(cell, at, cutoffMs, provenMs)) {
        const entry = entryOf(cell, at, cutoffMs)
        entries.push(entry)
        bytes += entry.length
      }
      if (bytes < REPAIR_BYTES_MAX && examined < EXAMINED_MAX) return true
      until = Buffer.from(cellKey(cell, at))
      return false
    })
    return { entries: Buffer.concat(entries), ...(until === undefined ? {} : { until }) }
  }

  async fetch({ partition, keys }: RepairFetch): Promise<RepairCells> {
    const cells: Buffer[] = []
    let bytes = 0
    let looked = 0
    for (const key of keys) {
      const cell = await this.read(partition, key)
      if (cell !== undefined) {
        // A cell alone may have any size.
        if (cells.length > 0 && bytes + cell.length > REPAIR_BYTES_MAX) break
        cells.push(cell)
        bytes += cell.length
      }
      looked += 1
    }
    return { cells, looked }
  }

  async apply({ partition, cells }: RepairApply): Promise<RepairApplied> {
    const outcomes = await Promise.all(cells.map((cell) => this.write(partition, cell)))
    return { applied: outcomes.filter((isNewest) => isNewest).length }
  }

  async prepare(call: RepairPrepare): Promise<RepairPrepared> {
    const { state, local, store, generation } = this.parts
    const { partitions, cutoffMs } = call
    const holds = (partition: number) => local.fences.fenceOf(partition) >= cutoffMs
    if (call.generation !== generation || !partitions.every(holds)) return { prepared: false }
    await store.sync()
    await state.save()
    return { prepared: true }
  }

  async commit({ partitions, cutoffMs }: RepairCommit): Promise<void> {
    const { state, counters, wallMs } = this.parts
    let moved = false
    for (const partition of partitions) {
      if (!state.verify(partition, cutoffMs, wallMs())) continue
      moved = true
      counters.partitionsProven += 1
    }
    if (moved) this.tellStore()
  }

  async mark({ partitions }: RepairMark): Promise<void> {
    for (const partition of partitions) this.parts.state.mark(partition)
  }

  /** Once it is kept. When that fails, the next proof tries again. */
  private tellStore(): void {
    const { state, news } = this.parts
    state.save().then(
      () => news.moved(),
      () => {},
    )
  }

  /** What one replica knows to be proven is proven for all. */
  private learn(partitions: readonly number[], provenMs: readonly number[]): void {
    const { local } = this.parts
    let moved = false
    partitions.forEach((partition, i) => {
      if (local.fences.prove(partition, provenMs[i]!)) moved = true
    })
    if (moved) this.tellStore()
  }

  private read(partition: number, key: Buffer): Promise<Buffer | undefined> {
    const { store } = this.parts
    return new Promise((resolve, reject) => {
      const sink: ReadSink = {
        onRead(_token, cell, at) {
          const bytes = cell?.subarray(at, at + cellSize(cell, at))
          resolve(bytes === undefined ? undefined : Buffer.from(bytes))
        },
        onReadFailed: (_token, error) => reject(error),
      }
      store.read(key, 0, key.length, partition, keyHash(key, 0, key.length), sink, 0)
    })
  }

  /** @returns whether the cell is now the newest of its key. */
  private write(partition: number, cell: Buffer): Promise<boolean> {
    const { local, stamper, counters, partitionBits } = this.parts
    const fault = cellFault(cell, 0, cell.length)
    const hash = fault === undefined ? hashOf(cell) : 0
    if (fault !== undefined || partitionOf(hash, partitionBits) !== partition) {
      const message = fault ?? 'a cell is not of the partition that it was sent for'
      return Promise.reject(new CassioError('CASSIO_INVALID', message))
    }
    if (stamper.isTooFarAhead(cell, CELL_STAMP_AT)) {
      const message = "a cell is stamped too far ahead of this node's clock"
      return Promise.reject(new CassioError('CASSIO_STAMP_AHEAD', message))
    }
    stamper.observe(cell, CELL_STAMP_AT)
    return new Promise((resolve, reject) => {
      const sink: WriteSink = {
        onWritten: (_token, newest) => resolve(newest === undefined),
        onWriteFailed: (_token, error) => reject(error),
      }
      const outcome = local.write(WriteMode.repair, cell, 0, partition, hash, sink, 0)
      if (outcome === undefined) return
      if (outcome !== ReplicaOutcome.settled) {
        reject(new CassioError('CASSIO_OVERLOADED', 'the replica has too much to do'))
        return
      }
      // Somebody holds what all had agreed is not there.
      counters.lateArrivals += 1
      resolve(false)
    })
  }
}

function hashOf(cell: Buffer): number {
  return keyHash(cell, CELL_HEADER_BYTES, CELL_HEADER_BYTES + cellKeyLength(cell, 0))
}

function isWanted(leaves: Buffer, leaf: number): boolean {
  return (leaves[leaf >>> 3]! & (1 << (leaf & 7))) !== 0
}
