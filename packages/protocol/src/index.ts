/**
 * The words that client, server and disk share. Pure: bytes in, bytes out.
 *
 * `cell` and `stamp` are what is stored; `frame` and `messages` what travels; `message-pack` guards
 * and decodes everything that is not hot; `errors` and `consistency-level` are the vocabulary of
 * outcomes; `auth` proves a shared secret; `cluster-map` says who owns data.
 */
export { formatAddress, type HostPort, parseAddress } from './address'
export { NONCE_BYTES, proofMatches, proveSecret } from './auth'
export {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  cellExpiryMs,
  cellFault,
  cellFlags,
  cellKey,
  cellKeyLength,
  cellKind,
  cellSize,
  cellValue,
  cellWithoutValue,
  EXPIRY_MS_MAX,
  isExpired,
  isTombstone,
  KEY_BYTES_MAX,
  reconcile,
  setCellExpiryMs,
  setCellFlags,
  VALUE_BYTES_DEFAULT,
  VALUE_BYTES_MAX,
  ValueKind,
  writeCell,
} from './cell'
export { crc32, crc32InScript, sha256Hex } from './checksum'
export {
  type ClusterMap,
  type ClusterMember,
  decodeClusterMap,
  encodeClusterMap,
} from './cluster-map'
export { deflateBlock, inflateBlock } from './compression'
export {
  CONSISTENCY_LEVELS,
  type ConsistencyCode,
  ConsistencyLevel,
  consistencyName,
  isConsistencyCode,
  parseConsistencyLevel,
  quorum,
  requiredReplicas,
} from './consistency-level'
export {
  Call,
  type ControlMethod,
  decodeCall,
  decodeFault,
  decodeGoodbye,
  decodeResult,
  type ExplainParams,
  type Explanation,
  encodeCall,
  encodeFault,
  encodeResult,
  type HintStatus,
  type MemberStatus,
  type NodeLoad,
  type NodeStatus,
  type PageParams,
  type PageResult,
  type PurgeState,
  type RepairParams,
  type RepairProgress,
  type RepairStatus,
  type ReplicaVote,
  Reply,
  type ScanPage,
  type ScanParams,
  type VerifiedState,
  type VoteParams,
  type VoteResult,
} from './control'
export {
  CassioError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  errorFromWire,
  errorToWire,
  isErrorCode,
  type NodeCause,
  type WireError,
} from './errors'
export {
  FRAME_HEADER_BYTES,
  FrameReader,
  FrameWriter,
  MESSAGE_HEADER_BYTES,
  type MessageSink,
  PREAMBLE,
} from './frame'
export { AcceptorHandshake, DiallerHandshake } from './handshake'
export { keyHash } from './key-hash'
export { DEPTH_MAX, ELEMENTS_MAX, messagePackFault, pack, unpack } from './message-pack'
export {
  type Challenge,
  Found,
  FRAME_OVERHEAD_BYTES,
  HANDSHAKE_FRAME_BYTES,
  type Hello,
  isRefusal,
  MessageType,
  NotFound,
  Pong,
  PROTOCOL_VERSION,
  type Proof,
  ReadMode,
  ReplicaAnswer,
  ReplicaOutcome,
  ReplicaRequest,
  Request,
  type Welcome,
  WRITTEN_SUPERSEDED,
  WriteMode,
  Written,
} from './messages'
export { type OptionRow, type OptionTable, parseOptionTable, wrongOptions } from './option-table'
export { RemoteClock } from './remote-clock'
export type {
  RepairApplied,
  RepairApply,
  RepairBegin,
  RepairBegun,
  RepairCells,
  RepairCommit,
  RepairDigested,
  RepairDigests,
  RepairFetch,
  RepairLeaves,
  RepairList,
  RepairListed,
  RepairMark,
  RepairMethod,
  RepairPrepare,
  RepairPrepared,
} from './repair-calls'
export {
  compareStamps,
  formatStamp,
  nodeTag,
  parseStamp,
  STAMP_BYTES,
  STAMP_COUNTER_MAX,
  STAMP_MS_MAX,
  STAMP_TAG_BYTES,
  stampCounter,
  stampMs,
  writeStamp,
} from './stamp'
export { decodeValue, type EncodedValue, encodeText, encodeValue } from './value'
export { VOTE_BYTES, votesAgree, writeVote } from './vote'
