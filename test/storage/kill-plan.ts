import type { KeyedRandom } from '@cassiopeia/env'
import type { SyncMode } from '@cassiopeia/storage'

/** What the process is doing when it is killed, beside writing. */
export type Phase = 'open' | 'load' | 'flush' | 'compact' | 'snapshot' | 'close' | 'end'

/** What a process of `kill-child.js` is told. */
export interface ChildPlan {
  readonly directory: string
  readonly seed: string
  readonly phase: Phase
  /** How long it writes before each call of its phase. */
  readonly loadMs: number
  readonly keys: number
  /** Its first write has this number, the next one the next. */
  readonly firstSequence: number
  readonly sync: SyncMode
  readonly verifies: boolean
  readonly memtableBytes: number
  readonly segmentBytes: number
  readonly tableBytes: number
  readonly blockBytes: number
  readonly compression: 'none' | 'deflate'
  readonly copyToMake: string
  readonly copyToCheck: string | undefined
}

/** A process and its end. */
export interface KillPlan extends ChildPlan {
  /** Milliseconds from when its phase has begun. */
  readonly killAfterMs: number
}

/** How often each phase is chosen, and how long it may go on. */
const PHASES: readonly (readonly [Phase, share: number, killAfterMsMax: number])[] = [
  ['load', 8, 400],
  ['open', 3, 40],
  ['flush', 2, 200],
  ['compact', 3, 300],
  ['snapshot', 4, 200],
  ['close', 2, 50],
]
const SYNC_MODES: readonly SyncMode[] = ['none', 'none', 'periodic', 'periodic', 'group']
const LOAD_MS_MAX = 150

export interface KillSettings {
  readonly directory: string
  readonly keys: number
}

/** Draws how the process of a round works and when it dies. */
export function drawRound(
  { directory, keys }: KillSettings,
  random: KeyedRandom,
  round: number,
  firstSequence: number,
  copyToCheck: string | undefined,
): KillPlan {
  const one = <Item>(items: readonly Item[]) => items[Math.floor(random.unit() * items.length)]!
  const all = PHASES.flatMap((each) => Array.from({ length: each[1] }, () => each))
  const [phase, , killAfterMsMax] = one(all)
  return {
    directory: `${directory}/store`,
    copyToMake: `${directory}/copy-${round}`,
    copyToCheck,
    seed: String(random.u32()),
    phase,
    keys,
    firstSequence,
    loadMs: Math.floor(random.unit() * LOAD_MS_MAX),
    killAfterMs: Math.floor(random.unit() * killAfterMsMax),
    sync: one(SYNC_MODES),
    verifies: random.unit() < 0.4,
    memtableBytes: one([8, 32, 128]) * 1024,
    segmentBytes: one([4, 32, 128]) * 1024,
    tableBytes: one([16, 64, 256]) * 1024,
    blockBytes: one([512, 4096]),
    compression: one(['none', 'none', 'deflate']),
  }
}

/** The last process is left alone: it looks, compacts, looks again, and closes. */
export const LAST_ROUND = { phase: 'end', verifies: true } as const
