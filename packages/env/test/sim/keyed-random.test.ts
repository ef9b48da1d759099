import { KeyedRandom } from '../../src'

describe('keyed random', () => {
  it('keyed random: same key: same draws; another stream, actor or seed: others', () => {
    const draw = (...key: ConstructorParameters<typeof KeyedRandom>) =>
      new KeyedRandom(...key).u32()
    const keys: ConstructorParameters<typeof KeyedRandom>[] = [
      [1, 'net', 'a'],
      [2, 'net', 'a'],
      [1, 'disk', 'a'],
      [1, 'net', 'b'],
      [1, 'neta', ''],
    ]
    expect(new Set(keys.map((key) => draw(...key))).size).toBe(keys.length)
    expect(draw(1, 'net', 'a')).toBe(draw('1', 'net', 'a'))
  })

  it('keyed random: uniform in every bit, and without order (10,000 draws)', () => {
    const random = new KeyedRandom('uniform', 'test')
    const ones = new Array<number>(32).fill(0)
    let rises = 0
    let last = 0
    for (let index = 0; index < 10_000; index += 1) {
      const value = random.u32()
      for (let bit = 0; bit < 32; bit += 1) ones[bit]! += (value >>> bit) & 1
      if (value > last) rises += 1
      last = value
    }
    // Six standard deviations of a fair coin are 300.
    for (const count of [...ones, rises]) expect(Math.abs(count - 5_000)).toBeLessThan(300)
  })

  it('keyed random: helpers: within their ranges', () => {
    const random = new KeyedRandom(7, 'test')
    for (let index = 0; index < 1_000; index += 1) {
      expect(random.unit()).toBeLessThan(1)
      expect([0, 1, 2]).toContain(random.below(3))
      const value = random.between(5, 6)
      expect(value >= 5 && value < 6).toBe(true)
    }
    expect([random.chance(0), random.chance(1)]).toEqual([false, true])
    expect(random.bytes(10)).toHaveLength(10)
  })
})
