import { KeyedRandom } from '@cassiopeia/env'
import type { Level, PlannedOperation } from './plan'

/** All clients together; how many calls there are does not depend on how many make them. */
const WAIT_MEAN_MS = [7, 45] as const
/** An answer takes some time too; a client that is quicker than planned stops early. */
const ANSWER_MS = 4
const PAD_BYTES_MAX = 16_384

export interface WorkTime {
  readonly chaosMs: number
  /** When nobody calls. */
  readonly lull: { readonly atMs: number; readonly forMs: number }
}

/** What the clients of a run do, by client. */
export function drawOperations(
  seed: number,
  clients: number,
  keys: readonly string[],
  time: WorkTime,
): PlannedOperation[][] {
  const shape = new WorkShape(seed, keys)
  return Array.from({ length: clients }, (_, client) => {
    const random = new KeyedRandom(seed, 'plan:operations', String(client))
    const operations: PlannedOperation[] = []
    let lullMs = time.lull.forMs
    for (let atMs = 0; atMs < time.chaosMs; ) {
      for (const call of shape.next(random)) {
        const waitMs = shape.waitMs(random, clients)
        const isLull = lullMs > 0 && atMs + waitMs >= time.lull.atMs
        operations.push({ ...call, waitMs: isLull ? waitMs + lullMs : waitMs })
        atMs += waitMs + ANSWER_MS + (isLull ? lullMs : 0)
        if (isLull) lullMs = 0
      }
    }
    return operations
  })
}

type Call = Omit<PlannedOperation, 'waitMs'>

/** What all clients of a run have in common. */
class WorkShape {
  private readonly waitMeanMs: number
  private readonly burstShare: number
  private readonly delShare: number
  private readonly setShare: number
  private readonly churnShare: number
  private readonly ttlShare: number
  private readonly ttlMaxMs: number
  private readonly oddLevels: number
  private readonly padMax: number
  private readonly skew: number

  constructor(
    seed: number,
    private readonly keys: readonly string[],
  ) {
    const random = new KeyedRandom(seed, 'plan:workload')
    this.waitMeanMs = random.between(...WAIT_MEAN_MS)
    this.burstShare = random.between(0, 0.7)
    this.delShare = random.between(0, 0.25)
    this.setShare = random.between(0.2, 0.6)
    this.churnShare = random.chance(0.5) ? random.between(0.02, 0.15) : 0
    this.ttlShare = random.chance(0.4) ? random.between(0.05, 0.6) : 0
    this.ttlMaxMs = random.between(300, 6_000)
    this.oddLevels = random.chance(0.4) ? random.between(0.05, 0.4) : 0
    this.padMax = random.chance(0.2) ? PAD_BYTES_MAX : 60
    this.skew = random.between(1, 4)
  }

  waitMs(random: KeyedRandom, clients: number): number {
    return random.chance(this.burstShare) ? 0 : random.between(0, 2 * this.waitMeanMs * clients)
  }

  /** One call, or a key's whole life: written, deleted, looked for, written again. */
  next(random: KeyedRandom): Call[] {
    const key = this.keys[Math.floor(this.keys.length * random.unit() ** this.skew)]!
    if (random.chance(this.churnShare)) {
      const rest = [this.get(random, key), this.set(random, key), this.get(random, key)]
      return [this.set(random, key), this.del(random, key), ...rest.slice(random.below(2))]
    }
    const draw = random.unit()
    if (draw < this.delShare) return [this.del(random, key)]
    return [draw < this.delShare + this.setShare ? this.set(random, key) : this.get(random, key)]
  }

  private set(random: KeyedRandom, key: string): Call {
    const padBytes = random.below(this.padMax)
    const call: Call = { verb: 'set', key, level: this.level(random), padBytes }
    if (!random.chance(this.ttlShare)) return call
    return { ...call, ttlMs: Math.ceil(random.between(20, this.ttlMaxMs)) }
  }

  private del(random: KeyedRandom, key: string): Call {
    return { verb: 'del', key, level: this.level(random), padBytes: 0 }
  }

  private get(random: KeyedRandom, key: string): Call {
    return { verb: 'get', key, level: this.level(random), padBytes: 0 }
  }

  private level(random: KeyedRandom): Level {
    if (!random.chance(this.oddLevels)) return 'QUORUM'
    return random.chance(0.6) ? 'ONE' : 'ALL'
  }
}
