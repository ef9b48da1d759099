import { KeyedRandom } from '@cassiopeia/env'
import { drawFaults, NODES_NEEDED } from './draw-faults'
import { drawOperations } from './draw-operations'
import { drawClientOptions, drawNodeOptions } from './draw-options'
import { FAULT_KINDS, type FaultKind, type PlannedFault, POWER_KINDS } from './faults'

export type Level = 'ONE' | 'QUORUM' | 'ALL'
export type Verb = 'set' | 'get' | 'del'

export interface PlannedOperation {
  /** Milliseconds of the client's own clock between the previous answer and this call. */
  readonly waitMs: number
  readonly verb: Verb
  readonly key: string
  readonly level: Level
  /** Bytes that pad the value of a set. */
  readonly padBytes: number
  /** After which the value of a set expires; absent when it does not. */
  readonly ttlMs?: number
}

/** What every node of a run is started with, besides addresses and ports. */
export interface PlannedNodeOptions {
  readonly sync: 'group' | 'periodic' | 'none'
  readonly syncIntervalMs: number
  readonly segmentBytes: number
  readonly memoryBytesMax: number
  readonly memtableBytes: number
  readonly diskReserveBytes: number
  readonly inlineWriteBytesMax: number
  readonly readInPlace: boolean
  readonly partitionBits: number
  readonly hintBytesMax: number
  readonly hintAgeMaxMs: number
  readonly antiEntropy: boolean
  readonly repairIntervalMs: number
  readonly repairLagMs: number
  readonly repairShare: number
  readonly gossipIntervalMs: number
  readonly phiThreshold: number
  readonly hedgeMinMs: number
  readonly hedgeMaxMs: number
  readonly reserveAheadMs: number
  readonly pingIntervalMs: number
  readonly silenceMaxMs: number
  readonly handshakeTimeoutMs: number
  readonly frameTimeoutMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

export interface PlannedClientOptions {
  readonly timeoutMs: number
  readonly attemptTimeoutMs: number
  readonly hedgeAfterMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

/**
 * Everything that a run does, as data: the same plan gives the same run. `makePlan` draws it from a
 * seed; whoever shrinks a failure takes things out of it.
 */
export interface Plan {
  readonly seed: number
  /** 'calm': no fault, so no error is allowed. 'single': one kind of fault. */
  readonly mood: 'calm' | 'single' | 'mixed'
  readonly kinds: readonly FaultKind[]
  readonly nodes: number
  /** Until heal. With a lull, calls pause in the middle for longer than hints are kept. */
  readonly chaosMs: number
  /** How long nobody calls after heal, so that repair goes round and tombstones may be forgotten. */
  readonly quietMs: number
  /** The node that is not started again at heal, if any. */
  readonly staysDead?: number
  /** Whether code takes rare paths at random: see docs/SIMULATION.md. */
  readonly buggify: boolean
  readonly node: PlannedNodeOptions
  readonly client: PlannedClientOptions
  readonly keys: readonly string[]
  /** By client. A client makes one call at a time. */
  readonly operations: readonly (readonly PlannedOperation[])[]
  readonly faults: readonly PlannedFault[]
}

/** Replicas of each key where there are as many nodes. */
const REPLICATION_FACTOR = 3
const BUSY_MS = [5_000, 12_000] as const
/** Of all seeds, those in which time passes all windows. */
const LULL_SHARE = 0.22
const KEYS_MAX = 60
const CLIENTS_MAX = 12
/** One to seven nodes, three and five most often. */
const NODES = [1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 6, 7] as const
/** Jumps of clocks stop much else, so they are in few of the mixed seeds. */
const JUMP_SHARE = 0.06

export function replicationFactorOf({ nodes }: Plan): number {
  return Math.min(REPLICATION_FACTOR, nodes)
}

export function makePlan(seed: number): Plan {
  const random = new KeyedRandom(seed, 'plan:shape')
  const kinds = drawKinds(random)
  const mood = kinds.length === 0 ? 'calm' : kinds.length === 1 ? 'single' : 'mixed'
  const nodes = drawNodes(random, mood === 'single' ? kinds[0] : undefined)
  // A few of them more often than many, and keys likewise.
  const clients = 1 + Math.floor(CLIENTS_MAX * random.unit() ** 1.5)
  const keyCount = Math.ceil(KEYS_MAX ** (random.unit() ** 0.8))
  const keys = Array.from({ length: keyCount }, (_, index) => `key-${index}`)
  const hasLull = random.chance(LULL_SHARE)
  const node = drawNodeOptions(new KeyedRandom(seed, 'plan:node'), {
    // What is not synced is lost with the power, as promised: only group commit is cut off from it.
    isPowerSafe: !POWER_KINDS.some((kind) => kinds.includes(kind)),
    isFullAtTimes: kinds.includes('diskFull'),
    hasLull,
  })
  const busyMs = Math.round(random.between(...BUSY_MS))
  const windowMs = Math.max(node.repairIntervalMs * 3, node.hintAgeMaxMs) + node.repairLagMs
  const lullMs = hasLull ? Math.round(windowMs * random.between(1, 1.5)) : 0
  const chaosMs = busyMs + lullMs
  const staysDead = drawStaysDead(random, nodes, kinds)
  return {
    seed,
    mood,
    kinds,
    nodes,
    chaosMs,
    quietMs: lullMs,
    ...(staysDead === undefined ? {} : { staysDead }),
    buggify: mood !== 'calm',
    node,
    client: drawClientOptions(new KeyedRandom(seed, 'plan:client'), {
      isCalm: mood === 'calm',
      // A clock that jumps by more than an attempt lasts may let an earlier attempt win after all.
      neverRepeats: kinds.includes('jump') || kinds.includes('strobe'),
    }),
    keys,
    operations: drawOperations(seed, clients, keys, {
      chaosMs,
      lull: { atMs: Math.round(busyMs * random.between(0.3, 0.7)), forMs: lullMs },
    }),
    faults: drawFaults(seed, kinds, { nodes, clients }, chaosMs),
  }
}

/** 10 % calm, 15 % one kind, the rest each kind by chance. */
function drawKinds(random: KeyedRandom): FaultKind[] {
  const draw = random.unit()
  if (draw < 0.1) return []
  if (draw < 0.25) return [FAULT_KINDS[random.below(FAULT_KINDS.length)]!]
  const share = random.between(0.1, 0.5)
  const drawn = FAULT_KINDS.filter((kind) => random.chance(kind === 'jump' ? JUMP_SHARE : share))
  return drawn.length < 2 ? ['partition', 'skew'] : drawn
}

/** @param only The one kind of fault, which there must be nodes enough for. */
function drawNodes(random: KeyedRandom, only: FaultKind | undefined): number {
  const drawn = NODES[random.below(NODES.length)]!
  return only === undefined ? drawn : Math.max(drawn, NODES_NEEDED[only] ?? 1)
}

/** Not where another node's files may be damaged: the two that are left would not be enough. */
function drawStaysDead(
  random: KeyedRandom,
  nodes: number,
  kinds: readonly FaultKind[],
): number | undefined {
  const drawn = random.chance(0.3) ? random.below(nodes) : undefined
  const isPossible = nodes >= REPLICATION_FACTOR && kinds.length > 0 && !kinds.includes('rot')
  return isPossible ? drawn : undefined
}
