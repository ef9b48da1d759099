import { partitionOf } from '@cassiopeia/placement'
import {
  CassioError,
  CellFlag,
  cellValue,
  compareStamps,
  type ExplainParams,
  type Explanation,
  formatStamp,
  KEY_BYTES_MAX,
  keyHash,
  type PurgeState,
  quorum,
  type ReplicaVote,
  stampMs,
  type VerifiedState,
  VOTE_BYTES,
  type VoteParams,
  type VoteResult,
  votesAgree,
  writeVote,
} from '@cassiopeia/protocol'
import type { CellStore } from '@cassiopeia/storage'
import { leadingMember } from '../repair/leadership'
import type { ClusterView } from '../topology/cluster-view'
import type { PeerCalls } from '../transport/peer-calls'

/** What this node knows of the agreement of replicas. */
export interface ProofSource {
  provenMs(partition: number): number
  verifiedState(partition: number): VerifiedState | undefined
}

export interface ExplainerPorts {
  nowMs(): number
  wallMs(): number
}

interface Ballot {
  readonly member: number
  readonly result: VoteResult | CassioError
  readonly latencyMs: number
}

/** Holds a vote of all replicas on one key and tells how it went; repairs nothing. */
export class Explainer {
  constructor(
    private readonly store: CellStore,
    private readonly calls: PeerCalls,
    private readonly proofs: ProofSource,
    private readonly ports: ExplainerPorts,
  ) {}

  /** This node's own vote. */
  async vote(view: ClusterView, key: Buffer): Promise<VoteResult> {
    const hash = keyHash(key, 0, key.length)
    const partition = partitionOf(hash, view.table.partitionBits)
    const ballot = await this.read(key, partition, hash)
    const provenMs = this.proofs.provenMs(partition)
    const verified = this.proofs.verifiedState(partition)
    return { ...ballot, provenMs, ...(verified === undefined ? {} : { verified }) }
  }

  private read(
    key: Buffer,
    partition: number,
    hash: number,
  ): Promise<Pick<VoteResult, 'vote' | 'valueBytes'>> {
    return new Promise((resolve, reject) => {
      const sink = {
        onRead(_token: number, cell: Buffer | undefined, at: number): void {
          if (cell === undefined) {
            resolve({ vote: null, valueBytes: 0 })
            return
          }
          const vote = Buffer.alloc(VOTE_BYTES)
          writeVote(vote, 0, cell, at)
          resolve({ vote, valueBytes: cellValue(cell, at).length })
        },
        onReadFailed(_token: number, error: CassioError): void {
          reject(error)
        },
      }
      this.store.read(key, 0, key.length, partition, hash, sink, 0)
    })
  }

  async explain(view: ClusterView, params: unknown, timeoutMs: number): Promise<Explanation> {
    const key = readKey(params)
    const { table, map, ownIndex } = view
    const partition = partitionOf(keyHash(key, 0, key.length), table.partitionBits)
    const members = Array.from({ length: table.replicationFactor }, (_, slot) =>
      table.replica(partition, slot),
    ).filter((member) => member >= 0)
    const ballots = await Promise.all(
      members.map((member) => this.collect(view, member, key, timeoutMs)),
    )
    const winner = findWinner(ballots)
    const wallMs = this.ports.wallMs()
    const votes = ballots.map((ballot) => describe(view, ballot, winner, wallMs))
    return {
      partition,
      epoch: map.epoch,
      wallMs,
      coordinator: view.addressOf(ownIndex),
      votes,
      outcome: winner === undefined ? 'none' : stateOf(winner, wallMs),
      winner: winner === undefined ? null : formatStamp(winner, 0),
      rule: ruleOf(votes, quorum(map.replicationFactor)),
      purge:
        winner !== undefined && stateOf(winner, wallMs) !== 'value'
          ? purgeOf(view, partition, ballots, winner)
          : null,
    }
  }

  private async collect(
    view: ClusterView,
    member: number,
    key: Buffer,
    timeoutMs: number,
  ): Promise<Ballot> {
    const startedMs = this.ports.nowMs()
    const params: VoteParams = { epoch: view.map.epoch, key }
    const peer = view.peers[member]
    let result: VoteResult | CassioError
    try {
      result =
        peer === undefined
          ? await this.vote(view, key)
          : readVote(await this.calls.call(peer, 'vote', params, timeoutMs))
    } catch (error) {
      result = error as CassioError
    }
    return { member, result, latencyMs: this.ports.nowMs() - startedMs }
  }
}

/** Checks a foreign request for one key. @throws CassioError CASSIO_INVALID. */
export function readKey(params: unknown): Buffer {
  const key = (params as Partial<ExplainParams> | null)?.key
  if (!(key instanceof Uint8Array) || key.length === 0 || key.length > KEY_BYTES_MAX) {
    throw new CassioError('CASSIO_INVALID', 'the request names no key of 1 to 65,535 bytes')
  }
  return Buffer.from(key)
}

