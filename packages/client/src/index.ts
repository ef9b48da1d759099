/**
 * The SDK. `CassioClient` is all that an application needs.
 *
 * `client` is the API; `options` and `call-options` say what may be asked for. `dispatcher` carries
 * the calls: `routing-policy`, `retry-policy` and `wake-policy` are its rules, `operation` is a call
 * under way, `alarm` wakes it, `failures` ends it. `connection-pool` keeps a `node-connection` to each
 * member. `map-keeper` fetches the cluster map, `cluster-view` and `route-table` read it. `keys`,
 * `values` and `answers` turn what callers have into what travels, and back; `scan` and `batch` make
 * many calls out of one, and so does `repair-run`, which `repair-summary` sums up.
 */
export {
  CassioError,
  type ClusterMap,
  type ClusterMember,
  CONSISTENCY_LEVELS,
  ConsistencyLevel,
  ERROR_CODES,
  type ErrorCode,
  type Explanation,
  type HintStatus,
  type MemberStatus,
  type NodeCause,
  type NodeLoad,
  type NodeStatus,
  type PurgeState,
  parseConsistencyLevel,
  type RepairStatus,
  type ReplicaVote,
} from '@cassiopeia/protocol'
export type { Entry, WriteReceipt } from './answers'
export type {
  CallOptions,
  DeleteOptions,
  ReadOptions,
  RepairOptions,
  ScanOptions,
  WriteOptions,
} from './call-options'
export { CassioClient } from './client'
export type { KeyLocation } from './cluster-view'
export type { Key } from './keys'
export { type ClientOptions, type ClientPorts, DEFAULT_PORT } from './options'
export type { RepairFailure, RepairReport, RepairSummary } from './repair-summary'
export type { ScanEntry } from './scan'
