/** Counters since the node started; reported by `status`. */
export class Counters {
  /** Client requests answered, whatever the answer. */
  requests = 0
  reads = 0
  writes = 0
  hedges = 0
  readRepairs = 0
  /** Reads at QUORUM on nobody's behalf, for some of those at lower levels. */
  backgroundReads = 0
  restamps = 0
  timeouts = 0
  unavailables = 0
  overloads = 0
  /** Requests dropped because they arrived past their deadline. */
  expired = 0
  /** Requests refused by this node as a replica. */
  refusals = 0
  /** Writes and hints refused because replicas were agreeing, or had agreed, on what is as old. */
  fenceRefusals = 0
  /** Repairs of what all replicas had agreed on: there was nothing to do. */
  settledRepairs = 0
  /** Comparisons of replicas led by this node, partitions found equal and found different by them. */
  repairSessions = 0
  partitionsVerified = 0
  partitionsDiffered = 0
  /** Copied between replicas by those. */
  cellsRepaired = 0
  bytesRepaired = 0
  /** Partitions of this node proven further. */
  partitionsProven = 0
  /** Cells offered to this node although all replicas had agreed that they are not there. */
  lateArrivals = 0
  /** Hints taken for members that missed a write. */
  hintsKept = 0
  /** Hints that their member has, by the hint or before it. */
  hintsReplayed = 0
  /** Hints that their member will never take. */
  hintsRefused = 0
  /** Hints that were dropped as too old. */
  hintsExpired = 0
  /** Hints that were dropped because a bound was reached or the disk failed. */
  hintsDropped = 0
  /** Times that part of a hint file could not be read; nobody knows how many hints it had. */
  hintsLost = 0

  snapshot(): Record<string, number> {
    return Object.fromEntries(Object.entries(this))
  }
}
