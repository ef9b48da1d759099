import { fast1a52, fast1a64 } from 'fnv-plus'
import { mix32 } from './mix'

/** Lanes of a key's hash, and dimensions of every vector here. */
export const KEY_LANES = 10

/** Unit vectors that a node owns for each unit of its weight. */
export const VECTORS_PER_WEIGHT = 16

/** Uniform draws in the sum that stands for one Gaussian draw (Irwin–Hall). */
const DRAWS_PER_GAUSSIAN = 12

const HIGH_WORD = 0x1_0000_0000
const SIGN_WORD = 0x8000_0000
/** 2^21: the bits of a low word that fit into a double beside the high word. */
const LOW_BITS_WORD = 0x20_0000
/** Odd multipliers near 2^32 divided by the golden ratio: they spread counters over the word. */
const SPREAD_A = 0x9e3779b1
const SPREAD_B = 0x85ebca77

/**
 * Where the high words of a key's lanes begin, and the odd step from one lane
 * to the next: lane `i` has the high word `mix32(laneOrigin + i · laneStep)`.
 * Two functions, so that the hot path returns no object.
 */
export function laneOrigin(hash: number): number {
  return mix32((hash | 0) ^ Math.imul((hash / HIGH_WORD) | 0, SPREAD_A))
}

export function laneStep(hash: number): number {
  return mix32(((hash | 0) + Math.imul((hash / HIGH_WORD) | 0, SPREAD_B) + SPREAD_A) | 0) | 1
}

/**
 * The 640 bits of a key: ten lanes of 64 bits, each as its high word and then
 * its low word, unsigned. Mixing one 52-bit hash costs a fraction of a 640-bit
 * FNV and leaves the lanes' bits as independent as a test can tell.
 *
 * @param hash From {@link keyHash}.
 */
export function lanes(hash: number): Uint32Array {
  const words = new Uint32Array(2 * KEY_LANES)
  const origin = laneOrigin(hash)
  const step = laneStep(hash)
  for (let lane = 0; lane < KEY_LANES; lane++) {
    words[2 * lane] = mix32((origin + Math.imul(lane, step)) | 0)
    words[2 * lane + 1] = mix32(((step ^ SPREAD_B) + Math.imul(lane, origin | 1)) | 0)
  }
  return words
}

/**
 * A key as a point: each lane, read as a signed 64-bit number, over 2^63. A
 * coordinate keeps the lane's upper 53 bits, which is what a double holds, so
 * it is exact and lies in [-1, 1).
 */
export function keyVector(hash: number): Float64Array {
  const words = lanes(hash)
  const vector = new Float64Array(KEY_LANES)
  for (let lane = 0; lane < KEY_LANES; lane++) {
    const high = words[2 * lane]! | 0
    const fraction = (words[2 * lane + 1]! >>> 11) / LOW_BITS_WORD
    vector[lane] = (high + fraction) / SIGN_WORD
  }
  return vector
}

/** A peer as a point of the same space as the keys: the vector of its id's hash. */
export function peerVector(peerId: string): Float64Array {
  return keyVector(fast1a52(peerId))
}

/**
 * The unit vectors of a node: `weight × 16`, each drawn from a Gaussian and
 * normalised, so that their directions are spread evenly over the sphere. They
 * follow from the node's id alone; a heavier weight adds vectors and keeps the
 * first ones.
 *
 * A Gaussian draw is the sum of twelve uniform ones less six: close enough to
 * the bell, and additions are exact where `Math.log` and `Math.cos` are not.
 */
export function nodeVectors(nodeId: string, weight: number): Float64Array[] {
  // The library returns 16 hex digits here; its types say number.
  const digits = String(fast1a64(nodeId))
  const seedHigh = Number.parseInt(digits.slice(0, 8), 16)
  const seedLow = Number.parseInt(digits.slice(8), 16)
  const vectors: Float64Array[] = []
  let draw = 0
  for (let i = 0; i < weight * VECTORS_PER_WEIGHT; i++) {
    const vector = new Float64Array(KEY_LANES)
    for (let lane = 0; lane < KEY_LANES; lane++) {
      let sum = 0
      for (let k = 0; k < DRAWS_PER_GAUSSIAN; k++) {
        const word = mix32((seedHigh + Math.imul(draw, SPREAD_A)) | 0)
        sum += mix32(word ^ seedLow) >>> 0
        draw += 1
      }
      vector[lane] = sum / HIGH_WORD - DRAWS_PER_GAUSSIAN / 2
    }
    vectors.push(normalise(vector))
  }
  return vectors
}

/** Scales a vector to length 1, in place. */
export function normalise(vector: Float64Array): Float64Array {
  let squares = 0
  for (let lane = 0; lane < KEY_LANES; lane++) squares += vector[lane]! * vector[lane]!
  const length = Math.sqrt(squares)
  for (let lane = 0; lane < KEY_LANES; lane++) vector[lane] = vector[lane]! / length
  return vector
}

/**
 * How near a node is to a partition: the largest inner product of any of the
 * node's vectors with the partition's. All are unit vectors, so it is the
 * cosine of the smallest angle. The products are added lane by lane: the order
 * of additions is part of the result.
 */
export function similarity(
  vectorsOfNode: readonly Float64Array[],
  partitionVector: Float64Array,
): number {
  let largest = -2
  for (let i = 0; i < vectorsOfNode.length; i++) {
    const vector = vectorsOfNode[i]!
    let product = 0
    for (let lane = 0; lane < KEY_LANES; lane++) product += vector[lane]! * partitionVector[lane]!
    if (product > largest) largest = product
  }
  return largest
}
