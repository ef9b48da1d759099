import { KeyedRandom, type LinkOptions } from '@cassiopeia/env'
import {
  clientName,
  type Direction,
  DRIFT_MAX,
  type FaultAction,
  type FaultKind,
  JUMP_MAX_MS,
  nodeName,
  type People,
  type PlannedFault,
  type RotPlace,
  SKEW_MAX_MS,
} from './faults'

/** Windows of each kind, spread over the run. One stream per kind: kinds can be taken out singly. */
export function drawFaults(
  seed: number,
  kinds: readonly FaultKind[],
  people: People,
  chaosMs: number,
): PlannedFault[] {
  const faults = kinds.flatMap((kind) => {
    const random = new KeyedRandom(seed, 'plan:fault', kind)
    return new FaultDrawer(random, kind, people, chaosMs).draw()
  })
  return faults.sort((a, b) => a.atMs - b.atMs)
}

/** Kinds that need so many nodes to be what they are. */
export const NODES_NEEDED: Partial<Readonly<Record<FaultKind, number>>> = Object.freeze({
  bridge: 3,
  ring: 4,
  rot: 3,
})

/** The faults of one kind. */
class FaultDrawer {
  constructor(
    private readonly random: KeyedRandom,
    private readonly kind: FaultKind,
    private readonly people: People,
    private readonly chaosMs: number,
  ) {}

  draw(): PlannedFault[] {
    const { random, kind, people } = this
    if (people.nodes < (NODES_NEEDED[kind] ?? 1)) return []
    switch (kind) {
      case 'skew':
        return this.skews()
      case 'rot':
        return this.rots()
      case 'jump':
        return this.times(2, () => [this.jump()])
      case 'swizzle':
        return this.times(2, () => this.swizzle())
      case 'halfOpen':
        return this.times(3, () => this.halfOpen())
      case 'restartStorm':
        return this.times(2, () => this.restartStorm())
      case 'recoveryKill':
        return this.times(3, () => this.recoveryKill())
      case 'strobe':
      case 'syncFail':
      case 'bridge':
      case 'ring':
      case 'isolate':
        return this.times(2, () => [this.one()])
      default:
        return this.times(random.chance(0.3) ? 4 : 2, () => [this.one()])
    }
  }

  private one(): PlannedFault {
    const { random, kind } = this
    switch (kind) {
      case 'lose':
        return this.links({ dropProbability: random.between(0.005, 0.3) }, 4_000)
      case 'duplicate':
        return this.links({ duplicateProbability: random.between(0.02, 0.4) }, 8_000)
      case 'reorder':
        return this.links(
          { reorderMaxMs: random.between(2, 200), reorderProbability: random.between(0.02, 0.4) },
          8_000,
        )
      case 'corrupt':
        return this.links({ corruptProbability: 10 ** random.between(-3, -1.3) }, 6_000)
      case 'delay': {
        const latencyMaxMs = random.between(5, 400)
        const tailProbability = random.between(0, 0.2)
        return this.links({ latencyMaxMs, tailProbability, tailMaxMs: latencyMaxMs * 4 }, 4_000)
      }
      // A hundredth of the usual 125,000, and less.
      case 'slowLink':
        return this.links({ bytesPerMs: 10 ** random.between(0.7, 3.1) }, 6_000)
      case 'split':
        return this.links({ splitProbability: random.between(0.1, 1) }, 8_000)
      case 'reset':
        if (random.chance(0.5)) return this.once({ type: 'reset', between: this.direction() })
        return this.links({ resetProbability: random.between(0.001, 0.05) }, 4_000)
      case 'partition':
        return this.window({ type: 'partition', groups: this.groups() }, 6_000)
      case 'oneWay':
        return this.window({ type: 'cuts', pairs: [this.direction()] }, 6_000)
      case 'isolate':
        return this.window({ type: 'cuts', pairs: this.isolated() }, 6_000)
      case 'bridge':
        return this.window({ type: 'cuts', pairs: this.bridge() }, 6_000)
      case 'ring':
        return this.window({ type: 'cuts', pairs: this.ring() }, 6_000)
      case 'drift': {
        const rate = () => random.between(1 - DRIFT_MAX, 1 + DRIFT_MAX)
        const wall = rate()
        return this.window({ type: 'clockRate', node: this.node(), wall, mono: rate() }, 8_000)
      }
      case 'strobe': {
        const ms = Math.round(random.between(-SKEW_MAX_MS, SKEW_MAX_MS))
        const everyMs = Math.round(random.between(10, 500))
        return this.window({ type: 'strobe', node: this.node(), ms, everyMs }, 4_000)
      }
      case 'pause':
        return this.window({ type: 'pause', node: this.node() }, this.oftenShort(6_000, 120_000))
      case 'slowDisk': {
        const factor = 10 ** random.between(0.5, 2)
        return this.window({ type: 'slowDisk', node: this.node(), factor }, 4_000)
      }
      case 'diskFull': {
        const roomBytes = Math.floor(10 ** random.between(2, 5.5))
        return this.window({ type: 'diskFull', node: this.node(), roomBytes }, 6_000)
      }
      case 'syncFail':
      case 'readFail':
      case 'writeFail': {
        const probability = 10 ** random.between(-2.3, 0)
        return this.window({ type: kind, node: this.node(), probability }, 3_000)
      }
      default:
        // 'kill' and 'powerCut'; now and then for longer than hints are kept.
        return this.window(
          { type: kind as 'kill' | 'powerCut', node: this.node() },
          this.oftenShort(4_000, this.chaosMs),
        )
    }
  }

