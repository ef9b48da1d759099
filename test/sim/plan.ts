import { KeyedRandom } from '@cassiopeia/env'
import { drawFaults, FAULT_KINDS, type FaultKind, type PlannedFault } from './faults'

export type Level = 'ONE' | 'QUORUM' | 'ALL'
export type Verb = 'set' | 'get' | 'del'

export const REPLICATION_FACTOR = 3

export interface PlannedOperation {
  /** Milliseconds of the client's own clock between the previous answer and this call. */
  readonly waitMs: number
  readonly verb: Verb
  readonly key: string
  readonly level: Level
  /** Bytes that pad the value of a set. */
  readonly padBytes: number
}

/** What every node of a run is started with, besides addresses and ports. */
export interface PlannedNodeOptions {
  readonly sync: 'group' | 'periodic' | 'none'
  readonly syncIntervalMs: number
  readonly segmentBytes: number
  readonly memtableBytes: number
  readonly inlineWriteBytesMax: number
  readonly readInPlace: boolean
  readonly partitionBits: number
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
  readonly chaosMs: number
  readonly node: PlannedNodeOptions
  readonly client: PlannedClientOptions
  readonly keys: readonly string[]
  /** By client. A client makes one call at a time. */
  readonly operations: readonly (readonly PlannedOperation[])[]
  readonly faults: readonly PlannedFault[]
}

/** A healthy link may hold a message up for 100 ms, which no attempt of a write may mistake for death. */
const ATTEMPT_MIN_MS = 120
const CHAOS_MS = [5_000, 12_000] as const

export function makePlan(seed: number): Plan {
  const random = new KeyedRandom(seed, 'plan:shape')
  const kinds = drawKinds(random)
  const mood = kinds.length === 0 ? 'calm' : kinds.length === 1 ? 'single' : 'mixed'
  const nodes = 3 + random.below(3)
  const clients = 2 + random.below(5)
  const chaosMs = Math.round(random.between(...CHAOS_MS))
  const keys = Array.from({ length: 1 + random.below(4) }, (_, index) => `key-${index}`)
  // What is not synced is lost with the power, as promised: only group commit is cut off from it.
  const isPowerSafe = !kinds.includes('powerCut')
  const syncs = ['group', 'group', 'periodic', 'none'] as const
  const sync = isPowerSafe ? syncs[random.below(syncs.length)]! : 'group'
  const people = { nodes, clients }
  return {
    seed,
    mood,
    kinds,
    nodes,
    chaosMs,
    node: drawNodeOptions(new KeyedRandom(seed, 'plan:node'), sync),
    client: drawClientOptions(new KeyedRandom(seed, 'plan:client'), mood === 'calm'),
    keys,
    operations: drawOperations(seed, clients, keys, chaosMs),
    faults: drawFaults(seed, kinds, people, chaosMs),
  }
}

/** 10 % calm, 20 % one kind, the rest each kind by chance. */
function drawKinds(random: KeyedRandom): FaultKind[] {
  const draw = random.unit()
  if (draw < 0.1) return []
  if (draw < 0.3) return [FAULT_KINDS[random.below(FAULT_KINDS.length)]!]
  const share = random.between(0.25, 0.6)
  const drawn = FAULT_KINDS.filter(() => random.chance(share))
  return drawn.length < 2 ? ['partition', 'skew'] : drawn
}

function drawNodeOptions(
  random: KeyedRandom,
  sync: PlannedNodeOptions['sync'],
): PlannedNodeOptions {
  const pingIntervalMs = 100 + random.below(400)
  const hedgeMinMs = 2 + random.below(20)
  const backoffMinMs = 5 + random.below(50)
  return {
    sync,
    syncIntervalMs: 10 + random.below(500),
    segmentBytes: 1024 * 2 ** random.below(7),
    partitionBits: 10,
    gossipIntervalMs: 80 + random.below(300),
    phiThreshold: 5 + random.below(6),
    hedgeMinMs,
    hedgeMaxMs: hedgeMinMs + random.below(100),
    reserveAheadMs: 100 + random.below(900),
    pingIntervalMs,
    silenceMaxMs: pingIntervalMs * (3 + random.below(4)),
    handshakeTimeoutMs: 300 + random.below(1_000),
    frameTimeoutMs: 500 + random.below(2_000),
    backoffMinMs,
    backoffMaxMs: backoffMinMs + random.below(500),
    // So small that memtables are flushed and tables merged while the faults last.
    memtableBytes: 4096 * 2 ** random.below(4),
    inlineWriteBytesMax: random.below(2) * 65_536,
    readInPlace: random.chance(0.3),
  }
}

/** Half of the runs have clients that never repeat a write: what those promise is sharper. */
function drawClientOptions(random: KeyedRandom, isCalm: boolean): PlannedClientOptions {
  const timeoutMs = isCalm ? 5_000 : 150 + random.below(1_500)
  const repeats = random.chance(0.5)
  const backoffMinMs = 5 + random.below(50)
  return {
    timeoutMs,
    attemptTimeoutMs: repeats ? ATTEMPT_MIN_MS + random.below(Math.ceil(timeoutMs / 3)) : timeoutMs,
    hedgeAfterMs: 5 + random.below(60),
    backoffMinMs,
    backoffMaxMs: backoffMinMs + random.below(500),
  }
}

function drawOperations(
  seed: number,
  clients: number,
  keys: readonly string[],
  chaosMs: number,
): PlannedOperation[][] {
  const shape = new KeyedRandom(seed, 'plan:workload')
  const waitMeanMs = shape.between(30, 180)
  const burstShare = shape.between(0, 0.7)
  const delShare = shape.between(0, 0.25)
  const setShare = shape.between(0.2, 0.6)
  const oddLevels = shape.chance(0.4) ? shape.between(0.05, 0.4) : 0
  const padMax = shape.chance(0.2) ? 4_000 : 60
  return Array.from({ length: clients }, (_, client) => {
    const random = new KeyedRandom(seed, 'plan:operations', String(client))
    const operations: PlannedOperation[] = []
    for (let atMs = 0; atMs < chaosMs; ) {
      const waitMs = random.chance(burstShare) ? 0 : random.between(0, 2 * waitMeanMs)
      // An answer takes some time too; a client that is quicker than planned stops early.
      atMs += waitMs + 4
      const draw = random.unit()
      const verb = draw < delShare ? 'del' : draw < delShare + setShare ? 'set' : 'get'
      const key = keys[random.below(keys.length)]!
      const level = random.chance(oddLevels) ? (random.chance(0.6) ? 'ONE' : 'ALL') : 'QUORUM'
      operations.push({ waitMs, verb, key, level, padBytes: random.below(padMax) })
    }
    return operations
  })
}
