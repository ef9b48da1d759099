import { crc32, crc32InScript } from '../src'
import { SeededRandom } from './support'

describe('checksum', () => {
  it.each([
    ['123456789', 0, 0xcbf43926],
    ['', 0, 0],
    ['', 7, 7],
    ['a', 0, 0xe8b7be43],
  ])('checksum: %j from %d: the value that zlib gives', (text, seed, expected) => {
    expect(crc32(Buffer.from(text), seed)).toBe(expected)
    expect(crc32InScript(Buffer.from(text), seed)).toBe(expected)
  })

  it('checksum: random bytes and seeds: native and script agree, and continue (seed 31)', () => {
    const random = new SeededRandom(31)
    for (let i = 0; i < 2_000; i += 1) {
      const bytes = random.bytes(random.below(300))
      const seed = random.u32()
      const whole = crc32(bytes, seed)
      expect(crc32InScript(bytes, seed)).toBe(whole)
      const cut = random.below(bytes.length + 1)
      expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut), seed))).toBe(whole)
    }
  })
})