function readVote(result: unknown): VoteResult {
  const { vote, valueBytes, provenMs, verified } = (result ?? {}) as Partial<VoteResult>
  const isVote = vote === null || (vote instanceof Uint8Array && vote.length === VOTE_BYTES)
  if (!isVote || !Number.isInteger(valueBytes) || !Number.isFinite(provenMs)) {
    throw new CassioError('CASSIO_PROTOCOL', 'the replica sent no vote')
  }
  return {
    vote: vote === null ? null : Buffer.from(vote),
    valueBytes: valueBytes!,
    provenMs: provenMs!,
    ...(isVerifiedState(verified) ? { verified } : {}),
  }
}

function isVerifiedState(verified: unknown): verified is VerifiedState {
  const state = verified as Partial<VerifiedState> | null | undefined
  return Number.isFinite(state?.verifiedMs) && Array.isArray(state?.blockers)
}

/** Whether a tombstone may be forgotten, and who keeps it from that. */
function purgeOf(
  view: ClusterView,
  partition: number,
  ballots: readonly Ballot[],
  tombstone: Buffer,
): PurgeState {
  const heard = ballots.flatMap(({ result }) => ('vote' in result ? [result] : []))
  const provenMs = heard.reduce((most, result) => Math.max(most, result.provenMs), 0)
  const verified = heard.find((result) => result.verified !== undefined)?.verified
  const leader = view.addressOf(leadingMember(view, partition))
  const verifiedMs = verified?.verifiedMs ?? -1
  if (stampMs(tombstone, 0) <= provenMs) {
    return { state: 'proven', leader, verifiedMs, blockers: [] }
  }
  const silent = ballots
    .filter(({ result }) => !('vote' in result))
    .map(({ member, result }) => ({
      node: view.addressOf(member),
      reason: (result as CassioError).message,
    }))
  const known = new Set(silent.map(({ node }) => node))
  const others = verified?.blockers.filter(({ node }) => !known.has(node)) ?? []
  const blockers = [...silent, ...others]
  if (blockers.length === 0) {
    blockers.push({ node: leader, reason: 'the replicas are not compared up to its stamp yet' })
  }
  return { state: 'waiting', leader, verifiedMs, blockers }
}

function voteOf(ballot: Ballot): Buffer | null {
  return 'vote' in ballot.result ? ballot.result.vote : null
}

function findWinner(ballots: readonly Ballot[]): Buffer | undefined {
  let winner: Buffer | undefined
  for (const ballot of ballots) {
    const vote = voteOf(ballot)
    if (vote === null) continue
    if (winner === undefined || compareStamps(vote, 0, winner, 0) > 0) winner = vote
  }
  return winner
}

function stateOf(vote: Buffer, wallMs: number): 'value' | 'tombstone' | 'expired' {
  const flags = vote[16]!
  if ((flags & CellFlag.tombstone) !== 0) return 'tombstone'
  return (flags & CellFlag.expires) !== 0 && vote.readUIntBE(18, 6) <= wallMs ? 'expired' : 'value'
}

function describe(
  view: ClusterView,
  ballot: Ballot,
  winner: Buffer | undefined,
  wallMs: number,
): ReplicaVote {
  const { result, member, latencyMs } = ballot
  const who = { node: view.map.members[member]!.id, address: view.addressOf(member), latencyMs }
  if (!('vote' in result)) {
    const isSilent = result.code === 'CASSIO_TIMEOUT' || result.code === 'CASSIO_CONNECTION'
    const state = isSilent ? 'silent' : 'refused'
    const nothing = { stamp: null, valueBytes: 0, expiryMs: 0, provenMs: 0 }
    return { ...who, state, verdict: 'silent', ...nothing }
  }
  const { vote, valueBytes, provenMs } = result
  if (vote === null) {
    const verdict = winner === undefined ? 'newest' : 'stale'
    return { ...who, state: 'none', verdict, stamp: null, valueBytes, expiryMs: 0, provenMs }
  }
  return {
    ...who,
    state: stateOf(vote, wallMs),
    verdict: votesAgree(vote, 0, winner!, 0) ? 'newest' : 'stale',
    stamp: formatStamp(vote, 0),
    valueBytes,
    expiryMs: vote.readUIntBE(18, 6),
    provenMs,
  }
}

function ruleOf(votes: readonly ReplicaVote[], needed: number): string {
  const count = (verdict: ReplicaVote['verdict']): number =>
    votes.filter((vote) => vote.verdict === verdict).length
  const silent = count('silent')
  const heard = votes.length - silent
  const stale = count('stale')
  const unheard = silent === 0 ? '' : `; ${silent} did not vote`
  if (heard === 0) return 'no replica voted'
  if (heard < needed) return `too few votes for QUORUM, ${heard} of ${needed}${unheard}`
  if (stale === 0) return `all ${heard} votes agree${unheard}`
  return (
    `the newest stamp wins; ${stale} of ${heard} votes are older, and a read at QUORUM that ` +
    `meets one of them repairs it before it answers${unheard}`
  )
}
