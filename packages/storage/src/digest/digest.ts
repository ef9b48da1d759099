/**
 * Digests of partitions: what two replicas compare to find out where they differ. A digest is the
 * lowest level of a hash tree: 256 leaves, each the sum of the digests of the cells that a hash of
 * their keys puts there; sums, so that the order of cells does not matter. `rootOf` sums up the leaves.
 *
 * Two replicas may have forgotten or reclaimed different things and yet agree, so of the newest cells
 * of all keys a digest counts
 * - a tombstone, and a cell that has expired (`isDeadIn`), alike: by key and stamp;
 * - no such dead cell with a stamp up to what is proven: one replica may have forgotten it;
 * - no cell with a stamp above `cutoffMs`: it may still be on its way.
 * Two stores with the same newest cells up to the cutoff, and none above, have equal digests then,
 * provided that neither has forgotten what is above `provenMs`, and that neither one's wall clock is
 * `EXPIRY_MARGIN_MS` beyond the cutoff when it is asked.
 *
 * `digest-builder` sums up, `jobs/digest-job` does so beside the event loop, `engine/digester` asks it.
 *
 * @see Merkle, "A Digital Signature Based on a Conventional Encryption Function", CRYPTO 1987.
 */
export const DIGEST_LEAVES = 256
/** Of a leaf, and of a root. */
export const DIGEST_BYTES = 8

/**
 * What expires within this time after the cutoff counts as dead already. A store reclaims cells by its
 * own wall clock, which is ahead of the cutoff: were they judged at the cutoff, those that have expired
 * since would be alive in one replica, and a tombstone or forgotten in another that has merged them.
 */
export const EXPIRY_MARGIN_MS = 3_600_000

export interface DigestRequest {
  /** Rising. */
  readonly partitions: readonly number[]
  /** Milliseconds of stamps: cells above are left out. */
  readonly cutoffMs: number
  /**
   * For each partition, milliseconds of stamps: dead cells up to there are left out. No less than what
   * `TombstoneProof.proofs` has ever said of it in any of the stores that are compared.
   */
  readonly provenMs: readonly number[]
}

export interface PartitionDigest {
  readonly partition: number
  /** `DIGEST_LEAVES` times `DIGEST_BYTES`; undefined when no cell counts: all would be zero. */
  readonly leaves: Uint8Array | undefined
  /** Cells that count, and how many of these are dead. */
  readonly cells: number
  readonly dead: number
  /** Cells left out because their stamps are above the cutoff. */
  readonly above: number
  /**
   * The lowest cutoff at which one of the cells that count and live would be dead; Infinity when there
   * is none: `EXPIRY_MARGIN_MS` before the first of them expires.
   */
  readonly expiryMs: number
  /** A damaged block lies in the partition: the rest says nothing. */
  readonly damaged: boolean
}
