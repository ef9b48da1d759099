import type { TableInfo } from '../table/table-info'
import { groupDisjoint, pickTier } from './tiers'

/** What the picker looks at of a table. */
export type PickedInfo = Pick<
  TableInfo,
  'number' | 'bytes' | 'cells' | 'first' | 'last' | 'halfExpiredMs'
>

/** A sorted run of data: tables that do not overlap. A flush makes a run of one table. */
export interface DataRun {
  readonly run: number
  readonly tables: readonly { readonly info: PickedInfo }[]
  /** A table in it has a damaged block: the run is left as it is, fenced. */
  readonly damaged: boolean
  /**
   * A merge is under way that takes part of it. A store that calls the picker meanwhile, for a second
   * worker, is given tiers alone, so that runs do not pile up while all is merged. Default false.
   */
  readonly busy?: boolean
}

export interface DeleteTable {
  readonly info: PickedInfo
  /**
   * Since it was written, a full merge has used it as a cover (or wrote it): the values that its
   * tombstones cover are gone. What a forget job writes is applied when all that it read was.
   */
  readonly applied: boolean
  /**
   * A forget job has read or written it, and nothing has changed since that would let it forget
   * more. The store clears this on every delete table when a full merge ends, when proofs have moved
   * on, and when it is opened.
   */
  readonly tried: boolean
  readonly damaged: boolean
}

export interface PickerInput {
  readonly runs: readonly DataRun[]
  readonly deletes: readonly DeleteTable[]
  /** Wall clock. */
  readonly nowMs: number
  /** Whether a tombstone can be forgotten at all: false where nothing is ever proven. */
  readonly proofsPossible: boolean
  readonly options: PickerOptions
}

export interface PickerOptions {
  /** So many runs of similar size are merged into one, 2 or more. */
  readonly tierRuns: number
  /** All is merged into the bottom run when the others have more than this share of its bytes. */
  readonly spaceShare: number
}

/**
 * With these, uniform overwrites of ten times as much data as fits into a memtable are written 5
 * times, log and flush included, and a hundred times as much 6 times; space stays below 1.5.
 */
export const PICKER_DEFAULTS: PickerOptions = Object.freeze({ tierRuns: 4, spaceShare: 0.25 })

export type Compaction =
  | {
      readonly type: 'merge'
      /** Numbers of data tables. */
      readonly inputs: readonly number[]
      /** The run that the outputs join, in place of the inputs. */
      readonly outputRun: number | 'new'
      /** All undamaged data takes part: afterwards the delete tables used as covers are applied. */
      readonly full: boolean
      readonly reason: string
    }
  | {
      readonly type: 'forget'
      /** Numbers of delete tables. */
      readonly inputs: readonly number[]
      readonly reason: string
    }

/** Upper runs beyond this number are merged whatever their sizes. */
const UPPER_RUNS_MAX = 8
/** Unapplied tombstones, as a share of the data's cells, that make a full merge worth while. */
const DELETES_SHARE = 0.2
/** But not for fewer than this, unless all the data is small. */
const DELETES_MIN = 1_000
const SMALL_DATA_BYTES = 1024 * 1024

/**
 * Decides the next compaction; undefined when nothing is to be done. Pure.
 *
 * Lazy levelling: one large run at the bottom, which has most of the data, and above it tiers of
 * runs that are merged only with their like. Whatever lies above the bottom is what overwrites may
 * waste, so that its share bounds the space; the tiers keep the number of times that a cell is
 * rewritten on its way down logarithmic. Versions are told apart by their stamps and not by the age
 * of their runs, so that any runs may be merged with each other.
 *
 * @see Dayan, Idreos, "Dostoevsky: Better Space-Time Trade-Offs for LSM-Tree Based Key-Value
 * Stores", SIGMOD 2018.
 */
export function pickCompaction(input: PickerInput): Compaction | undefined {
  const sound = input.runs.filter(({ damaged, tables }) => !damaged && tables.length > 0)
  const bottom = bottomOf(sound)
  const upper = sound.filter((run) => run !== bottom)
  if (sound.some(({ busy }) => busy)) return pickTiers(input, upper)
  return (
    pickSpace(input, bottom, upper) ??
    pickTiers(input, upper) ??
    pickDeletes(input, bottom, upper) ??
    pickExpired(input, sound) ??
    pickForget(input, sound.length === 0)
  )
}

function pickSpace(
  { options }: PickerInput,
  bottom: DataRun | undefined,
  upper: readonly DataRun[],
): Compaction | undefined {
  if (bottom === undefined) return undefined
  const share = totalBytes(upper) / bytesOf(bottom)
  if (share <= options.spaceShare) return undefined
  const percent = Math.round(share * 100)
  return fullMerge(bottom, upper, `upper runs have ${percent} % of the bottom run's bytes`)
}