  /** Each clock is set off by a constant; some are set again, within the same bounds. */
  private skews(): PlannedFault[] {
    const { random, people, chaosMs } = this
    const extentMs = random.chance(0.3) ? 20 : SKEW_MAX_MS
    const faults: PlannedFault[] = []
    for (let node = 0; node < people.nodes; node += 1) {
      let offsetMs = 0
      const steps = 1 + (random.chance(0.4) ? random.below(4) : 0)
      const times = Array.from({ length: steps }, (_, step) =>
        step === 0 ? 0 : Math.round(random.between(0, chaosMs)),
      )
      for (const atMs of times.sort((a, b) => a - b)) {
        const targetMs = Math.round(random.between(-extentMs, extentMs))
        const action = { type: 'clockStep', node, ms: targetMs - offsetMs } as const
        faults.push({ kind: 'skew', atMs, forMs: 0, action })
        offsetMs = targetMs
      }
    }
    return faults
  }

  private jump(): PlannedFault {
    const { random } = this
    const size = 10 ** random.between(3, Math.log10(JUMP_MAX_MS))
    const ms = Math.round(random.chance(0.5) ? size : -size)
    return this.window({ type: 'clockJump', node: this.node(), ms }, 6_000)
  }

  /** The links of some nodes are cut one after the other, and mended in another order. */
  private swizzle(): PlannedFault[] {
    const { random, people } = this
    const atMs = this.at()
    const nodes = Array.from({ length: people.nodes }, (_, index) => index)
    const chosen = nodes.filter(() => random.chance(0.6))
    const cutOrder = random.chance(0.5) ? chosen : chosen.reverse()
    const stepMs = random.between(50, 600)
    const allCutMs = cutOrder.length * stepMs
    return cutOrder.map((node, place) => {
      const beginMs = Math.round(place * stepMs)
      const endMs = allCutMs + random.between(0, allCutMs)
      const others = this.everybody().filter((name) => name !== nodeName(node))
      const pairs = others.flatMap((other) => both(nodeName(node), other))
      const action = { type: 'cuts', pairs } as const
      return { kind: 'swizzle', atMs: atMs + beginMs, forMs: Math.round(endMs - beginMs), action }
    })
  }

  /** One end loses its power behind a cut, and is back, knowing nothing, before the cut ends. */
  private halfOpen(): PlannedFault[] {
    const { random, kind } = this
    const node = this.node()
    const others = this.everybody().filter((name) => name !== nodeName(node))
    const cutFrom = others.filter(() => random.chance(0.6))
    const cut = this.window(
      { type: 'cuts', pairs: cutFrom.flatMap((other) => both(nodeName(node), other)) },
      6_000,
    )
    const atMs = cut.atMs + Math.round(cut.forMs * random.between(0, 0.5))
    const forMs = Math.round(cut.forMs * random.between(0.05, 0.5))
    return [cut, { kind, atMs, forMs, action: { type: 'powerCut', node } }]
  }

  /** Everybody at once, one after the other, or again and again. */
  private restartStorm(): PlannedFault[] {
    const { random, people, kind } = this
    const atMs = this.at()
    const stepMs = random.chance(0.4) ? 0 : random.between(20, 1_500)
    const rounds = 1 + random.below(3)
    const pauseMs = random.between(300, 3_000)
    const faults: PlannedFault[] = []
    for (let round = 0; round < rounds; round += 1) {
      for (let node = 0; node < people.nodes; node += 1) {
        const whenMs = atMs + round * (pauseMs + people.nodes * stepMs) + node * stepMs
        const forMs = Math.round(random.between(5, 800))
        faults.push({ kind, atMs: Math.round(whenMs), forMs, action: { type: 'kill', node } })
      }
    }
    return faults
  }

