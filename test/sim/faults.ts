import { type LinkOptions, linkDefaults } from '@cassiopeia/env'

/** Kinds of faults that a run may have; each seed switches its own set on. `draw-faults.ts` draws them. */
export const FAULT_KINDS = Object.freeze([
  // The network.
  'lose',
  'duplicate',
  'reorder',
  'corrupt',
  'delay',
  'slowLink',
  'split',
  'reset',
  'partition',
  'oneWay',
  'isolate',
  'bridge',
  'ring',
  'swizzle',
  'halfOpen',
  // Clocks.
  'skew',
  'jump',
  'drift',
  'strobe',
  // Processes.
  'kill',
  'powerCut',
  'pause',
  'restartStorm',
  'recoveryKill',
  // Disks.
  'slowDisk',
  'diskFull',
  'syncFail',
  'readFail',
  'writeFail',
  'rot',
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

/**
 * What is done, in a few words that all kinds are made of: a 'swizzle' is many cuts, a 'restartStorm'
 * many kills. Faults may overlap: a link is cut while any cut of it lasts.
 */
export type FaultAction =
  /** All links, or one direction between two processes. */
  | { readonly type: 'links'; readonly options: Partial<LinkOptions>; readonly only?: Direction }
  | { readonly type: 'reset'; readonly between: Direction }
  | { readonly type: 'partition'; readonly groups: readonly (readonly string[])[] }
  /** Nothing passes in these directions; connections stay, half open. */
  | { readonly type: 'cuts'; readonly pairs: readonly Direction[] }
  | { readonly type: 'clockStep'; readonly node: number; readonly ms: number }
  /** As `clockStep`, and set back at the end. */
  | { readonly type: 'clockJump'; readonly node: number; readonly ms: number }
  /** To and fro by `ms`, again and again. */
  | { readonly type: 'strobe'; readonly node: number; readonly ms: number; everyMs: number }
  | { readonly type: 'clockRate'; readonly node: number; readonly wall: number; mono: number }
  | { readonly type: 'kill' | 'powerCut' | 'pause'; readonly node: number }
  | { readonly type: 'slowDisk'; readonly node: number; readonly factor: number }
  /** The disk has room for so many bytes more. */
  | { readonly type: 'diskFull'; readonly node: number; readonly roomBytes: number }
  | {
      readonly type: 'syncFail' | 'readFail' | 'writeFail'
      readonly node: number
      readonly probability: number
    }
  /** Bits of files flip, if the node is down; `draws` (0 to 1) say which. */
  | { readonly type: 'rot'; readonly node: number; readonly where: RotPlace; draws: number[] }

export type Direction = readonly [from: string, to: string]

/** Files that lie still: those of tables, of the commit log, of hints. */
export type RotPlace = 'tables' | 'log' | 'hints'

export interface People {
  readonly nodes: number
  readonly clients: number
}

export const nodeName = (index: number) => `node-${index}`
export const clientName = (index: number) => `client-${index}`

/** How far a wall clock may be off, either way, by 'skew'; and again by 'strobe'. */
export const SKEW_MAX_MS = 1_000
/** How fast or slow a drifting clock may run. */
export const DRIFT_MAX = 0.01
/** The largest jump of a clock, as in Jepsen's clock nemesis. */
export const JUMP_MAX_MS = 288_000

/** Faults after which a node may stop by itself, rather than guess what is on its disk. */
export const STOPPING_TYPES: readonly FaultAction['type'][] = ['syncFail', 'readFail', 'writeFail']

/** Whether the power goes in such runs: then only what was synced is promised to stay. */
export const POWER_KINDS: readonly FaultKind[] = ['powerCut', 'halfOpen']

/** How the links are when no fault is laid on them, for the options that one has changed. */
export function linksAtRest(options: Partial<LinkOptions>): Partial<LinkOptions> {
  const names = Object.keys(options) as (keyof LinkOptions)[]
  return Object.fromEntries(names.map((name) => [name, linkDefaults[name]]))
}
