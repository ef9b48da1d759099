/** What `memory-child.js` is told. */
export interface MemoryPlan {
  readonly directory: string
  readonly memoryBytesMax: number
  /** Bytes of values given in all. */
  readonly loadBytes: number
  readonly keys: number
  readonly seed: string
}

/** What it has seen, in bytes and milliseconds. */
export interface MemoryReport {
  /** Looks at the store's own account; how many found it above its budget; the highest. */
  readonly samples: number
  readonly overBudget: number
  readonly storeMax: Readonly<Record<string, number>>
  /** Of the process: just after opening, half-way through the load, and when it was highest. */
  readonly base: NodeJS.MemoryUsage
  readonly half: NodeJS.MemoryUsage
  readonly max: NodeJS.MemoryUsage
  /** Now and then, in MiB: rss/heapTotal/external/arrayBuffers/the store's own account. */
  readonly trail: readonly string[]
  readonly found: number
  readonly expected: number
  readonly wrong: number
  readonly given: number
  readonly scanned: number
  readonly loadMs: number
  readonly checkMs: number
  readonly store: Readonly<Record<string, number>>
}
