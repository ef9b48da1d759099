import type { ConsistencyLevel } from './consistency-level'
import type { CassioError, WireError } from './errors'
import { errorFromWire, errorToWire } from './errors'
import { pack, unpack } from './message-pack'
import type { RepairMethod } from './repair-calls'

/**
 * Control calls: MessagePack, by name. Everything that is not get, set or del.
 *
 * | method  | params          | result        |
 * | ------- | --------------- | ------------- |
 * | map     | none            | `Buffer`, see `decodeClusterMap` |
 * | status  | none            | `NodeStatus`  |
 * | explain | `ExplainParams` | `Explanation` |
 * | scan    | `ScanParams`    | `ScanPage`    |
 * | page    | `PageParams`    | `PageResult`, node to node |
 * | repair  | `RepairParams`  | `RepairProgress` |
 * | vote    | `VoteParams`    | `VoteResult`, node to node |
 * | repair-*| see `repair-calls.ts`, node to node | |
 */
export type ControlMethod =
  | 'map'
  | 'status'
  | 'explain'
  | 'scan'
  | 'page'
  | 'vote'
  | 'repair'
  | RepairMethod

export interface NodeLoad {
  readonly keys: number
  readonly cellBytes: number
  readonly memoryBytes: number
  readonly logBytes: number
  /** Client requests answered since the node started. */
  readonly requests: number
  /** Bytes of hints that this node keeps for others. */
  readonly hintBytes: number
  /**
   * How long ago the partition that waits longest was last verified, in milliseconds, among those
   * that this node leads the repair of; -1 when one was never verified.
   */
  readonly unverifiedMs: number
}

export interface MemberStatus {
  readonly id: string
  readonly address: string
  readonly rack: string
  readonly datacenter: string
  /** This node's own, local verdict: 'unknown' until the member has been heard of once. */
  readonly state: 'alive' | 'suspected' | 'unknown'
  /** Suspicion, 0 or more; 0 for the node that answers. */
  readonly phi: number
  readonly connected: boolean
  /** Usual time to an answer from this member, in milliseconds; 0 until one was measured. */
  readonly latencyMs: number
  readonly generation: number
  readonly heartbeat: number
  /** Partitions that the member holds a replica of. */
  readonly partitions: number
  readonly load: NodeLoad | null
}

export interface NodeStatus {
  readonly nodeId: string
  readonly address: string
  readonly version: string
  readonly uptimeMs: number
  /** Empty until the cluster has formed. */
  readonly clusterId: string
  readonly epoch: number
  readonly replicationFactor: number
  readonly partitionBits: number
  /** Founding members that this node has not heard from; empty once the cluster has formed. */
  readonly missing: readonly string[]
  readonly members: readonly MemberStatus[]
  readonly clients: number
  readonly operationsInFlight: number
  /** Counters since start: reads, writes, hedges, readRepairs, restamps, timeouts, refusals, … */
  readonly counters: Readonly<Record<string, number>>
  readonly hints: HintStatus
  readonly repair: RepairStatus
}

/** What a node keeps for replicas that missed a write. */
export interface HintStatus {
  readonly bytes: number
  /** Milliseconds since the oldest hint was kept; 0 without hints. */
  readonly oldestMs: number
  /** Only members for which there are hints. */
  readonly peers: readonly { readonly address: string; readonly bytes: number }[]
}

/** The state of anti-entropy on one node: of the partitions whose repair it leads. */
export interface RepairStatus {
  readonly enabled: boolean
  readonly leads: number
  /** As in `NodeLoad`. */
  readonly unverifiedMs: number
  /** Partitions that were never verified. */
  readonly neverVerified: number
  /** Partitions marked because a hint was dropped or damage was met: they come first. */
  readonly marked: number
  /** Partitions that could not be proven when last tried, as some replica did not take part. */
  readonly blocked: number
  /** A session is under way. */
  readonly active: boolean
}

export interface RepairParams {
  /** 'start' begins a run, unless one is under way; 'progress' asks how far it is; 'stop' ends it. */
  readonly action: 'start' | 'progress' | 'stop'
  /** With 'start': only these; by default all whose repair the node leads. */
  readonly partitions?: readonly number[]
}

/** How far a run of `repair` on one node is. */
export interface RepairProgress {
  readonly running: boolean
  /** Partitions of the run: all, done (verified, or given up), found equal by all replicas. */
  readonly total: number
  readonly done: number
  readonly verified: number
  /** Partitions in which replicas differed, cells copied between them, bytes of those. */
  readonly differed: number
  readonly cells: number
  readonly bytes: number
  /** Why partitions could not be verified. */
  readonly failures: readonly {
    readonly partitions: number
    readonly node: string
    readonly reason: string
  }[]
}

export interface ExplainParams {
  readonly key: Buffer
}

/** One replica's vote on a key. */
export interface ReplicaVote {
  readonly node: string
  readonly address: string
  readonly state: 'value' | 'tombstone' | 'expired' | 'none' | 'silent' | 'refused'
  readonly verdict: 'newest' | 'stale' | 'silent'
  readonly stamp: string | null
  readonly valueBytes: number
  readonly expiryMs: number
  readonly latencyMs: number
  /**
   * The milliseconds of stamps up to which, as this replica knows, all replicas of the partition have
   * agreed, so that tombstones up to there may go; 0 for none or when it did not answer.
   */
  readonly provenMs: number
}