  /** Killed, started, and killed again a few moments later, while it reads its log. */
  private recoveryKill(): PlannedFault[] {
    const { random, kind } = this
    const action = { type: 'kill', node: this.node() } as const
    const faults: PlannedFault[] = []
    let atMs = this.at()
    for (let left = 2 + random.below(4); left > 0; left -= 1) {
      const forMs = Math.round(random.between(1, 200))
      faults.push({ kind, atMs, forMs, action })
      atMs += forMs + Math.round(10 ** random.between(0, 2))
    }
    return faults
  }

  /** One node's files are damaged while it is down. One only: the others still are a quorum. */
  private rots(): PlannedFault[] {
    const { random, kind } = this
    const node = this.node()
    return this.times(2, () => {
      const kill = this.window({ type: 'kill', node }, 3_000)
      const draw = random.unit()
      const where: RotPlace = draw < 0.6 ? 'tables' : draw < 0.8 ? 'log' : 'hints'
      const draws = Array.from({ length: 2 * (1 + random.below(4)) }, () => random.unit())
      const action = { type: 'rot', node, where, draws } as const
      return [kill, { kind, atMs: kill.atMs + Math.floor(kill.forMs / 2), forMs: 0, action }]
    })
  }

  private times(most: number, draw: () => PlannedFault[]): PlannedFault[] {
    return Array.from({ length: 1 + this.random.below(most) }, draw).flat()
  }

  private at(): number {
    return Math.round(this.random.between(0, this.chaosMs * 0.9))
  }

  private once(action: FaultAction): PlannedFault {
    return { kind: this.kind, atMs: this.at(), forMs: 0, action }
  }

  /** Short ones as often as long ones: much happens at the edges. */
  private window(action: FaultAction, longestMs: number): PlannedFault {
    const { random, kind } = this
    const most = random.chance(0.5) ? longestMs / 10 : longestMs
    return { kind, atMs: this.at(), forMs: Math.round(random.between(20, most)), action }
  }

  private oftenShort(usualMs: number, seldomMs: number): number {
    return this.random.chance(0.15) ? Math.max(usualMs, seldomMs) : usualMs
  }

  private links(options: Partial<LinkOptions>, longestMs: number): PlannedFault {
    if (this.random.chance(0.6)) return this.window({ type: 'links', options }, longestMs)
    return this.window({ type: 'links', options, only: this.direction() }, longestMs)
  }

  private node(): number {
    return this.random.below(this.people.nodes)
  }

  private everybody(): string[] {
    const { nodes, clients } = this.people
    return [
      ...Array.from({ length: nodes }, (_, index) => nodeName(index)),
      ...Array.from({ length: clients }, (_, index) => clientName(index)),
    ]
  }

  /** Two processes, at least one of them a node. */
  private direction(): Direction {
    const { random } = this
    const from = nodeName(this.node())
    const others = this.everybody().filter((name) => name !== from)
    const other = others[random.below(others.length)]!
    return random.chance(0.5) ? [from, other] : [other, from]
  }

  /** Everybody in two or three groups. */
  private groups(): string[][] {
    const { random } = this
    const groups = Array.from({ length: 2 + random.below(2) }, () => [] as string[])
    for (const name of this.everybody()) groups[random.below(groups.length)]!.push(name)
    return groups.filter((group) => group.length > 0)
  }

  /** One node alone; half of the time the clients still reach it. */
  private isolated(): Direction[] {
    const alone = nodeName(this.node())
    const others = this.random.chance(0.5)
      ? this.everybody()
      : this.everybody().slice(0, this.people.nodes)
    return others.filter((name) => name !== alone).flatMap((other) => both(alone, other))
  }

  /** Two halves that only one node reaches both of. Clients reach all. */
  private bridge(): Direction[] {
    const bridge = this.node()
    const names = Array.from({ length: this.people.nodes }, (_, index) => index)
    const ends = names.filter((index) => index !== bridge).map(nodeName)
    const left = ends.splice(0, Math.floor(ends.length / 2))
    return left.flatMap((one) => ends.flatMap((other) => both(one, other)))
  }

  /** Each node reaches a majority, each another one: those across the ring are cut. */
  private ring(): Direction[] {
    const { nodes } = this.people
    const across = Math.floor(nodes / 2)
    return Array.from({ length: nodes }, (_, index) =>
      both(nodeName(index), nodeName((index + across) % nodes)),
    ).flat()
  }
}

function both(a: string, b: string): Direction[] {
  return [
    [a, b],
    [b, a],
  ]
}
