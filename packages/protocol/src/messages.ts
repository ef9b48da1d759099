/**
 * The messages: numbers fixed for ever, and the layouts of the hot ones. Control messages are
 * MessagePack. @see docs/formats/wire.md
 *
 * Offsets below are from the start of a body. `deadline` is a float64 in the *receiver's* monotonic
 * milliseconds, as WELCOME and PONG tell them: work that arrives late, even after the receiver was
 * stopped for a minute, is recognised and dropped.
 */
export const MessageType = Object.freeze({
  // Any connection, MessagePack unless said otherwise.
  HELLO: 1,
  CHALLENGE: 2,
  PROOF: 3,
  WELCOME: 4,
  /** Last words: a `WireError`, then the sender closes. */
  GOODBYE: 5,
  /** f64 token. */
  PING: 6,
  /** `Pong`: f64 the token again, f64 the sender's monotonic milliseconds, f64 its hybrid ones. */
  PONG: 7,
  /** u32 id, f64 deadline, then MessagePack { method, params }; see `control.ts`. */
  CALL: 8,
  /** u32 id, then MessagePack result. */
  RESULT: 9,
  /** u32 id, then a MessagePack `WireError`: answers CALL, GET and PUT. */
  FAULT: 10,

  // Client to coordinator, and back.
  GET: 16,
  PUT: 17,
  FOUND: 18,
  NOT_FOUND: 19,
  WRITTEN: 20,

  // Node to node.
  WRITE: 32,
  WRITE_ACK: 33,
  READ: 34,
  READ_ACK: 35,
  /** MessagePack, one way. */
  GOSSIP: 36,
  FOUNDING: 37,
})

/**
 * GET: u32 id, u8 level, u32 epoch (0: unknown), f64 deadline, key to the end.
 * PUT: u32 id, u8 level, u32 epoch, f64 deadline, cell to the end. A delete is a PUT of a tombstone. The
 * cell's stamp is the client's own when its clientStamp flag is set. Else its milliseconds say what the
 * coordinator's stamp must be above, 0 for nothing: an earlier attempt may have a stamp up to that. The
 * expiry is a time to live in
 * milliseconds, which the coordinator makes absolute.
 */
export const Request = Object.freeze({ id: 0, level: 4, epoch: 5, deadline: 9, rest: 17 })

/** PONG. The hybrid time is that of the latest stamp issued or met, or the wall clock's; 0 from clients. */
export const Pong = Object.freeze({ token: 0, monotonicMs: 8, hybridMs: 16, bytes: 24 })

/** FOUND: u32 id, cell. */
export const Found = Object.freeze({ id: 0, cell: 4 })
/** NOT_FOUND: u32 id. */
export const NotFound = Object.freeze({ id: 0, bytes: 4 })
/**
 * WRITTEN: u32 id, u8 acknowledged, u8 required, u8 flags (1: superseded, a newer version was
 * there already and a client-given stamp was kept), stamp.
 */
export const Written = Object.freeze({
  id: 0,
  acknowledged: 4,
  required: 5,
  flags: 6,
  stamp: 7,
  bytes: 23,
})
export const WRITTEN_SUPERSEDED = 1

/**
 * WRITE and READ carry the coordinator's slot and sequence, which come back in the answer: the slot
 * finds the operation, the sequence tells a late answer to an earlier tenant of the slot.
 *
 * WRITE: u32 slot, u32 sequence, u32 epoch, f64 deadline, u8 mode (`WriteMode`), cell.
 * READ: u32 slot, u32 sequence, u32 epoch, f64 deadline, u8 mode (`ReadMode`), key.
 */
export const ReplicaRequest = Object.freeze({
  slot: 0,
  sequence: 4,
  epoch: 8,
  deadline: 12,
  mode: 20,
  rest: 21,
})
export const ReadMode = Object.freeze({ stamp: 0, value: 1 })
/** Where the cell of a WRITE comes from, which decides what a fence does with it. */
export const WriteMode = Object.freeze({
  /** A client's write: it may be new to all replicas. */
  write: 0,
  /** A copy of what another replica holds: read repair. */
  repair: 1,
  /** Kept by a coordinator for a replica that missed it: it may be new to all replicas too. */
  hint: 2,
})
export type WriteMode = (typeof WriteMode)[keyof typeof WriteMode]

/**
 * WRITE_ACK: u32 slot, u32 sequence, u8 outcome; after `dominated` the newer stamp, after `fenced` the
 * stamp that the write must be above.
 * READ_ACK: u32 slot, u32 sequence, u8 outcome; after `cell` the cell, after `vote` the 28 bytes of
 * `writeVote`.
 */
export const ReplicaAnswer = Object.freeze({ slot: 0, sequence: 4, outcome: 8, rest: 9 })
export const ReplicaOutcome = Object.freeze({
  /** The write is durable here and is now this key's newest version. */
  applied: 0,
  /** The write is durable here; a newer version of the key stands above it. */
  dominated: 1,
  /** The key has no cell here. */
  none: 2,
  cell: 3,
  vote: 4,
  /** A repair that comes too late: all replicas have agreed on what is as old, so nothing was done. */
  settled: 5,
  // Refusals: nothing was done.
  overloaded: 128,
  staleMap: 129,
  stampAhead: 130,
  expired: 131,
  invalid: 132,
  storage: 133,
  diskFull: 134,
  /** A damaged block lies where the replica would have the key: it cannot say. */
  damaged: 135,
  /** The stamp is as old as what replicas are agreeing on, or have: nothing so old may be added. */
  fenced: 136,
})
export type ReplicaOutcome = (typeof ReplicaOutcome)[keyof typeof ReplicaOutcome]

export function isRefusal(outcome: number): boolean {
  return outcome >= ReplicaOutcome.overloaded
}

/** What a dialler says first. */
export interface Hello {
  readonly protocol: number
  readonly role: 'client' | 'peer'
  readonly nonce: Buffer
  /** Peers only: who they are, where they can be dialled, which start of theirs this is. */
  readonly nodeId?: string
  readonly address?: string
  readonly generation?: number
  /** Peers only: what the cluster is founded with, in words that are equal for all founders. */
  readonly founding?: string
  readonly clusterId?: string
}

export interface Challenge {
  readonly nonce: Buffer
  readonly secretRequired: boolean
  /** The acceptor's proof of the secret, when it has one. */
  readonly proof?: Buffer
  readonly nodeId: string
}

export interface Proof {
  readonly proof?: Buffer
}

export interface Welcome {
  readonly nodeId: string
  readonly address: string
  readonly generation: number
  /** Empty until the cluster has formed. */
  readonly clusterId: string
  readonly epoch: number
  readonly monotonicMs: number
  /** As in PONG. */
  readonly hybridMs: number
  /** What the node's wall clock shows. */
  readonly wallMs: number
  readonly maxValueBytes: number
  readonly version: string
}

/** The version spoken here, in HELLO. */
export const PROTOCOL_VERSION = 1
/** The largest frame that a stranger may send before the handshake is done. */
export const HANDSHAKE_FRAME_BYTES = 16 * 1024
/** What the hot layouts add to the largest key and value in a frame, rounded up. */
export const FRAME_OVERHEAD_BYTES = 128 * 1024
