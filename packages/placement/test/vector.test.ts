import { keyHash } from '@cassiopeia/protocol'
import { KEY_LANES, keyVector, lanes, nodeVectors, similarity } from '../src'
import { nodeIds } from './support'

const KEY_COUNT = 50_000

/** The hashes of sequential keys, the hardest input that is common. */
function sequentialHashes(): number[] {
  return Array.from({ length: KEY_COUNT }, (_, i) => {
    const key = Buffer.from(`user:${i + 1}`)
    return keyHash(key, 0, key.length)
  })
}

/** How far a count of fair coin flips may lie from half of them: five standard deviations. */
const COIN_TOLERANCE = 5 * (Math.sqrt(KEY_COUNT) / 2)

test('lanes: sequential keys: the top four bits of each lane word are balanced', () => {
  const ones = new Uint32Array(2 * KEY_LANES * 4)
  for (const hash of sequentialHashes()) {
    lanes(hash).forEach((word, i) => {
      for (let bit = 0; bit < 4; bit++) ones[i * 4 + bit]! += (word >>> (31 - bit)) & 1
    })
  }
  for (const count of ones) expect(Math.abs(count - KEY_COUNT / 2)).toBeLessThan(COIN_TOLERANCE)
})

test('lanes: sequential keys: the top two bits of any two lanes are independent', () => {
  const bits = 2 * KEY_LANES
  const agreeing = new Uint32Array(bits * bits)
  for (const hash of sequentialHashes()) {
    const words = lanes(hash)
    const top = Array.from({ length: bits }, (_, i) => {
      return (words[2 * (i >> 1)]! >>> (31 - (i & 1))) & 1
    })
    for (let a = 0; a < bits; a++) {
      for (let b = a + 1; b < bits; b++) if (top[a] === top[b]) agreeing[a * bits + b]! += 1
    }
  }
  for (let a = 0; a < bits; a++) {
    for (let b = a + 1; b < bits; b++) {
      const offHalf = Math.abs(agreeing[a * bits + b]! - KEY_COUNT / 2)
      expect(offHalf).toBeLessThan(COIN_TOLERANCE)
    }
  }
})

test('lanes: one bit of the hash flips: about half of each word flips (avalanche, 52 bits)', () => {
  const hashes = sequentialHashes().slice(0, 300)
  for (let bit = 0; bit < 52; bit++) {
    let flipped = 0
    for (const hash of hashes) {
      const isSet = Math.floor(hash / 2 ** bit) % 2 === 1
      const before = lanes(hash)
      const after = lanes(isSet ? hash - 2 ** bit : hash + 2 ** bit)
      before.forEach((word, i) => {
        for (let x = (word ^ after[i]!) >>> 0; x !== 0; x &= x - 1) flipped += 1
      })
    }
    expect(flipped / (hashes.length * 640)).toBeGreaterThan(0.48)
    expect(flipped / (hashes.length * 640)).toBeLessThan(0.52)
  }
})

test('key vector: any key: ten coordinates in [-1, 1) with the signs of the lanes', () => {
  for (const hash of sequentialHashes().slice(0, 5_000)) {
    const words = lanes(hash)
    const vector = keyVector(hash)
    expect(vector).toHaveLength(KEY_LANES)
    vector.forEach((coordinate, lane) => {
      expect(coordinate >= -1 && coordinate < 1).toBe(true)
      expect(coordinate < 0).toBe(words[2 * lane]! >= 2 ** 31)
    })
  }
})

test('node vectors: weight w: 16 w unit vectors, the first ones those of weight 1', () => {
  const id = nodeIds(1)[0]!
  const single = nodeVectors(id, 1)
  const triple = nodeVectors(id, 3)
  expect(single).toHaveLength(16)
  expect(triple).toHaveLength(48)
  expect(triple.slice(0, 16)).toEqual(single)
  for (const vector of triple) {
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
    expect(Math.abs(length - 1)).toBeLessThan(1e-15)
  }
})

test('node vectors: many nodes: directions average out (200 nodes)', () => {
  const mean = new Float64Array(KEY_LANES)
  const vectors = nodeIds(200).flatMap((id) => nodeVectors(id, 1))
  for (const vector of vectors) {
    for (let lane = 0; lane < KEY_LANES; lane++) mean[lane]! += vector[lane]! / vectors.length
  }
  // A coordinate of a random unit vector has variance 1/10.
  const tolerance = 5 * Math.sqrt(0.1 / vectors.length)
  for (const x of mean) expect(Math.abs(x)).toBeLessThan(tolerance)
})

test('similarity: several vectors: the largest inner product', () => {
  const along = (lane: number, x: number) => {
    const vector = new Float64Array(KEY_LANES)
    vector[lane] = x
    return vector
  }
  expect(similarity([along(0, -1), along(3, 1)], along(3, 1))).toBe(1)
  expect(similarity([along(0, -1)], along(0, 1))).toBe(-1)
})
