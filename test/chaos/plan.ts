import { KeyedRandom } from '@cassiopeia/env'
import { makePlan, type Plan, type PlannedNodeOptions } from '../sim/plan'
import {
  CHAOS_KINDS,
  type ChaosAction,
  type ChaosFault,
  type ChaosKind,
  clientName,
  type Direction,
  nodeName,
  SIMULATED_KINDS,
} from './faults'

/** Everything that the seed decides: settings, calls, and which faults come when. */
export interface ChaosPlan {
  readonly seed: number
  readonly nodes: number
  readonly clients: number
  /** Callers of all clients together; each has one call under way at a time. */
  readonly callers: number
  readonly chaosMs: number
  /** Of each call while the faults last. */
  readonly timeoutMs: number
  readonly options: ChaosNodeOptions
  readonly kinds: readonly ChaosKind[]
  /** The only node whose disk is small enough to be filled up. */
  readonly smallDiskNode: number
  readonly faults: readonly ChaosFault[]
}

/** What nodes are told that is not the default; checkers look at some of it. */
export type ChaosNodeOptions = Pick<
  PlannedNodeOptions,
  | 'sync'
  | 'segmentBytes'
  | 'memoryBytesMax'
  | 'memtableBytes'
  | 'diskReserveBytes'
  | 'inlineWriteBytesMax'
  | 'readInPlace'
  | 'partitionBits'
  | 'hintBytesMax'
  | 'hintAgeMaxMs'
  | 'repairIntervalMs'
  | 'repairLagMs'
  | 'repairShare'
> & { readonly compression: 'none' | 'deflate' }

export const REPLICATION_FACTOR = 3
const CLIENTS = 4
const CALLERS_PER_CLIENT = 4
/** Faults begin this far apart, at most, and none in the first while. */
const FIRST_MS = 2_000
const APART_MS = [200, 3_000] as const
/** Now and then nothing new comes for a while, so that the cluster gets well again in the middle. */
const LULL_CHANCE = 0.06
const LULL_MS = 8_000
const PAUSE_MAX_MS = 20_000
const FAULT_MAX_MS = 8_000
const KIB = 1024
const MIB = KIB * KIB
/** The default of a node, which the rig does not change. */
const RESERVE_AHEAD_MS = 1_000

export function makeChaosPlan(seed: number, minutes: number, nodes: number): ChaosPlan {
  const random = new KeyedRandom(seed, 'chaos:shape')
  // A tenth of the runs has all kinds, the others most of them; damage for good is in every third.
  const share = random.chance(0.1) ? 1 : random.between(0.5, 1)
  const drawn = CHAOS_KINDS.filter((kind) => random.chance(kind === 'rot' ? 1 / 3 : share))
  const kinds: readonly ChaosKind[] = drawn.length === 0 ? ['kill'] : drawn
  const chaosMs = Math.round(minutes * 60_000)
  return {
    seed,
    nodes,
    clients: CLIENTS,
    callers: CLIENTS * CALLERS_PER_CLIENT,
    chaosMs,
    timeoutMs: 800 + random.below(2_500),
    options: drawOptions(new KeyedRandom(seed, 'chaos:options')),
    kinds,
    smallDiskNode: random.below(nodes),
    faults: new FaultDrawing(seed, kinds, nodes, chaosMs).draw(),
  }
}

function drawOptions(random: KeyedRandom): ChaosNodeOptions {
  return {
    sync: 'group',
    segmentBytes: 32 * KIB * 2 ** random.below(6),
    // So small that memtables are flushed and tables merged all the time.
    memoryBytesMax: 4 * MIB * 2 ** random.below(3),
    memtableBytes: 8 * KIB * 2 ** random.below(5),
    // With a reserve writes are refused early; with little of it the disk gets really full.
    diskReserveBytes: random.chance(0.5) ? 0 : KIB * 2 ** random.below(11),
    inlineWriteBytesMax: random.below(2) * 65_536,
    readInPlace: random.chance(0.7),
    partitionBits: 10,
    hintBytesMax: random.chance(0.2) ? 64 * KIB : 256 * MIB,
    hintAgeMaxMs: random.chance(0.3) ? 2_000 + random.below(6_000) : 600_000,
    repairIntervalMs: 2_000 + random.below(5_000),
    repairLagMs: 1_000 + random.below(1_000),
    repairShare: 50,
    compression: random.chance(0.3) ? 'deflate' : 'none',
  }
}

export function flagsOf({ options }: ChaosPlan): string[] {
  const flags = ['--rf', String(REPLICATION_FACTOR)]
  for (const [name, value] of Object.entries(options)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    flags.push(`--${flag}`, String(value))
  }
  return flags
}

/** The plan as the simulation's checkers know it. No clock is off: all run on one machine. */
export function planForCheckers(plan: ChaosPlan, keys: readonly string[]): Plan {
  const usual = makePlan(plan.seed)
  const { compression: _, ...options } = plan.options
  const reserved = { ...options, antiEntropy: true, reserveAheadMs: RESERVE_AHEAD_MS }
  return {
    ...usual,
    mood: 'mixed',
    kinds: plan.kinds.map((kind) => SIMULATED_KINDS[kind]),
    nodes: plan.nodes,
    chaosMs: plan.chaosMs,
    node: { ...usual.node, ...reserved },
    keys,
    operations: Array.from({ length: plan.callers }, () => []),
    faults: [],
  }
}

