import type { FaultKind } from '../sim/faults'

/** Kinds of faults that come from outside of the processes. `plan.ts` draws when they come. */
export const CHAOS_KINDS = Object.freeze([
  // Processes.
  'kill',
  'killAgain',
  'killAll',
  'stop',
  'pause',
  // The network.
  'cut',
  'oneWay',
  'partition',
  'reset',
  'delay',
  'slow',
  'split',
  'flip',
  // Disks.
  'diskFull',
  'rot',
] as const)
export type ChaosKind = (typeof CHAOS_KINDS)[number]

/** What the simulation calls the same, for histories that its checkers read. */
export const SIMULATED_KINDS: Readonly<Record<ChaosKind, FaultKind>> = Object.freeze({
  kill: 'kill',
  killAgain: 'recoveryKill',
  killAll: 'restartStorm',
  stop: 'kill',
  pause: 'pause',
  cut: 'isolate',
  oneWay: 'oneWay',
  partition: 'partition',
  reset: 'reset',
  delay: 'delay',
  slow: 'slowLink',
  split: 'split',
  flip: 'corrupt',
  diskFull: 'diskFull',
  rot: 'rot',
})

/** From a party to another; '*' stands for anybody. Parties are nodes and clients. */
export type Direction = readonly [from: string, to: string]

/** What happens to bytes on their way, for as long as it lasts. */
export interface LinkEffect {
  /** Nothing passes: bytes wait, and so do ends of connections. */
  readonly hold?: true
  readonly delayMs?: number
  /** Up to so much more, drawn for each portion. */
  readonly jitterMs?: number
  readonly bytesPerSecond?: number
  /** Bytes arrive in portions of at most so many. */
  readonly portionBytesMax?: number
}

/** Times are since the chaos began. */
export interface ChaosFault {
  readonly kind: ChaosKind
  readonly atMs: number
  /** 0 for what has no end. */
  readonly forMs: number
  readonly action: ChaosAction
}

export type ChaosAction =
  /** kill -9; SIGTERM; SIGSTOP. After `forMs` the node is started again, or goes on. */
  | { readonly type: 'kill' | 'stop' | 'pause'; readonly node: number }
  /** Started at once, and killed again so long after that, while it recovers. */
  | { readonly type: 'killAgain'; readonly node: number; readonly afterMs: number }
  /** All at the same moment. Each is started again after its own while. */
  | { readonly type: 'killAll'; readonly downMs: readonly number[] }
  | {
      readonly type: 'links'
      readonly where: readonly Direction[]
      readonly effect: LinkEffect
    }
  /** RST on all connections to and from the party. */
  | { readonly type: 'reset'; readonly party: string }
  /** One bit of each of the portions that pass next; a draw from 0 to below 1 says which. */
  | { readonly type: 'flip'; readonly where: Direction; readonly draws: readonly number[] }
  /** Somebody else fills the disk up, but for so many bytes. */
  | { readonly type: 'diskFull'; readonly node: number; readonly roomBytes: number }
  /** Killed; then bits of table files flip, before it starts again. */
  | { readonly type: 'rot'; readonly node: number; readonly draws: readonly number[] }

export const nodeName = (index: number) => `node-${index}`
export const clientName = (index: number) => `client-${index}`
