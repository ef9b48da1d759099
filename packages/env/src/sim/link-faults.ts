import { KeyedRandom, type Seed } from './keyed-random'

/** How one direction between two processes behaves. Probabilities are per chunk written. */
export interface LinkOptions {
  latencyMinMs: number
  latencyMaxMs: number
  /** The rare slow packet: with this probability the latency is anything up to `tailMaxMs`. */
  tailProbability: number
  tailMaxMs: number
  bytesPerMs: number
  /** Both ends see ECONNRESET. */
  resetProbability: number
  /** Bytes arrive in other portions than they were written in. Not while chunks are hostile. */
  splitProbability: number
  /** One bit of the chunk arrives flipped. */
  corruptProbability: number
  /** Harsher than TCP: a chunk is lost, comes twice, or late and out of order. */
  dropProbability: number
  duplicateProbability: number
  reorderProbability: number
  /** How late a chunk out of order, or a second copy, may come. */
  reorderMaxMs: number
}

export const linkDefaults: Readonly<LinkOptions> = Object.freeze({
  latencyMinMs: 0.1,
  latencyMaxMs: 2,
  tailProbability: 0.001,
  tailMaxMs: 100,
  bytesPerMs: 125_000,
  resetProbability: 0,
  splitProbability: 0,
  corruptProbability: 0,
  dropProbability: 0,
  duplicateProbability: 0,
  reorderProbability: 0,
  reorderMaxMs: 100,
})

/** One direction between two processes. */
export class Link {
  cut = false
  readonly random: KeyedRandom
  private overrides: Partial<LinkOptions> = {}
  private merged: LinkOptions

  constructor(
    seed: Seed,
    readonly from: string,
    readonly to: string,
    world: Readonly<LinkOptions>,
  ) {
    this.random = new KeyedRandom(seed, 'net', `${from}→${to}`)
    this.merged = { ...world }
  }

  get options(): Readonly<LinkOptions> {
    return this.merged
  }

  get isHostile(): boolean {
    const { dropProbability, duplicateProbability, reorderProbability } = this.merged
    return dropProbability + duplicateProbability + reorderProbability > 0
  }

  configure(world: Readonly<LinkOptions>, overrides = this.overrides): void {
    this.overrides = overrides
    this.merged = { ...world, ...overrides }
  }

  latencyMs(): number {
    const { latencyMinMs, latencyMaxMs, tailProbability, tailMaxMs } = this.merged
    const slow = this.random.chance(tailProbability)
    return this.random.between(latencyMinMs, slow ? tailMaxMs : latencyMaxMs)
  }
}

/** All links, made when first used, and the faults laid on them. */
export class LinkTable {
  private readonly links = new Map<string, Link>()
  private world: LinkOptions
  private groups: ReadonlyMap<string, number> = new Map()

  constructor(
    private readonly seed: Seed,
    options: Partial<LinkOptions>,
  ) {
    this.world = { ...linkDefaults, ...options }
  }

  get(from: string, to: string): Link {
    const key = `${from}\0${to}`
    let link = this.links.get(key)
    if (link === undefined) {
      link = new Link(this.seed, from, to, this.world)
      this.links.set(key, link)
    }
    return link
  }

  isCut(link: Link): boolean {
    if (link.cut) return true
    const from = this.groups.get(link.from)
    const to = this.groups.get(link.to)
    return from !== undefined && to !== undefined && from !== to
  }

  configureAll(options: Partial<LinkOptions>): void {
    this.world = { ...this.world, ...options }
    for (const link of this.links.values()) link.configure(this.world)
  }

  configure(from: string, to: string, options: Partial<LinkOptions>): void {
    this.get(from, to).configure(this.world, options)
  }

  /** Processes of different groups no longer reach each other; a name in none is not affected. */
  partition(groups: readonly (readonly string[])[]): void {
    const groupOf = new Map<string, number>()
    groups.forEach((names, index) => {
      for (const name of names) groupOf.set(name, index)
    })
    this.groups = groupOf
  }

  mend(): void {
    this.groups = new Map()
    for (const link of this.links.values()) link.cut = false
  }
}
