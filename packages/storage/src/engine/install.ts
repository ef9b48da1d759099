import type { ManifestState, ManifestTable } from '../manifest/format'
import { comparePlaces, type Place } from '../table/place'
import { type TableInfo, TableKind } from '../table/table-info'

/** Where the outputs of a merge go. */
export interface MergeTarget {
  readonly run: number
  readonly inputs: ReadonlySet<number>
  /** All live data takes part. */
  readonly full: boolean
  /** Delete tables that now have been applied to all data. */
  readonly applied: ReadonlySet<number> | undefined
}

/** Gives a run's number that was never given before. */
export type NewRun = () => number

/** The state after a flush has written `infos`: each is a run of its own. Pure but for `newRun`. */
export function installFlush(
  state: ManifestState,
  infos: readonly TableInfo[],
  logFirst: number,
  newRun: NewRun,
): ManifestState {
  const added = infos.map((info) => ({ info, run: newRun(), after: undefined, applied: false }))
  return { ...state, logFirst, tables: [...state.tables, ...added] }
}

/**
 * The state after a merge has written `infos` and has no more use for its inputs up to `upTo`; for
 * any of them when `upTo` is undefined. Pure but for `newRun`.
 */
export function installMerge(
  state: ManifestState,
  infos: readonly TableInfo[],
  upTo: Place | undefined,
  target: MergeTarget,
  newRun: NewRun,
): ManifestState {
  const tables: ManifestTable[] = []
  for (const entry of state.tables) {
    const { info } = entry
    if (target.inputs.has(info.number)) {
      if (upTo === undefined || comparePlaces(info.last, upTo) <= 0) continue
      // A merge that a crash cut short may have come further: what is dead must not come to life.
      const isUntouched = comparePlaces(upTo, entry.after ?? info.first) < 0
      tables.push(isUntouched ? entry : { ...entry, after: upTo })
    } else if (target.applied?.has(info.number)) tables.push({ ...entry, applied: true })
    else tables.push(entry)
  }
  for (const info of infos) {
    const isData = info.kind === TableKind.data
    tables.push({
      info,
      run: isData ? target.run : newRun(),
      after: undefined,
      // The values that a tombstone covers went with the merge, if that saw all there are.
      applied: !isData && target.full,
    })
  }
  return { ...state, tables }
}

/**
 * Whether the outcome of merging `inputs` may join a run: not when another table of it lies between
 * them, as it may when those have expired that are at both ends. Pure.
 */
export function mayJoin(state: ManifestState, run: number, inputs: readonly number[]): boolean {
  const isInput = new Set(inputs)
  const merged = state.tables.filter(({ info }) => isInput.has(info.number))
  const others = state.tables.filter(
    (entry) => entry.run === run && !isInput.has(entry.info.number),
  )
  return others.every((other) => {
    const isBelow = merged.every((entry) => comparePlaces(other.info.last, startOf(entry)) < 0)
    return isBelow || merged.every(({ info }) => comparePlaces(info.last, startOf(other)) < 0)
  })
}

/** No cell before it counts. */
function startOf({ info, after }: ManifestTable): Place {
  return after !== undefined && comparePlaces(after, info.first) > 0 ? after : info.first
}

/** The state after parts of the delete log have been merged into `infos`, the run `run`. Pure. */
export function replaceDeletes(
  state: ManifestState,
  inputs: ReadonlySet<number>,
  infos: readonly TableInfo[],
  run: number,
  applied: boolean,
): ManifestState {
  const kept = state.tables.filter(({ info }) => !inputs.has(info.number))
  const added = infos.map((info) => ({ info, run, after: undefined, applied }))
  return { ...state, tables: [...kept, ...added] }
}