type Drawn = Pick<ChaosFault, 'action'> & { readonly forMs?: number }

class FaultDrawing {
  private readonly random: KeyedRandom
  /** At most one node of a run is damaged. */
  private readonly rotNode: number

  constructor(
    private readonly seed: number,
    private readonly kinds: readonly ChaosKind[],
    private readonly nodes: number,
    private readonly chaosMs: number,
  ) {
    this.random = new KeyedRandom(seed, 'chaos:faults')
    this.rotNode = this.random.below(nodes)
  }

  draw(): ChaosFault[] {
    const { random, chaosMs } = this
    const faults: ChaosFault[] = []
    for (let atMs = FIRST_MS; atMs < chaosMs; atMs += this.apartMs()) {
      const kind = this.kinds[random.below(this.kinds.length)]!
      // One draw more or less of one kind shifts no other.
      const own = new KeyedRandom(this.seed, 'chaos:fault', String(faults.length))
      const { action, forMs = Math.round(300 * (FAULT_MAX_MS / 300) ** own.unit()) } = this.one(
        kind,
        own,
      )
      faults.push({ kind, atMs, forMs: Math.min(forMs, chaosMs - atMs), action })
    }
    return faults
  }

  private apartMs(): number {
    const { random } = this
    const lullMs = random.chance(LULL_CHANCE) ? LULL_MS : 0
    return Math.round(random.between(...APART_MS)) + lullMs
  }

  private one(kind: ChaosKind, random: KeyedRandom): Drawn {
    const node = random.below(this.nodes)
    const effect = (where: Direction[], laid: object): Drawn => ({
      action: { type: 'links', where, effect: laid },
    })
    switch (kind) {
      case 'kill':
      case 'stop':
        return { action: { type: kind, node } }
      case 'pause':
        return {
          action: { type: kind, node },
          forMs: Math.round(300 * (PAUSE_MAX_MS / 300) ** random.unit()),
        }
      case 'killAgain':
        return { action: { type: kind, node, afterMs: 50 + random.below(1_500) } }
      case 'killAll': {
        const downMs = Array.from({ length: this.nodes }, () => random.below(2_500))
        return { action: { type: kind, downMs }, forMs: Math.max(...downMs) }
      }
      case 'cut':
        return effect(around(nodeName(node)), { hold: true })
      case 'oneWay':
        return effect([this.link(random)], { hold: true })
      case 'partition':
        return effect(this.split(random), { hold: true })
      case 'delay': {
        const delayMs = Math.round(2 * 150 ** random.unit())
        return effect(this.somewhere(random), { delayMs, jitterMs: Math.round(delayMs / 2) })
      }
      case 'slow':
        return effect(this.somewhere(random), {
          bytesPerSecond: Math.round(1_000 * 100 ** random.unit()),
        })
      case 'split':
        return effect(this.somewhere(random), { portionBytesMax: 1 + random.below(40) })
      case 'reset':
        return { action: { type: kind, party: nodeName(node) }, forMs: 0 }
      case 'flip':
        return {
          action: { type: kind, where: this.link(random), draws: draws(random, 8) },
          forMs: 0,
        }
      case 'diskFull':
        return { action: { type: kind, node, roomBytes: Math.round(random.unit() ** 3 * 200_000) } }
      case 'rot':
        return { action: this.rot(random), forMs: Math.round(random.between(0, 2_000)) }
    }
  }

  private rot(random: KeyedRandom): ChaosAction {
    return { type: 'rot', node: this.rotNode, draws: draws(random, 6) }
  }

  /** One direction between two nodes, or between a client and a node. */
  private link(random: KeyedRandom): Direction {
    const to = random.below(this.nodes)
    const from = (to + 1 + random.below(this.nodes - 1)) % this.nodes
    if (this.nodes > 1 && random.chance(0.7)) return [nodeName(from), nodeName(to)]
    const client = clientName(random.below(CLIENTS))
    return random.chance(0.5) ? [client, nodeName(to)] : [nodeName(to), client]
  }

  /** Everywhere, around one node, or one direction of one link. */
  private somewhere(random: KeyedRandom): Direction[] {
    const draw = random.below(3)
    if (draw === 0) return [['*', '*']]
    return draw === 1 ? around(nodeName(random.below(this.nodes))) : [this.link(random)]
  }

  /** Nodes and clients in two groups that do not reach each other. */
  private split(random: KeyedRandom): Direction[] {
    const nodes = Array.from({ length: this.nodes }, (_, index) => nodeName(index))
    const clients = Array.from({ length: CLIENTS }, (_, index) => clientName(index))
    const sides = new Map([...nodes, ...clients].map((name) => [name, random.below(2)]))
    // Clients may be left out of it: they see both sides of the split cluster then.
    const parties = random.chance(0.5) ? nodes : [...nodes, ...clients]
    const pairs = parties.flatMap((a) => parties.map((b) => [a, b] as const))
    return pairs.filter(([a, b]) => sides.get(a) !== sides.get(b))
  }
}

/** Two or more of them. */
function draws(random: KeyedRandom, most: number): number[] {
  return Array.from({ length: 2 + random.below(most - 1) }, () => random.unit())
}

function around(name: string): Direction[] {
  return [
    [name, '*'],
    ['*', name],
  ]
}
