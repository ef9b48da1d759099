import { KeyedRandom, type Seed } from './keyed-random'

/** A site is switched on in this share of the worlds. */
const SITE_SHARE = 0.25
/** And then this often says yes. */
const FIRE_SHARE = 0.25

/**
 * Answers the port `buggify` of all processes of a world: whether code should take its rare path here
 * and now. Each site has its own chance for the whole world, and its own stream in each process.
 *
 * @see Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store", SIGMOD 2021.
 */
export class Buggify {
  /** Nothing fires until this is set. */
  enabled = false
  /** How often each site has fired. */
  readonly fired = new Map<string, number>()
  private readonly isOn = new Map<string, boolean>()
  private readonly streams = new Map<string, KeyedRandom>()

  constructor(private readonly seed: Seed) {}

  fires(site: string, process: string): boolean {
    if (!this.enabled || !this.isSiteOn(site)) return false
    const key = `${process}\0${site}`
    let stream = this.streams.get(key)
    if (stream === undefined) {
      stream = new KeyedRandom(this.seed, `buggify:${site}`, process)
      this.streams.set(key, stream)
    }
    if (!stream.chance(FIRE_SHARE)) return false
    this.fired.set(site, (this.fired.get(site) ?? 0) + 1)
    return true
  }

  private isSiteOn(site: string): boolean {
    let isOn = this.isOn.get(site)
    if (isOn === undefined) {
      isOn = new KeyedRandom(this.seed, 'buggify-site', site).chance(SITE_SHARE)
      this.isOn.set(site, isOn)
    }
    return isOn
  }
}
