import { keyHash } from '@cassiopeia/protocol'
import {
  DEFAULT_PARTITION_BITS,
  KEY_LANES,
  keyVector,
  lanes,
  partitionOf,
  partitionOfVector,
  partitionVector,
} from '../src'
import { SeededRandom } from './support'

function hashOf(text: string): number {
  const key = Buffer.from(text)
  return keyHash(key, 0, key.length)
}

test.each([10, 12, 20])('partition: sequential keys: uniform by chi-square (%i bits)', (bits) => {
  const keyCount = 200_000
  const counts = new Uint32Array(2 ** bits)
  for (let i = 1; i <= keyCount; i++) counts[partitionOf(hashOf(`user:${i}`), bits)]! += 1
  const expected = keyCount / counts.length
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  const freedom = counts.length - 1
  // Chi-square has the variance 2 · freedom; four standard deviations.
  expect(Math.abs(chiSquare - freedom)).toBeLessThan(4 * Math.sqrt(2 * freedom))
})

test('partition: any bits: the sign bits of the lanes, then the second bits (seed 1)', () => {
  const random = new SeededRandom(1)
  for (let i = 0; i < 1_000; i++) {
    const key = random.bytes(1 + random.below(30))
    const hash = keyHash(key, 0, key.length)
    const words = lanes(hash)
    for (let bits = 10; bits <= 20; bits++) {
      let expected = 0
      for (let lane = 0; lane < KEY_LANES; lane++) expected += (words[2 * lane]! >>> 31) << lane
      for (let lane = 0; lane < bits - 10; lane++) {
        expected += ((words[2 * lane]! >>> 30) & 1) << (10 + lane)
      }
      expect(partitionOf(hash, bits)).toBe(expected)
    }
  }
})

test('partition: vector of a key: quantising it gives the partition (1,000 keys, seed 2)', () => {
  const random = new SeededRandom(2)
  for (let i = 0; i < 1_000; i++) {
    const key = random.bytes(1 + random.below(30))
    const hash = keyHash(key, 0, key.length)
    for (let bits = 10; bits <= 20; bits++) {
      expect(partitionOfVector(keyVector(hash), bits)).toBe(partitionOf(hash, bits))
    }
  }
})

test.each([10, 12, 15, 20])(
  'partition vector: whole grid: unit, distinct signs (%i bits)',
  (bits) => {
    const seen = new Set<string>()
    const stride = bits === 20 ? 61 : 1
    let visited = 0
    for (let partition = 0; partition < 2 ** bits; partition += stride) {
      const vector = partitionVector(partition, bits)
      const squares = vector.reduce((sum, x) => sum + x * x, 0)
      if (Math.abs(squares - 1) > 1e-14) throw new Error(`partition ${partition} is not unit`)
      seen.add(vector.join())
      visited += 1
    }
    expect(seen.size).toBe(visited)
  },
)

test('partition vector: two bits: the four levels lie at the centres of their cells', () => {
  const levels = [0b00, 0b01, 0b10, 0b11].map((code) => {
    // Bit 0 is the sign of lane 0, bit 10 its second bit.
    const vector = partitionVector((code & 1) | ((code >> 1) << 10), 11)
    // The other lanes are at 1, which gives the scale.
    return vector[0]! / vector[1]!
  })
  expect(levels.map((level) => Math.round(level * 1e9) / 1e9)).toEqual([0.5, -1.5, 1.5, -0.5])
})

test('partition: default: 2^12', () => {
  expect(DEFAULT_PARTITION_BITS).toBe(12)
})
