/** A write, or several that were given as one, with the number that its values carry. */
export interface GivenWrite {
  readonly sequence: number
  readonly sets: readonly string[]
  readonly removes: readonly string[]
}

/** Of each key that has a value, the write that gave it. */
export type Holding = ReadonlyMap<string, number>

const SHOWN_MAX = 8

/**
 * What a store may hold. Writes reach its log in the order in which they were given, so after a kill
 * it holds all of them up to some point, which no acknowledged write lies behind, and of a batch all
 * or nothing.
 */
export class WriteHistory {
  private holding: Map<string, number>
  /** Given since then, in order. */
  private readonly given: GivenWrite[] = []
  private acknowledged = 0

  constructor(holding: Holding = new Map()) {
    this.holding = new Map(holding)
  }

  give(write: GivenWrite): void {
    this.given.push(write)
  }

  acknowledge(sequence: number): void {
    this.acknowledged = Math.max(this.acknowledged, sequence)
  }

  /** The same as it is now; what follows concerns this one alone. */
  fork(): WriteHistory {
    const fork = new WriteHistory(this.holding)
    fork.given.push(...this.given)
    fork.acknowledged = this.acknowledged
    return fork
  }

  /**
   * A store was found to hold this: from now on it must, and writes that are missing must never come.
   *
   * @returns what is wrong with it; undefined when it may be so.
   */
  settle(found: Holding): string | undefined {
    const certain = this.given.filter(({ sequence }) => sequence <= this.acknowledged)
    const possible = this.given.slice(certain.length)
    for (const write of certain) apply(this.holding, write)
    this.given.length = 0
    const before = new Map(this.holding)
    const differing = new Set(differences(this.holding, found))
    for (const write of possible) {
      if (differing.size === 0) break
      apply(this.holding, write)
      for (const key of [...write.sets, ...write.removes]) {
        if (this.holding.get(key) === found.get(key)) differing.delete(key)
        else differing.add(key)
      }
    }
    this.holding = new Map(found)
    return differing.size === 0 ? undefined : explain(before, possible, found, this.acknowledged)
  }
}

function apply(holding: Map<string, number>, { sequence, sets, removes }: GivenWrite): void {
  for (const key of sets) holding.set(key, sequence)
  for (const key of removes) holding.delete(key)
}

function differences(a: Holding, b: Holding): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key))
}

function explain(
  certain: Holding,
  possible: readonly GivenWrite[],
  found: Holding,
  acknowledged: number,
): string {
  const keys = differences(certain, found)
  const lines = keys.slice(0, SHOWN_MAX).map((key) => {
    const later = possible
      .filter(({ sets, removes }) => sets.includes(key) || removes.includes(key))
      .map(({ sequence, sets }) => (sets.includes(key) ? '+' : '-') + sequence)
    return `${key}: found ${found.get(key)}, acknowledged ${certain.get(key)}, then ${later.join()}`
  })
  const given = possible.at(-1)?.sequence ?? acknowledged
  return [
    `no prefix of the writes explains what was found, from ${acknowledged} (the last one that was`,
    `acknowledged) to ${given} (the last one given); from the former ${keys.length} keys differ:`,
    ...lines,
  ].join('\n')
}
