import { compareStamps, isRefusal, ReplicaOutcome, STAMP_BYTES } from '@cassiopeia/protocol'

/** What to do next with a write. */
export const WriteStep = Object.freeze({
  wait: 0,
  /** Enough replicas hold it and none of them a newer version: acknowledge. */
  written: 1,
  /** Enough replicas answered, but a newer version stands somewhere: stamp above it, send again. */
  restamp: 2,
  /** Too few replicas are left that could still answer. */
  failed: 3,
})
export type WriteStep = (typeof WriteStep)[keyof typeof WriteStep]

const PENDING = 255
const LOST = 254
const UNSENT = 253

/**
 * Decides one write by the answers of its replicas. Pure, and reused from operation to operation, so
 * it fills its own slots instead of returning objects.
 *
 * The dominated rule: a replica's answer says whether it already holds a newer version. If any of the
 * answers that make up the level says so, the write is stamped again above that version. Since two
 * quorums share a replica, a write that begins after another was acknowledged at QUORUM always meets
 * that one's stamp and ends above it, whatever the clocks say. With a stamp given by the client the
 * write is not moved: it is then superseded.
 *
 * A replica may also be fenced: nothing as old as the write is taken there any more. That is a
 * refusal; when it keeps the write from its level, the write is stamped again above the fence.
 */
export class WriteCore {
  /** Replicas that hold the write durably. */
  received = 0
  /** The newest stamp that stood above the write, or fenced it off. */
  readonly newest = Buffer.alloc(STAMP_BYTES)
  dominated = false
  /** Answers that are still owed. */
  pending = 0
  private fenced = false
  private required = 0
  private keepStamp = false
  private outcomes = new Uint8Array(8)
  private replicas = 0

  /** A new write, or a new round of one: nobody has answered. */
  begin(replicas: number, required: number, keepStamp: boolean): void {
    if (this.outcomes.length < replicas) this.outcomes = new Uint8Array(replicas)
    this.outcomes.fill(UNSENT, 0, replicas)
    this.replicas = replicas
    this.required = required
    this.keepStamp = keepStamp
    this.received = 0
    this.pending = 0
    this.dominated = false
    this.fenced = false
  }

  /** The write has been sent to a replica. */
  sent(replica: number): void {
    this.outcomes[replica] = PENDING
    this.pending += 1
  }

  /** Whether a replica still owes its answer. */
  isPending(replica: number): boolean {
    return replica < this.replicas && this.outcomes[replica] === PENDING
  }

  /**
   * @param newest Where a replica that says `dominated` holds a newer version: its stamp. With
   * `fenced`: the stamp of the fence.
   * A repeated answer, or one of a replica that was not asked, does not count.
   */
  onOutcome(replica: number, outcome: ReplicaOutcome, newest?: Buffer, newestAt = 0): WriteStep {
    if (!this.isPending(replica)) return WriteStep.wait
    // What a peer says may be any byte; it must not pass for one of this core's own states.
    this.outcomes[replica] = outcome < UNSENT ? outcome : LOST
    this.pending -= 1
    if (outcome === ReplicaOutcome.dominated) {
      this.received += 1
      this.noteNewer(newest!, newestAt)
      this.dominated = true
    } else if (outcome === ReplicaOutcome.fenced) {
      this.noteNewer(newest!, newestAt)
      this.fenced = true
    } else if (outcome === ReplicaOutcome.applied) {
      this.received += 1
    }
    return this.judge()
  }

  /** The replica will not answer any more; whether it applied the write is unknown. */
  onLost(replica: number): WriteStep {
    if (!this.isPending(replica)) return WriteStep.wait
    this.outcomes[replica] = LOST
    this.pending -= 1
    return this.judge()
  }

  /** What to do now; also to be asked once after everything has been sent. */
  judge(): WriteStep {
    if (this.received >= this.required) {
      return this.dominated && !this.keepStamp ? WriteStep.restamp : WriteStep.written
    }
    if (this.received + this.pending >= this.required) return WriteStep.wait
    if (!this.fenced) return WriteStep.failed
    if (!this.keepStamp) return WriteStep.restamp
    // When all say so, the write is nowhere: worth knowing for who chose the stamp.
    return this.pending > 0 ? WriteStep.wait : WriteStep.failed
  }

  /** Whether the replica has said that it holds the write, or something newer. */
  isHeldBy(replica: number): boolean {
    const outcome = this.outcomes[replica]!
    return outcome === ReplicaOutcome.applied || outcome === ReplicaOutcome.dominated
  }

  /** Whether the replica has missed the write and would take it later. */
  wantsHint(replica: number): boolean {
    if (this.isHeldBy(replica)) return false
    const outcome = this.outcomes[replica]!
    return outcome !== ReplicaOutcome.fenced && outcome !== ReplicaOutcome.invalid
  }

  /** The answer of a replica, for an error's causes; undefined when it gave none. */
  outcomeOf(replica: number): ReplicaOutcome | undefined {
    const outcome = this.outcomes[replica]!
    return outcome >= UNSENT ? undefined : (outcome as ReplicaOutcome)
  }

  /** Whether some replica of this round may hold the write now or later. */
  mayBeApplied(): boolean {
    for (let replica = 0; replica < this.replicas; replica += 1) {
      const outcome = this.outcomes[replica]!
      if (outcome === UNSENT) continue
      // A failed disk may have kept what it could not confirm.
      if (!isRefusal(outcome) || outcome >= LOST || outcome === ReplicaOutcome.storage) return true
    }
    return false
  }

  private noteNewer(stamp: Buffer, at: number): void {
    const isFirst = !this.dominated && !this.fenced
    if (isFirst || compareStamps(stamp, at, this.newest, 0) > 0) {
      stamp.copy(this.newest, 0, at, at + STAMP_BYTES)
    }
  }
}
