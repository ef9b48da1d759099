import { comparePlaces, type Place } from '../table/place'

/** Runs within this factor of the smallest among them count as of similar size. */
const SIMILAR_FACTOR = 3

/**
 * Which runs to merge with each other: `tierRuns` or more of similar size, the smallest such; or,
 * when there are more than `runsMax`, the smallest of all. Undefined when nothing is to be merged.
 */
export function pickTier<Run>(
  runs: readonly Run[],
  tierRuns: number,
  runsMax: number,
  bytesOf: (run: Run) => number,
): Run[] | undefined {
  const ascending = smallest(runs, runs.length, bytesOf)
  for (let from = 0; from + tierRuns <= ascending.length; from += 1) {
    const limit = bytesOf(ascending[from]!) * SIMILAR_FACTOR
    let to = from
    while (to < ascending.length && bytesOf(ascending[to]!) <= limit) to += 1
    // What is smaller still comes along for next to nothing, and a run less is to be read.
    if (to - from >= tierRuns) return ascending.slice(0, to)
  }
  if (runs.length <= runsMax) return undefined
  return ascending.slice(0, Math.max(tierRuns, runs.length - runsMax + 1))
}

/** The `count` smallest runs, ascending; those of one size in the order given. */
export function smallest<Run>(
  runs: readonly Run[],
  count: number,
  bytesOf: (run: Run) => number,
): Run[] {
  return [...runs].sort((a, b) => bytesOf(a) - bytesOf(b)).slice(0, Math.max(0, count))
}

/** Deals tables out to as few groups as possible, so that none overlaps another of its group. */
export function groupDisjoint<Table extends { info: { first: Place; last: Place } }>(
  tables: readonly Table[],
): Table[][] {
  const groups: Table[][] = []
  const ascending = [...tables].sort((a, b) => comparePlaces(a.info.first, b.info.first))
  for (const table of ascending) {
    const group = groups.find((each) => comparePlaces(each.at(-1)!.info.last, table.info.first) < 0)
    if (group === undefined) groups.push([table])
    else group.push(table)
  }
  return groups
}
