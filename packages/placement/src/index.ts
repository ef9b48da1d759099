/**
 * Where data lives: key → vector → partition → replicas. Pure, and computed
 * only with operations that IEEE 754 fixes exactly, so that every node and
 * every version finds the same answer. docs/PLACEMENT.md explains it.
 */
export { type Balance, balance, minimumMovement, movement } from './balance'
export { fairShares } from './fair-share'
export { comparePeers, nextFriends } from './friends'
export {
  MEMBERS_MAX,
  type PlacementMember,
  type PlacementOptions,
  REPLICATION_FACTOR_MAX,
  WEIGHT_MAX,
} from './member'
export {
  DEFAULT_PARTITION_BITS,
  PARTITION_BITS_MAX,
  PARTITION_BITS_MIN,
  partitionOf,
  partitionOfVector,
  partitionVector,
} from './partition'
export { nextPlacement } from './placement'
export { PlacementTable } from './placement-table'
export { type MembershipPreview, previewMembership } from './preview'
export {
  KEY_LANES,
  keyVector,
  lanes,
  nodeVectors,
  similarity,
  VECTORS_PER_WEIGHT,
} from './vector'