export interface Explanation {
  readonly partition: number
  readonly epoch: number
  /** When the vote was held, by the coordinator's wall clock. */
  readonly wallMs: number
  readonly coordinator: string
  readonly votes: readonly ReplicaVote[]
  /** What the winning vote is; whether a level could be met is another question. */
  readonly outcome: 'value' | 'tombstone' | 'expired' | 'none'
  readonly winner: string | null
  /** The rule that decided, in words. */
  readonly rule: string
  /** Where the winner is a tombstone, or has expired: whether it may be forgotten, and who still blocks that. */
  readonly purge: PurgeState | null
}

export interface PurgeState {
  /** 'proven': each replica may forget it at its next compaction. */
  readonly state: 'proven' | 'waiting'
  /** Who leads the repair of the partition. */
  readonly leader: string
  /** Milliseconds since all replicas of the partition were last found equal; -1: never. */
  readonly verifiedMs: number
  readonly blockers: readonly { readonly node: string; readonly reason: string }[]
}

export interface ScanParams {
  /** Where to go on: the first partition, and the last key already seen in it. */
  readonly partition: number
  readonly afterKey?: Buffer
  readonly prefix?: Buffer
  /** Cells wanted, 1 to 10,000; a page may hold fewer and yet not be the last. */
  readonly limit: number
  readonly level: ConsistencyLevel
  readonly keysOnly: boolean
}

export interface ScanPage {
  /** Live cells in order of (partition, key); without values when `keysOnly`. */
  readonly cells: readonly Buffer[]
  /** Absent when the scan is complete. */
  readonly next?: { readonly partition: number; readonly afterKey?: Buffer }
}

/** One replica's share of a scan: the partitions named, in rising order. */
export interface PageParams {
  readonly epoch: number
  readonly partitions: readonly number[]
  /** Within the first partition, begin above this key. */
  readonly afterKey?: Buffer
  readonly prefix?: Buffer
  readonly limit: number
  readonly keysOnly: boolean
}

export interface PageResult {
  /** Cells with the number of their partition, tombstones and expired ones included. */
  readonly cells: readonly (readonly [partition: number, cell: Buffer])[]
  /** The page covers everything up to this place; absent when it covers all that was asked for. */
  readonly until?: { readonly partition: number; readonly afterKey: Buffer }
}

export interface VoteParams {
  readonly epoch: number
  readonly key: Buffer
}

export interface VoteResult {
  /** `VOTE_BYTES` as `writeVote` lays them out; null when the key has no cell. */
  readonly vote: Buffer | null
  readonly valueBytes: number
  /** As in `ReplicaVote`. */
  readonly provenMs: number
  /** When all replicas were last found equal, as the leader of the partition's repair knows it. */
  readonly verified?: VerifiedState
}

/** What the leader of a partition's repair knows of it. */
export interface VerifiedState {
  /** Milliseconds ago; -1: never. */
  readonly verifiedMs: number
  /** Why the latest attempt ended without a proof. */
  readonly blockers: readonly { readonly node: string; readonly reason: string }[]
}

/** CALL: u32 id, f64 deadline in the receiver's monotonic milliseconds, MessagePack. */
export const Call = Object.freeze({ id: 0, deadline: 4, rest: 12 })
/** RESULT and FAULT: u32 id, MessagePack. */
export const Reply = Object.freeze({ id: 0, rest: 4 })

export function encodeCall(
  id: number,
  deadline: number,
  method: ControlMethod,
  params: unknown,
): Buffer {
  const body = pack({ method, params: params ?? null })
  const bytes = Buffer.allocUnsafe(Call.rest + body.length)
  bytes.writeUInt32BE(id, Call.id)
  bytes.writeDoubleBE(deadline, Call.deadline)
  body.copy(bytes, Call.rest)
  return bytes
}

/** @throws RangeError when it is no call. */
export function decodeCall(body: Buffer): { method: string; params: unknown } {
  const call = unpack(body.subarray(Call.rest)) as { method?: unknown; params?: unknown } | null
  if (typeof call !== 'object' || call === null || typeof call.method !== 'string') {
    throw new RangeError('not a call')
  }
  return { method: call.method, params: call.params }
}

/** The body of RESULT. */
export function encodeResult(id: number, result: unknown): Buffer {
  return encodeReply(id, pack(result ?? null))
}

/** The body of FAULT. */
export function encodeFault(id: number, error: CassioError): Buffer {
  return encodeReply(id, pack(errorToWire(error)))
}

function encodeReply(id: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(Reply.rest + body.length)
  bytes.writeUInt32BE(id, Reply.id)
  body.copy(bytes, Reply.rest)
  return bytes
}

/** @param body Of RESULT. @throws RangeError on damage. */
export function decodeResult(body: Buffer): unknown {
  return unpack(body.subarray(Reply.rest))
}

/** @param body Of FAULT. */
export function decodeFault(body: Buffer): CassioError {
  return decodeGoodbye(body.subarray(Reply.rest))
}

/** @param body Of GOODBYE. */
export function decodeGoodbye(body: Buffer): CassioError {
  try {
    return errorFromWire(unpack(body) as WireError)
  } catch {
    return errorFromWire(undefined)
  }
}
