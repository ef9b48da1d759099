/**
 * The rule by which a tombstone may be forgotten.
 *
 * A tombstone may go only when every replica of its partition holds it, or holds something newer:
 * a replica that missed it would hand the deleted value back to the others, and the key would rise
 * from the dead. Waiting is no proof of that, so no clock is part of the rule: a grace period, as
 * in Cassandra, is right only while every replica is repaired within it. A proof comes from the
 * replicas themselves: they have compared all that they hold up to a stamp, and agree.
 *
 * And what was proven must stay so: once a store has forgotten tombstones up to a stamp, cells that
 * are as old, from a late hint or stream, must be refused.
 *
 * The store adds what only it can know: that none of its own files still holds the deleted value.
 */
export interface TombstoneProof {
  /**
   * 'all': every tombstone is proven; 'none': none is; or 16 bytes for each partition from 0 on, the
   * stamp up to which, itself included, all its tombstones are. Asked before each attempt to forget;
   * the bytes are the caller's from then on.
   */
  proofs(): 'all' | 'none' | Uint8Array
}

/** A store without replicas: a tombstone that it holds is held by all. */
export const PROVEN_ALONE: TombstoneProof = Object.freeze({ proofs: () => 'all' as const })

/** Nothing is known of other replicas: tombstones stay for good. */
export const NEVER_PROVEN: TombstoneProof = Object.freeze({ proofs: () => 'none' as const })
