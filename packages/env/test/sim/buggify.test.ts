import { Simulation } from '../../src'

const SITES = Array.from({ length: 400 }, (_, index) => `site-${index}`)

/** How often each site fires in so many tries. */
function firing(seed: number, tries: number, enabled = true): number[] {
  const simulation = new Simulation({ seed })
  simulation.buggify.enabled = enabled
  const { ports } = simulation.process('node')
  return SITES.map((site) => {
    let fired = 0
    for (let index = 0; index < tries; index += 1) if (ports.buggify!(site)) fired += 1
    expect(simulation.buggify.fired.get(site) ?? 0).toBe(fired)
    return fired
  })
}

describe('buggify', () => {
  it('buggify: until it is enabled: never', () => {
    expect(firing(1, 10, false).every((count) => count === 0)).toBe(true)
  })

  it('buggify: enabled: a quarter of the sites, each a quarter of the time', () => {
    const counts = firing(1, 200)
    const on = counts.filter((count) => count > 0)
    expect(on.length).toBeGreaterThan(SITES.length * 0.15)
    expect(on.length).toBeLessThan(SITES.length * 0.35)
    const mean = on.reduce((sum, count) => sum + count, 0) / on.length
    expect(mean).toBeGreaterThan(45)
    expect(mean).toBeLessThan(55)
  })

  it('buggify: same seed: the same; another: another', () => {
    expect(firing(7, 20)).toEqual(firing(7, 20))
    expect(firing(7, 20)).not.toEqual(firing(8, 20))
  })

  it('buggify: a site asked for or not: shifts no draw of another site or process', () => {
    const draws = (others: boolean) => {
      const simulation = new Simulation({ seed: 3 })
      simulation.buggify.enabled = true
      const a = simulation.process('a')
      const b = simulation.process('b')
      return SITES.map((site) => {
        if (others) {
          a.ports.buggify!('another')
          b.ports.buggify!(site)
        }
        return a.ports.buggify!(site)
      })
    }
    expect(draws(true)).toEqual(draws(false))
  })
})
