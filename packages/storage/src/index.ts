/**
 * One node's durable, ordered map of cells, which is larger than memory.
 *
 * `open-store` puts a store together from `options` and ports. `key-value/` is its friendly face,
 * `store` the contract beneath, with which servers work; `engine/` fulfils it. `commit-log/` makes
 * writes durable, `memtable/` finds the newest cells, `table/` holds the others in sorted files,
 * `delete-log/` decides when a tombstone may be forgotten, `merge/` and `compaction/` bring tables
 * together, `jobs/` does so beside the event loop, `digest/` sums up partitions so that replicas can
 * compare them, `manifest/` says which files are live.
 * `record-file` keeps small facts beside them.
 */

export { NEVER_PROVEN, PROVEN_ALONE, type TombstoneProof } from './delete-log/tombstone-proof'
export {
  DIGEST_BYTES,
  DIGEST_LEAVES,
  type DigestRequest,
  EXPIRY_MARGIN_MS,
  type PartitionDigest,
} from './digest/digest'
export { countsIn, digestLeafOf, isDeadIn, rootOf } from './digest/digest-builder'
export type { StorePorts } from './engine/store-engine'
export type { TableDamage, VerifyResult } from './jobs/job'
export * from './key-value/key-value-store'
export { openCellStore, openStore } from './open-store'
export { STORE_OPTIONS, type StoreOptions, type SyncMode } from './options'
export { readRecord, writeRecord } from './record-file'
export * from './store'
export type { Compression } from './table/table-info'
