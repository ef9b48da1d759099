import {
  type FinalVotes,
  type History,
  type OperationRecord,
  type ReplicaState,
  stampMsOf,
} from '../history'
import type { Violation } from '.'
import { Ends } from './ends'
import { byKey, hasNewerStamp, isAcknowledged, Promises } from './promises'

/**
 * What the replicas hold when all is over: the same, nothing older than what was acknowledged, and
 * nothing that was deleted. A tombstone may be gone from some: then all had it.
 */
export function checkFinal(history: History): Violation[] {
  const promises = new Promises(history.plan)
  const keys = byKey(history)
  const violations = history.finalVotes.flatMap((votes) => {
    const records = keys.get(votes.key) ?? []
    const seen = records.filter(
      (record) =>
        isAcknowledged(record) &&
        promises.meetsQuorum(record) &&
        record.completeOrder < votes.order,
    )
    return new FinalKey(votes, seen, new Ends(records, history)).check()
  })
  return [...violations, ...checkNodes(history)]
}

/** Whether these replicas are equal. */
export function isConverged(votes: readonly ReplicaState[]): boolean {
  const newest = newestOf(votes)
  return newest === undefined || votes.every((vote) => isEqual(vote, newest))
}

function newestOf(votes: readonly ReplicaState[]): ReplicaState | undefined {
  let newest: ReplicaState | undefined
  for (const vote of votes) {
    if (vote.stamp !== null && (newest === undefined || vote.stamp > newest.stamp!)) newest = vote
  }
  return newest
}

function isDead({ state }: ReplicaState): boolean {
  return state === 'tombstone' || state === 'expired'
}

/**
 * Whether the replica may have forgotten a tombstone of this stamp. What it then has left may be a
 * tombstone that is older still.
 */
function mayHaveForgotten(vote: ReplicaState, stamp: string): boolean {
  const hasNothing = vote.state === 'none' || isDead(vote)
  return hasNothing && stampMsOf(stamp) <= vote.provenMs
}

function isEqual(vote: ReplicaState, newest: ReplicaState): boolean {
  if (vote.stamp !== newest.stamp) {
    return isDead(newest) && mayHaveForgotten(vote, newest.stamp!)
  }
  // Once expired, a value may have become a tombstone here and not yet there.
  return vote.digest === newest.digest || (isDead(vote) && isDead(newest))
}

class FinalKey {
  private readonly violations: Violation[] = []

  constructor(
    private readonly final: FinalVotes,
    private readonly seen: readonly OperationRecord[],
    private readonly ends: Ends,
  ) {}

  check(): Violation[] {
    const { votes } = this.final
    if (!isConverged(votes)) this.report('convergence', `replicas differ: ${inWords(votes)}`)
    const floor = newestWrite(this.seen)
    const del = newestWrite(this.seen.filter(({ verb }) => verb === 'del'))
    for (const vote of votes) {
      if (floor !== undefined && !this.isKept(vote, floor)) {
        this.report('acknowledged-write-lost', `a replica is behind: ${inWords([vote])}`, floor)
      }
      if (del !== undefined && vote.state === 'value' && vote.stamp! < del.stamp!) {
        this.report('resurrection', `a replica has what was deleted: ${inWords([vote])}`, del)
      }
    }
    return this.violations
  }

  private isKept(vote: ReplicaState, floor: OperationRecord): boolean {
    if (vote.stamp !== null && vote.stamp >= floor.stamp!) return true
    const { order, atMs } = this.final
    return mayHaveForgotten(vote, floor.stamp!) && this.ends.mayBe(floor.stamp!, order, atMs)
  }

  private report(rule: string, message: string, ...witnesses: OperationRecord[]): void {
    const { key, stage } = this.final
    const when = stage === 'alone' ? 'after repair' : 'after a last read'
    this.violations.push({ rule, message: `${when} ${message}`, key, witnesses })
  }
}

function newestWrite(writes: readonly OperationRecord[]): OperationRecord | undefined {
  let newest: OperationRecord | undefined
  for (const write of writes) {
    if (newest === undefined || hasNewerStamp(write, newest)) newest = write
  }
  return newest
}

function inWords(votes: readonly ReplicaState[]): string {
  return votes
    .map(({ node, state, stamp }) => `${node} ${state}${stamp === null ? '' : ` ${stamp}`}`)
    .join(', ')
}

/** The nodes agree on the cluster, see each other, and keep nothing for each other any more. */
function checkNodes({ finalNodes }: History): Violation[] {
  const violations: Violation[] = []
  const report = (message: string) =>
    violations.push({ rule: 'convergence', message, witnesses: [] })
  for (const { node, epoch, hintBytes, seesAll } of finalNodes) {
    if (epoch !== finalNodes[0]!.epoch) report(`${node} is at epoch ${epoch}`)
    if (hintBytes > 0) report(`${node} still keeps ${hintBytes} bytes of hints for live nodes`)
    if (!seesAll) report(`${node} does not see all live nodes`)
  }
  return violations
}
