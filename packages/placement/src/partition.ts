import { mix32 } from './mix'
import { KEY_LANES, laneOrigin, laneStep, normalise } from './vector'

/** One bit for each lane. */
export const PARTITION_BITS_MIN = KEY_LANES
/** Two bits for each lane. */
export const PARTITION_BITS_MAX = 2 * KEY_LANES
export const DEFAULT_PARTITION_BITS = 12

/** @throws RangeError unless `partitionBits` is an integer from 10 to 20. */
export function checkPartitionBits(partitionBits: number): void {
  if (
    !Number.isInteger(partitionBits) ||
    partitionBits < PARTITION_BITS_MIN ||
    partitionBits > PARTITION_BITS_MAX
  ) {
    throw new RangeError(
      `partitionBits must be an integer from ${PARTITION_BITS_MIN} to ${PARTITION_BITS_MAX}, ` +
        `got ${partitionBits}`,
    )
  }
}

/**
 * The partition of a key: its vector quantised to the grid, lane by lane.
 *
 * Bit `i` of the partition (0 to 9) is the sign bit of lane `i`; bit `10 + i`
 * is the bit below that sign. Lanes 0 to `partitionBits − 11` give the second
 * bit. So a finer grid refines a coarser one: the low bits are the same.
 *
 * Called for each request: it mixes only the high word of each lane, allocates
 * nothing, and trusts the cluster map that `partitionBits` is 10 to 20.
 *
 * @param hash From {@link keyHash}.
 */
export function partitionOf(hash: number, partitionBits: number): number {
  const step = laneStep(hash)
  const finerLanes = partitionBits - KEY_LANES
  let word = laneOrigin(hash)
  let partition = 0
  let lane = 0
  for (; lane < finerLanes; lane++) {
    const high = mix32(word)
    partition |= ((high >>> 31) << lane) | (((high >>> 30) & 1) << (KEY_LANES + lane))
    word = (word + step) | 0
  }
  for (; lane < KEY_LANES; lane++) {
    partition |= (mix32(word) >>> 31) << lane
    word = (word + step) | 0
  }
  return partition
}

/**
 * The partition whose cell of the grid a point lies in: for the vector of a key
 * it is the same as {@link partitionOf} of the key's hash.
 *
 * @param vector Ten coordinates in [-1, 1).
 */
export function partitionOfVector(vector: Float64Array, partitionBits: number): number {
  let partition = 0
  for (let lane = 0; lane < KEY_LANES; lane++) {
    const coordinate = vector[lane]!
    const negative = coordinate < 0
    if (negative) partition |= 1 << lane
    // A lane with two bits has four cells, cut at −1/2, 0 and 1/2.
    const upperHalf = negative ? coordinate >= -0.5 : coordinate >= 0.5
    if (upperHalf && lane < partitionBits - KEY_LANES) partition |= 1 << (KEY_LANES + lane)
  }
  return partition
}

/**
 * The point of the grid that stands for a partition, as a unit vector. Before
 * it is normalised, each coordinate is the centre of the lane's cell, doubled:
 * −1 or +1 with one bit, −1.5, −0.5, +0.5 or +1.5 with two.
 */
export function partitionVector(partition: number, partitionBits: number): Float64Array {
  const vector = new Float64Array(KEY_LANES)
  for (let lane = 0; lane < KEY_LANES; lane++) {
    const negative = ((partition >>> lane) & 1) === 1
    if (lane >= partitionBits - KEY_LANES) {
      vector[lane] = negative ? -1 : 1
    } else {
      const upperHalf = ((partition >>> (KEY_LANES + lane)) & 1) === 1
      const lowest = negative ? -1.5 : 0.5
      vector[lane] = upperHalf ? lowest + 1 : lowest
    }
  }
  return normalise(vector)
}
