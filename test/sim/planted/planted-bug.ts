import type { FaultKind } from '../faults'

/**
 * A bug to be planted in the database for as long as a test runs, by replacing a method of one of its
 * classes. A rig that does not find it would not find the next real one either.
 */
interface Planted {
  readonly name: string
  /** @returns what takes the bug out again. */
  plant(): () => void
}

/** One that whole clusters show: the simulator finds it by seeds. */
export interface ClusterBug extends Planted {
  readonly rig?: 'cluster'
  /** Only seeds with these kinds of faults can show it. */
  readonly needs: readonly FaultKind[]
  /** Seeds, of those, within which it must be found: some four times what it took. */
  readonly seedsMax: number
  /** Rules of which one must be violated. */
  readonly rules: readonly string[]
}

/** One that seeds show too seldom, or never, and why: named tests find it. */
export interface TestedBug extends Planted {
  /** 'engine': the store's own crash, lockstep and damage tests. 'tests': scenarios and unit tests. */
  readonly rig: 'engine' | 'tests'
  /** Test files, from the repository's root, without '.test.ts': a test in one of them must fail. */
  readonly suites: readonly string[]
  /** Which of their tests, as a pattern; default all. */
  readonly tests?: string
  /** How many times as many seeds the tests take as they usually do. */
  readonly seedsFactor?: number
  /** How often the suites are run: some draw where they begin. Default 1. */
  readonly runsMax?: number
}

export type PlantedBug = ClusterBug | TestedBug

export function isClusterBug(bug: PlantedBug): bug is ClusterBug {
  return bug.rig === undefined || bug.rig === 'cluster'
}

/** What shows when something that was acknowledged is not there any more. */
export const LOST = Object.freeze([
  'acknowledged-write-lost',
  'read-your-writes',
  'time-travel',
  'monotonic-reads',
  'resurrection',
])

// biome-ignore lint/suspicious/noExplicitAny: whatever the method takes and gives
type Method = (...args: any[]) => any

/** Replaces a method, which may be private, by one that is given the original. */
export function replace(
  on: { readonly prototype: object },
  name: string,
  make: (original: Method) => Method,
): () => void {
  return replaceIn(on.prototype, name, make)
}

/** The same for a static one. */
export function replaceStatic(
  on: object,
  name: string,
  make: (original: Method) => Method,
): () => void {
  return replaceIn(on, name, make)
}

/** Several at once. */
export function all(...takeOuts: (() => void)[]): () => void {
  return () => {
    for (const takeOut of takeOuts) takeOut()
  }
}

function replaceIn(on: object, name: string, make: (original: Method) => Method): () => void {
  const methods = on as Record<string, Method>
  const original = methods[name]
  // A bug that is planted nowhere would be missed for the wrong reason.
  if (typeof original !== 'function')
    throw new Error(`there is no method ${name} to plant a bug in`)
  methods[name] = make(original)
  return () => {
    methods[name] = original
  }
}
