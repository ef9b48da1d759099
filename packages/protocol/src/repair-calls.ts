/**
 * Calls between replicas that compare what they hold: control messages, so MessagePack. `docs/REPAIR.md`
 * tells the protocol; here is what each call carries.
 *
 * | method         | params               | result               |
 * | -------------- | -------------------- | -------------------- |
 * | repair-begin   | `RepairBegin`        | `RepairBegun`        |
 * | repair-digests | `RepairDigests`      | `RepairDigested`     |
 * | repair-leaves  | `RepairLeaves`       | `Buffer`, the leaves |
 * | repair-list    | `RepairList`         | `RepairListed`       |
 * | repair-fetch   | `RepairFetch`        | `RepairCells`        |
 * | repair-apply   | `RepairApply`        | `RepairApplied`      |
 * | repair-prepare | `RepairPrepare`      | `RepairPrepared`     |
 * | repair-commit  | `RepairCommit`       | null                 |
 * | repair-mark    | `RepairMark`         | null                 |
 */
export type RepairMethod =
  | 'repair-begin'
  | 'repair-digests'
  | 'repair-leaves'
  | 'repair-list'
  | 'repair-fetch'
  | 'repair-apply'
  | 'repair-prepare'
  | 'repair-commit'
  | 'repair-mark'

interface RepairCall {
  /** Of the cluster map: another one is refused with CASSIO_STALE_MAP. */
  readonly epoch: number
}

/** Raises the fences of partitions: writes and hints with stamps up to `cutoffMs` are refused. */
export interface RepairBegin extends RepairCall {
  readonly partitions: readonly number[]
  /** Milliseconds of stamps. 0: no fence, as not all replicas take part; nothing can be proven. */
  readonly cutoffMs: number
}

export interface RepairBegun {
  /** The node's generation: fences that are not durable yet end with it. */
  readonly generation: number
  /** For each partition, up to where it is proven, as this node knows. */
  readonly provenMs: readonly number[]
}

/** Asks for the roots of partitions' digest trees, over cells up to `cutoffMs`. */
export interface RepairDigests extends RepairCall {
  readonly partitions: readonly number[]
  readonly cutoffMs: number
  /** For each partition: facts, which the receiver takes over; tombstones up to there do not count. */
  readonly provenMs: readonly number[]
}

export interface RepairDigested {
  /** 8 bytes for each partition. */
  readonly roots: Buffer
  /** Partitions that cannot be compared, as a damaged block lies in them. */
  readonly damaged: readonly number[]
}

/** Asks for the leaves of one partition's tree, as `repair-digests` has made it. */
export interface RepairLeaves extends RepairCall {
  readonly partition: number
  readonly cutoffMs: number
  readonly provenMs: number
}

/** Asks for the versions of the keys in some leaves, in the order of keys. */
export interface RepairList extends RepairCall {
  readonly partition: number
  readonly provenMs: number
  readonly cutoffMs: number
  /** One bit for each leaf. */
  readonly leaves: Buffer
  readonly afterKey?: Buffer
}

export interface RepairListed {
  /** Back to back: u16 key length, u8 flags (1: dead), 16 B stamp, u32 value checksum, key. */
  readonly entries: Buffer
  /** The entries go up to this key; absent when they go to the end. */
  readonly until?: Buffer
}

export interface RepairFetch extends RepairCall {
  readonly partition: number
  readonly keys: readonly Buffer[]
}

export interface RepairCells {
  /** Cells as they are encoded; keys without a cell are left out, and the last ones for want of room. */
  readonly cells: readonly Buffer[]
  /** How many of the keys were looked for. */
  readonly looked: number
}

export interface RepairApply extends RepairCall {
  readonly partition: number
  readonly cells: readonly Buffer[]
}

export interface RepairApplied {
  /** Cells that are now the newest of their keys; the others were not needed any more. */
  readonly applied: number
}

/** Makes fences, and all that is visible, durable. */
export interface RepairPrepare extends RepairCall {
  readonly partitions: readonly number[]
  readonly cutoffMs: number
  /** As `repair-begin` told it: a node that has started anew has lost its fences. */
  readonly generation: number
}

export interface RepairPrepared {
  readonly prepared: boolean
}

/** Tells that all replicas have agreed up to `cutoffMs`, and are prepared. */
export interface RepairCommit extends RepairCall {
  readonly partitions: readonly number[]
  readonly cutoffMs: number
}

/** Tells the leader of partitions that something is missing on some replica of them. */
export interface RepairMark extends RepairCall {
  readonly partitions: readonly number[]
}