function pickTiers({ options }: PickerInput, upper: readonly DataRun[]): Compaction | undefined {
  const idle = upper.filter(({ busy }) => !busy)
  const tier = pickTier(idle, options.tierRuns, UPPER_RUNS_MAX, bytesOf)
  if (tier === undefined) return undefined
  const inputs = numbersOf(tier)
  const reason = `${tier.length} of ${upper.length} upper runs are merged into one`
  return { type: 'merge', inputs, outputRun: 'new', full: false, reason }
}

function pickDeletes(
  { deletes }: PickerInput,
  bottom: DataRun | undefined,
  upper: readonly DataRun[],
): Compaction | undefined {
  if (bottom === undefined) return undefined
  const unapplied = deletes.filter(({ applied, damaged }) => !applied && !damaged)
  const tombstones = sum(unapplied, ({ info }) => info.cells)
  const cells = sum([bottom, ...upper], ({ tables }) => sum(tables, ({ info }) => info.cells))
  if (tombstones <= cells * DELETES_SHARE) return undefined
  const bytes = bytesOf(bottom) + totalBytes(upper)
  if (tombstones < DELETES_MIN && bytes > SMALL_DATA_BYTES) return undefined
  return fullMerge(bottom, upper, `${tombstones} tombstones wait over ${cells} cells`)
}

function pickExpired({ nowMs }: PickerInput, sound: readonly DataRun[]): Compaction | undefined {
  for (const { run, tables } of sound) {
    const due = tables.filter(({ info }) => info.halfExpiredMs > 0 && info.halfExpiredMs <= nowMs)
    if (due.length === 0) continue
    const full = sound.length === 1 && due.length === tables.length
    const reason = `half the cells have expired in ${due.length} of ${tables.length} tables`
    return {
      type: 'merge',
      inputs: due.map(({ info }) => info.number),
      outputRun: run,
      full,
      reason,
    }
  }
  return undefined
}

function pickForget(input: PickerInput, noData: boolean): Compaction | undefined {
  const deletes = input.deletes.filter(({ damaged }) => !damaged)
  const untried = deletes.filter(({ applied, tried }) => (applied || noData) && !tried)
  if (input.proofsPossible && untried.length > 0) {
    return forget(untried, `${untried.length} delete tables may have become forgettable`)
  }
  const tier = pickDeleteTier(deletes, input.options.tierRuns)
  if (tier === undefined) return undefined
  return forget(tier.flat(), `${tier.length} parts of the delete log are merged into one`)
}

/**
 * Applied tables are merged with their like, and others too: one that is not applied would make the
 * whole outcome count as such, and all the data be merged for tombstones that have nothing to do there.
 */
function pickDeleteTier(
  deletes: readonly DeleteTable[],
  tierRuns: number,
): DeleteTable[][] | undefined {
  const parts = [true, false].map((kind) =>
    groupDisjoint(deletes.filter(({ applied }) => applied === kind)),
  )
  const [fewer, more] = parts.sort((a, b) => a.length - b.length) as [
    DeleteTable[][],
    DeleteTable[][],
  ]
  const bytesOfPart = (part: DeleteTable[]) => sum(part, ({ info }) => info.bytes)
  // Both together are what a read may have to ask.
  const partsMax = Math.max(tierRuns, UPPER_RUNS_MAX - fewer.length)
  return (
    pickTier(more, tierRuns, partsMax, bytesOfPart) ??
    pickTier(fewer, tierRuns, Number.POSITIVE_INFINITY, bytesOfPart)
  )
}

function forget(tables: readonly DeleteTable[], reason: string): Compaction {
  return { type: 'forget', inputs: tables.map(({ info }) => info.number), reason }
}

function fullMerge(bottom: DataRun, upper: readonly DataRun[], reason: string): Compaction {
  const inputs = numbersOf([bottom, ...upper])
  return { type: 'merge', inputs, outputRun: bottom.run, full: true, reason }
}

/** The largest run; of equals the first. */
function bottomOf(runs: readonly DataRun[]): DataRun | undefined {
  let bottom: DataRun | undefined
  for (const run of runs) if (bottom === undefined || bytesOf(run) > bytesOf(bottom)) bottom = run
  return bottom
}

function numbersOf(runs: readonly DataRun[]): number[] {
  return runs.flatMap(({ tables }) => tables.map(({ info }) => info.number))
}

function totalBytes(runs: readonly DataRun[]): number {
  return sum(runs, bytesOf)
}

function bytesOf({ tables }: DataRun): number {
  return sum(tables, ({ info }) => info.bytes)
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
