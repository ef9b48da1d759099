import { KeyedRandom, type LinkOptions, linkDefaults } from '@cassiopeia/env'

/** Kinds of faults that a run may have; each seed switches its own set on. */
export const FAULT_KINDS = Object.freeze([
  'lose',
  'duplicate',
  'reorder',
  'delay',
  'split',
  'reset',
  'partition',
  'oneWay',
  'skew',
  'drift',
  'kill',
  'powerCut',
  'pause',
  'slowDisk',
] as const)
export type FaultKind = (typeof FAULT_KINDS)[number]

/** What happens to the world from `atMs` on, for `forMs`. Times are since the chaos began. */
export interface PlannedFault {
  readonly kind: FaultKind
  readonly atMs: number
  /** 0 for what has no end, such as a clock that was set. */
  readonly forMs: number
  readonly action: FaultAction
}

export type FaultAction =
  /** All links, or one direction between two processes. */
  | { readonly type: 'links'; readonly options: Partial<LinkOptions>; readonly only?: Direction }
  | { readonly type: 'reset'; readonly between: Direction }
  | { readonly type: 'partition'; readonly groups: readonly (readonly string[])[] }
  | { readonly type: 'cut'; readonly only: Direction }
  | { readonly type: 'clockStep'; readonly node: number; readonly ms: number }
  | { readonly type: 'clockRate'; readonly node: number; readonly wall: number; mono: number }
  | { readonly type: 'kill' | 'powerCut' | 'pause'; readonly node: number }
  | { readonly type: 'slowDisk'; readonly node: number; readonly factor: number }

export type Direction = readonly [from: string, to: string]

export interface People {
  readonly nodes: number
  readonly clients: number
}

export const nodeName = (index: number) => `node-${index}`
export const clientName = (index: number) => `client-${index}`

/** How far a wall clock may be off, either way. */
export const SKEW_MAX_MS = 1_000
/** A drifting clock leaves that range by at most this much in a run. */
export const DRIFT_MAX = 0.01

/** Windows of each kind, spread over the run. One stream per kind: kinds can be taken out singly. */
export function drawFaults(
  seed: number,
  kinds: readonly FaultKind[],
  people: People,
  chaosMs: number,
): PlannedFault[] {
  const faults = kinds.flatMap((kind) => {
    const random = new KeyedRandom(seed, 'plan:fault', kind)
    if (kind === 'skew') return drawSkews(random, people, chaosMs)
    const count = 1 + random.below(kind === 'kill' || kind === 'powerCut' ? 5 : 4)
    return Array.from({ length: count }, () => drawFault(random, kind, people, chaosMs))
  })
  return faults.sort((a, b) => a.atMs - b.atMs)
}

function drawFault(
  random: KeyedRandom,
  kind: FaultKind,
  people: People,
  chaosMs: number,
): PlannedFault {
  const atMs = Math.round(random.between(0, chaosMs * 0.9))
  const window = (action: FaultAction, longestMs: number): PlannedFault => {
    // Short ones as often as long ones: much happens at the edges.
    const most = random.chance(0.5) ? longestMs / 10 : longestMs
    return { kind, atMs, forMs: Math.round(random.between(20, most)), action }
  }
  const node = random.below(people.nodes)
  switch (kind) {
    case 'lose':
      return window(links(random, people, { dropProbability: random.between(0.005, 0.3) }), 4_000)
    case 'duplicate':
      return window(
        links(random, people, { duplicateProbability: random.between(0.02, 0.4) }),
        8_000,
      )
    case 'reorder': {
      const reorderMaxMs = random.between(2, 200)
      const reorderProbability = random.between(0.02, 0.4)
      return window(links(random, people, { reorderProbability, reorderMaxMs }), 8_000)
    }
    case 'delay': {
      const latencyMaxMs = random.between(5, 400)
      const tailProbability = random.between(0, 0.2)
      const options = { latencyMaxMs, tailProbability, tailMaxMs: latencyMaxMs * 4 }
      return window(links(random, people, options), 4_000)
    }
    case 'split':
      return window(links(random, people, { splitProbability: random.between(0.1, 1) }), 8_000)
    case 'reset': {
      if (random.chance(0.5)) {
        const action = { type: 'reset', between: drawDirection(random, people) } as const
        return { kind, atMs, forMs: 0, action }
      }
      return window(links(random, people, { resetProbability: random.between(0.001, 0.05) }), 4_000)
    }
    case 'partition':
      return window({ type: 'partition', groups: drawGroups(random, people) }, 6_000)
    case 'oneWay':
      return window({ type: 'cut', only: drawDirection(random, people) }, 6_000)
    case 'drift': {
      const wall = random.between(1 - DRIFT_MAX, 1 + DRIFT_MAX)
      const mono = random.between(1 - DRIFT_MAX, 1 + DRIFT_MAX)
      return window({ type: 'clockRate', node, wall, mono }, 8_000)
    }
    case 'pause':
      return window({ type: 'pause', node }, 6_000)
    case 'slowDisk':
      return window({ type: 'slowDisk', node, factor: 10 ** random.between(0.5, 2) }, 4_000)
    default:
      return window({ type: kind as 'kill' | 'powerCut', node }, 4_000)
  }
}

/** Each clock is set off by a constant; some are set again, within the same bounds. */
function drawSkews(random: KeyedRandom, people: People, chaosMs: number): PlannedFault[] {
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

function links(random: KeyedRandom, people: People, options: Partial<LinkOptions>): FaultAction {
  if (random.chance(0.6)) return { type: 'links', options }
  return { type: 'links', options, only: drawDirection(random, people) }
}

function everybody({ nodes, clients }: People): string[] {
  return [
    ...Array.from({ length: nodes }, (_, index) => nodeName(index)),
    ...Array.from({ length: clients }, (_, index) => clientName(index)),
  ]
}

/** Two processes, at least one of them a node. */
function drawDirection(random: KeyedRandom, people: People): Direction {
  const from = random.below(people.nodes)
  const others = everybody(people)
  others.splice(from, 1)
  const other = others[random.below(others.length)]!
  return random.chance(0.5) ? [nodeName(from), other] : [other, nodeName(from)]
}

/** One node alone, or everybody in two or three groups. */
function drawGroups(random: KeyedRandom, people: People): string[][] {
  const all = everybody(people)
  if (random.chance(0.4)) {
    const alone = nodeName(random.below(people.nodes))
    return [[alone], all.filter((name) => name !== alone)]
  }
  const groups = Array.from({ length: 2 + random.below(2) }, () => [] as string[])
  for (const name of all) groups[random.below(groups.length)]!.push(name)
  return groups.filter((group) => group.length > 0)
}

/** How the links are when no fault is laid on them, for the options that one has changed. */
export function linksAtRest(options: Partial<LinkOptions>): Partial<LinkOptions> {
  const names = Object.keys(options) as (keyof LinkOptions)[]
  return Object.fromEntries(names.map((name) => [name, linkDefaults[name]]))
}
