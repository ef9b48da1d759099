import type { CassioError, ErrorCode, RepairProgress } from '@cassiopeia/protocol'
import { protocolError } from './answers'

/** What nodes say of their shares of a repair, put together. Pure. */

/** Why partitions were not verified. */
export interface RepairFailure {
  /** The address of the node that is the cause of it. */
  readonly node: string
  readonly reason: string
  /** How many; 0 where nobody knows. A partition with several causes counts with each of them. */
  readonly partitions: number
}

/** What a repair has done, over all nodes. Everything was verified when `verified` is `total`. */
export interface RepairSummary {
  /** Partitions asked for; more when nodes did not agree on who leads some, which then count twice. */
  readonly total: number
  /** Of those: found equal on all their replicas, in the end. */
  readonly verified: number
  /** Of those: in which replicas differed before. */
  readonly differed: number
  /** Cells copied from one replica to another, and their bytes. */
  readonly cells: number
  readonly bytes: number
  readonly failures: readonly RepairFailure[]
}

/** How far a repair is. */
export interface RepairReport extends RepairSummary {
  /** Partitions that are verified or given up. */
  readonly done: number
  /** Nodes that have to end an earlier run first. */
  readonly waiting: readonly string[]
}

/** One node's share of a repair, as far as it is known. */
export interface RepairShare {
  readonly address: string
  /** Before its run has begun, all zero. */
  progress: RepairProgress
  /** Nothing more will be heard of it. */
  isOver: boolean
  isWaiting: boolean
  /** What the node does not say itself: that it is not there, for instance. */
  failures: readonly RepairFailure[]
}

export const NO_PROGRESS: RepairProgress = Object.freeze({
  running: false,
  total: 0,
  done: 0,
  verified: 0,
  differed: 0,
  cells: 0,
  bytes: 0,
  failures: [],
})

const NOT_THERE: ReadonlySet<ErrorCode> = new Set([
  'CASSIO_CONNECTION',
  'CASSIO_TIMEOUT',
  'CASSIO_CLOSED',
])

/** @param wanted Partitions asked for. */
export function reportOf(shares: readonly RepairShare[], wanted: number): RepairReport {
  const sum = (count: (share: RepairShare) => number) =>
    shares.reduce((so, share) => so + count(share), 0)
  return {
    total: Math.max(
      wanted,
      sum(({ progress }) => progress.total),
    ),
    done: sum(({ progress, isOver }) => (isOver ? progress.total : progress.done)),
    verified: sum(({ progress }) => progress.verified),
    differed: sum(({ progress }) => progress.differed),
    cells: sum(({ progress }) => progress.cells),
    bytes: sum(({ progress }) => progress.bytes),
    failures: merge(
      shares.flatMap(({ progress, failures }) => [...progress.failures, ...failures]),
    ),
    waiting: shares.filter(({ isWaiting }) => isWaiting).map(({ address }) => address),
  }
}

/** What is known when all shares are over. */
export function summaryOf(shares: readonly RepairShare[], wanted: number): RepairSummary {
  const { done: _, waiting: __, failures, ...counts } = reportOf(shares, wanted)
  const led = shares.reduce((sum, { progress }) => sum + progress.total, 0)
  if (led >= wanted) return { ...counts, failures }
  const absent = shares.filter((share) => share.failures.length > 0)
  const node = absent.map(({ address }) => address).join(', ') || 'no node'
  const reason = 'no node that was reached leads the partition now'
  return { ...counts, failures: [...failures, { node, reason, partitions: wanted - led }] }
}

/** @param hasBegun Whether the node had begun its run. */
export function failureOf(
  share: RepairShare,
  error: CassioError,
  hasBegun: boolean,
): RepairFailure {
  const { address: node, progress } = share
  const what = hasBegun ? 'it was lost' : 'it was not reached'
  const reason = NOT_THERE.has(error.code)
    ? `${what} (${error.message}); while it is down the next live replica leads its partitions`
    : `it refused: ${error.code}: ${error.message}`
  return { node, reason, partitions: progress.total - progress.done }
}

/** What a run that has ended does not say of itself: partitions that it never came to. */
export function leftOver({ address: node, progress }: RepairShare): readonly RepairFailure[] {
  const { total, verified, failures } = progress
  const told = failures.reduce((sum, { partitions }) => sum + partitions, 0)
  const partitions = total - verified - told
  return partitions > 0 ? [{ node, reason: 'the run was stopped', partitions }] : []
}

/** @throws CassioError CASSIO_PROTOCOL for what is no progress. */
export function readProgress(result: unknown): RepairProgress {
  const progress = (result ?? {}) as RepairProgress
  const { running, total, done, verified, differed, cells, bytes, failures } = progress
  const isSound =
    typeof running === 'boolean' &&
    [total, done, verified, differed, cells, bytes].every(isCount) &&
    Array.isArray(failures) &&
    failures.every(
      (each) =>
        typeof each?.node === 'string' &&
        typeof each.reason === 'string' &&
        isCount(each.partitions),
    )
  if (!isSound) throw protocolError('the answer is no progress of a repair')
  return progress
}

function isCount(count: unknown): boolean {
  return Number.isSafeInteger(count) && (count as number) >= 0
}

/** Several nodes may say the same of one. */
function merge(failures: readonly RepairFailure[]): RepairFailure[] {
  const merged = new Map<string, RepairFailure>()
  for (const { node, reason, partitions } of failures) {
    const key = JSON.stringify([node, reason])
    const before = merged.get(key)?.partitions ?? 0
    merged.set(key, { node, reason, partitions: before + partitions })
  }
  return [...merged.values()]
}
