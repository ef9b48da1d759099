import type { Ports } from '@cassiopeia/env'
import { CELL_STAMP_AT, ReplicaOutcome, type WriteMode } from '@cassiopeia/protocol'
import type { CellStore, WriteSink } from '@cassiopeia/storage'
import type { Counters } from '../metrics'
import { type Fences, Passage } from '../repair/fences'

/**
 * The one way by which cells come into this node's store, whoever sends them: past the fence of their
 * partition.
 */
export class LocalReplica {
  constructor(
    private readonly store: CellStore,
    readonly fences: Fences,
    private readonly counters: Counters,
    private readonly buggify: Ports['buggify'],
  ) {}

  /**
   * @returns undefined when the store has taken the cell: the sink is told later. Else `fenced`, or
   * `settled` for a repair, or another refusal: the sink is not told.
   */
  write(
    mode: WriteMode,
    cell: Buffer,
    at: number,
    partition: number,
    hash: number,
    sink: WriteSink,
    token: number,
  ): ReplicaOutcome | undefined {
    const { fences } = this
    const passage = fences.passageOf(partition, mode, cell, at + CELL_STAMP_AT)
    if (passage === Passage.fenced) {
      this.counters.fenceRefusals += 1
      return ReplicaOutcome.fenced
    }
    if (passage === Passage.settled) {
      this.counters.settledRepairs += 1
      return ReplicaOutcome.settled
    }
    if (this.buggify?.('replica.refuse')) return ReplicaOutcome.overloaded
    fences.arrivals[partition]! += 1
    this.store.write(cell, at, partition, hash, sink, token)
    return undefined
  }
}
