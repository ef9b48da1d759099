import { KeyedRandom } from '@cassiopeia/env'
import { Backoff } from '../../src/transport/backoff'

describe('backoff', () => {
  it('backoff: 2,000 failures: within its bounds, doubling to the ceiling, spread (seed 1)', () => {
    const backoff = new Backoff(50, 2_000, new KeyedRandom(1, 'backoff'))
    const waits = Array.from({ length: 2_000 }, () => backoff.next())
    waits.forEach((wait, failures) => {
      const ceiling = Math.min(2_000, 50 * 2 ** failures)
      expect(wait).toBeGreaterThanOrEqual(ceiling / 2)
      expect(wait).toBeLessThanOrEqual(ceiling)
    })
    expect(new Set(waits.slice(10, 30).map(Math.round)).size).toBeGreaterThan(10)
    backoff.reset()
    expect(backoff.next()).toBeLessThanOrEqual(50)
  })
})
