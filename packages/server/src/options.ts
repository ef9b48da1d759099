import type { Ports } from '@cassiopeia/env'
import {
  type CassioError,
  FRAME_OVERHEAD_BYTES,
  formatAddress,
  type OptionTable,
  parseAddress,
  parseOptionTable,
  VALUE_BYTES_DEFAULT,
  VALUE_BYTES_MAX,
} from '@cassiopeia/protocol'
import type { Compression, SyncMode } from '@cassiopeia/storage'

/** How to run one node. Only `listen`, `members` and `dataDirectory` must be given. */
export interface NodeOptions {
  /** HOST:PORT to listen on. Beyond loopback a `secret` is required. */
  readonly listen: string
  /** The founding members' addresses, HOST:PORT; the same list for all, this node's own among them. */
  readonly members: readonly string[]
  /** Where this node keeps everything that must survive; made when missing. */
  readonly dataDirectory: string
  /** Address that others dial; `listen` by default. */
  readonly advertise?: string | undefined
  /** Replicas of each key; fewer where members are fewer. 1 to 16; default 3. */
  readonly replicationFactor?: number | undefined
  /** The key space has 2 to this power of partitions. 10 to 20; default 12. */
  readonly partitionBits?: number | undefined
  /** What fails together; replicas avoid sharing one. Default 'rack1'. */
  readonly rack?: string | undefined
  /** Name of the datacenter. Default 'dc1'. */
  readonly datacenter?: string | undefined
  /** Share of the data relative to the other nodes. 1 to 64; default 1. */
  readonly weight?: number | undefined
  /** Shared secret of nodes and clients. */
  readonly secret?: string | undefined
  /**
   * When a write counts as durable: see docs/GUARANTEES.md. 'group', 'periodic', 'none'; default
   * 'group'.
   */
  readonly sync?: SyncMode | undefined
  /** With sync 'periodic': milliseconds to a sync. 1 to 3,600,000; default 1,000. */
  readonly syncIntervalMs?: number | undefined
  /** Size of a commit log file, in bytes. 1,024 to 1,024 MiB; default 64 MiB. */
  readonly segmentBytes?: number | undefined
  /** Memory for memtables, cached blocks, filters and indexes. 1 MiB to 64 GiB; default 256 MiB. */
  readonly memoryBytesMax?: number | undefined
  /** Size of a memtable. 0 or 4 KiB to an eighth of `memoryBytesMax`; default 0: that eighth. */
  readonly memtableBytes?: number | undefined
  /** Batches up to this size are written to the log by the event loop. 0 to 1 MiB; default 0. */
  readonly inlineWriteBytesMax?: number | undefined
  /** The event loop reads blocks of tables itself while that is quick. Default true. */
  readonly readInPlace?: boolean | undefined
  /** How blocks of tables are compressed. 'none', 'deflate'; default 'none'. */
  readonly compression?: Compression | undefined
  /** Writes are refused while the disk has fewer bytes free. 0 to 1 TiB; default 64 MiB. */
  readonly diskReserveBytes?: number | undefined
  /** Bytes of hints kept for other nodes. 0 (none) to 1 TiB; default 1 GiB. */
  readonly hintBytesMax?: number | undefined
  /** Hints older than this are dropped. 100 to 604,800,000; default 10,800,000, three hours. */
  readonly hintAgeMaxMs?: number | undefined
  /** Whether replicas compare what they hold by themselves. Default true. */
  readonly antiEntropy?: boolean | undefined
  /** A partition is compared again after this long. 100 to 2,592,000,000; default 600,000. */
  readonly repairIntervalMs?: number | undefined
  /** What is younger is left out of the comparison. 10 to 3,600,000; default 10,000. */
  readonly repairLagMs?: number | undefined
  /** Percent of the time that comparing may take. 1 to 100; default 10. */
  readonly repairShare?: number | undefined
  /** Largest value, in bytes. 1 to 16 MiB; default 1 MiB. */
  readonly maxValueBytes?: number | undefined
  /** Stamps further ahead are refused. 1,000 to 3,600,000; default 10,000. */
  readonly maxClockAheadMs?: number | undefined
  /** How far ahead stamps are reserved on disk. 100 to 5,000; default 1,000. */
  readonly reserveAheadMs?: number | undefined
  /** Milliseconds between heartbeats. 10 to 60,000; default 200. */
  readonly gossipIntervalMs?: number | undefined
  /** Suspicion from which a member counts as not live. 1 to 100; default 8. */
  readonly phiThreshold?: number | undefined
  /** A read waits at least this long before it asks another. 1 to 60,000; default 10. */
  readonly hedgeMinMs?: number | undefined
  /** A read waits at most this long before it asks another. 1 to 60,000; default 100. */
  readonly hedgeMaxMs?: number | undefined
  /** Percent of reads below QUORUM that are compared in the background. 0 to 100; default 10. */
  readonly readRepairPercent?: number | undefined
  /** Connections accepted at a time. 1 to 1,000,000; default 10,000. */
  readonly connectionsMax?: number | undefined
  /** Client requests in flight on this node. 1 to 1,000,000; default 65,536. */
  readonly operationsMax?: number | undefined
  /** Bytes of those requests. 1,024 to 16,384 MiB; default 256 MiB. */
  readonly operationBytesMax?: number | undefined
  /** Bytes in flight on one connection. 1,024 to 1,024 MiB; default 32 MiB. */
  readonly connectionBytesMax?: number | undefined
  /** Unread output that stops reading. 1,024 to 1,024 MiB; default 8 MiB. */
  readonly outputPauseBytes?: number | undefined
  /** Unread output that drops a connection. 1,024 to 4,096 MiB; default 64 MiB. */
  readonly outputMaxBytes?: number | undefined
  /** Time for a connection to say who it is. 10 to 600,000; default 5,000. */
  readonly handshakeTimeoutMs?: number | undefined
  /** Time for a frame to arrive whole. 10 to 600,000; default 10,000. */
  readonly frameTimeoutMs?: number | undefined
  /** Milliseconds between pings to a peer. 10 to 600,000; default 1,000. */
  readonly pingIntervalMs?: number | undefined
  /** A peer silent for longer is disconnected. 100 to 600,000; default 10,000. */
  readonly silenceMaxMs?: number | undefined
  /** First pause before a peer is dialled again. 1 to 60,000; default 50. */
  readonly backoffMinMs?: number | undefined
  /** Longest pause before a peer is dialled again. 1 to 600,000; default 2,000. */
  readonly backoffMaxMs?: number | undefined
  /** The outside world; the real one by default. */
  readonly ports?: Ports | undefined
  /** Called once when the node has stopped because its disk failed or an invariant broke. */
  readonly onFatal?: ((error: CassioError) => void) | undefined
}

const MIB = 1024 * 1024

/** Every option of a node: default, limits, meaning. */
export const NODE_OPTIONS: OptionTable<NodeOptions> = Object.freeze({
  listen: { type: 'text', doc: 'Address to listen on, HOST:PORT.' },
  members: { type: 'texts', doc: "The founding members' addresses, the same for all." },
  dataDirectory: { type: 'text', doc: 'Directory for everything that must survive a restart.' },
  advertise: {
    type: 'text',
    optional: true,
    doc: 'Address that others dial; `listen` by default.',
  },
  replicationFactor: integer(3, 1, 16, 'Replicas of each key; fewer where members are fewer.'),
  partitionBits: integer(12, 10, 20, 'The key space has 2 to this power of partitions.'),
  rack: { type: 'text', default: 'rack1', doc: 'What fails together; replicas avoid sharing one.' },
  datacenter: { type: 'text', default: 'dc1', doc: 'Name of the datacenter.' },
  weight: integer(1, 1, 64, 'Share of the data relative to the other nodes.'),
  secret: { type: 'text', optional: true, doc: 'Shared secret of nodes and clients.' },
  sync: {
    type: 'choice',
    default: 'group',
    choices: ['group', 'periodic', 'none'],
    doc: 'When a write counts as durable: see docs/GUARANTEES.md.',
  },
  syncIntervalMs: integer(1_000, 1, 3_600_000, "With sync 'periodic': milliseconds to a sync."),
  segmentBytes: integer(64 * MIB, 1024, 1024 * MIB, 'Size of a commit log file, in bytes.'),
  memoryBytesMax: integer(
    256 * MIB,
    MIB,
    65_536 * MIB,
    'Bytes of memory for memtables, cached blocks, filters and indexes.',
  ),
  memtableBytes: integer(
    0,
    0,
    1024 * MIB,
    'Bytes of a memtable, at most an eighth of memoryBytesMax; 0: that eighth, at most 64 MiB.',
  ),
  inlineWriteBytesMax: integer(
    0,
    0,
    MIB,
    'Batches up to this size are written to the log by the event loop itself, while that is quick.',
  ),
  readInPlace: {
    type: 'flag',
    default: true,
    doc: 'The event loop reads blocks of tables itself while that is quick.',
  },
  compression: {
    type: 'choice',
    default: 'none',
    choices: ['none', 'deflate'],
    doc: 'How blocks of tables are compressed.',
  },
  diskReserveBytes: integer(
    64 * MIB,
    0,
    1024 * 1024 * MIB,
    'Writes are refused while the disk has fewer bytes free.',
  ),
  hintBytesMax: integer(1024 * MIB, 0, 1024 * 1024 * MIB, 'Bytes of hints kept for other nodes.'),
  hintAgeMaxMs: integer(10_800_000, 100, 604_800_000, 'Hints older than this are dropped.'),
  antiEntropy: {
    type: 'flag',
    default: true,
    doc: 'Replicas compare what they hold by themselves.',
  },
  repairIntervalMs: integer(
    600_000,
    100,
    2_592_000_000,
    'A partition is compared again after so many milliseconds.',
  ),
  repairLagMs: integer(
    10_000,
    10,
    3_600_000,
    'What was written in the last so many milliseconds is left out of the comparison.',
  ),
  repairShare: integer(10, 1, 100, 'Percent of the time that comparing may take.'),
  maxValueBytes: integer(VALUE_BYTES_DEFAULT, 1, VALUE_BYTES_MAX, 'Largest value, in bytes.'),
  maxClockAheadMs: integer(10_000, 1_000, 3_600_000, 'Stamps further ahead are refused.'),
  reserveAheadMs: integer(1_000, 100, 5_000, 'How far ahead stamps are reserved on disk.'),
  gossipIntervalMs: integer(200, 10, 60_000, 'Milliseconds between heartbeats.'),
  phiThreshold: integer(8, 1, 100, 'Suspicion from which a member counts as not live.'),
  hedgeMinMs: integer(10, 1, 60_000, 'A read waits at least this long before it asks another.'),
  hedgeMaxMs: integer(100, 1, 60_000, 'A read waits at most this long before it asks another.'),
  readRepairPercent: integer(
    10,
    0,
    100,
    'Percent of the reads below QUORUM that are compared in the background.',
  ),
  connectionsMax: integer(10_000, 1, 1_000_000, 'Connections accepted at a time.'),
  operationsMax: integer(65_536, 1, 1_000_000, 'Client requests in flight on this node.'),
  operationBytesMax: integer(256 * MIB, 1024, 16_384 * MIB, 'Bytes of those requests.'),
  connectionBytesMax: integer(32 * MIB, 1024, 1024 * MIB, 'Bytes in flight on one connection.'),
  outputPauseBytes: integer(8 * MIB, 1024, 1024 * MIB, 'Unread output that stops reading.'),
  outputMaxBytes: integer(64 * MIB, 1024, 4096 * MIB, 'Unread output that drops a connection.'),
  handshakeTimeoutMs: integer(5_000, 10, 600_000, 'Time for a connection to say who it is.'),
  frameTimeoutMs: integer(10_000, 10, 600_000, 'Time for a frame to arrive whole.'),
  pingIntervalMs: integer(1_000, 10, 600_000, 'Milliseconds between pings to a peer.'),
  silenceMaxMs: integer(10_000, 100, 600_000, 'A peer silent for longer is disconnected.'),
  backoffMinMs: integer(50, 1, 60_000, 'First pause before a peer is dialled again.'),
  backoffMaxMs: integer(2_000, 1, 600_000, 'Longest pause before a peer is dialled again.'),
  ports: { type: 'object', optional: true, doc: 'Clock, timers, random, disk, network, logger.' },
  onFatal: { type: 'function', optional: true, doc: 'Called when the node has had to stop.' },
})

/** Options after parsing: everything with a default is present; addresses are normalised. */
export type NodeSettings = {
  readonly [Name in keyof NodeOptions]-?: Name extends 'secret' | 'onFatal' | 'ports'
    ? NodeOptions[Name]
    : Exclude<NodeOptions[Name], undefined>
}

/** @throws CassioError CASSIO_CONFIG that names every violation at once. */
export function parseNodeOptions(options: NodeOptions): NodeSettings {
  const parsed = parseOptionTable<NodeOptions, NodeSettings>(
    NODE_OPTIONS,
    options,
    'node',
    (settings) => check(settings, options),
  )
  const { listen, advertise, members } = parsed
  return {
    ...parsed,
    listen: normal(listen),
    advertise: normal(advertise ?? listen),
    members: members.map(normal).sort(),
    // The default is for clusters that are large enough for it.
    replicationFactor:
      options.replicationFactor ?? Math.min(parsed.replicationFactor, members.length),
  }
}

/** What no row of the table can find alone. Values that have failed their row come here too. */
function check(parsed: NodeSettings, options: NodeOptions): string[] {
  const violations: string[] = []
  const address = (name: string, text: unknown): string | undefined => {
    if (typeof text !== 'string' || text === '') return undefined
    try {
      return normal(text)
    } catch (error) {
      violations.push(`${name}: ${(error as Error).message}`)
      return undefined
    }
  }
  const listen = address('listen', parsed.listen)
  const given = parsed.advertise ?? parsed.listen
  const advertise = given === parsed.listen ? listen : address('advertise', given)
  const list: readonly unknown[] = Array.isArray(parsed.members) ? parsed.members : []
  const members = list.map((member) => address('members', member))
  if (new Set(members).size < members.length && !members.includes(undefined)) {
    violations.push('members names an address twice')
  }
  if (members.length > 0 && advertise !== undefined && !members.includes(advertise)) {
    violations.push(
      `members (${list.join(', ')}) does not name this node's own address ${advertise}; ` +
        'add it, or set advertise to the address by which the list knows this node',
    )
  }
  if (parsed.secret === undefined && listen !== undefined && !isLoopback(listen)) {
    violations.push(
      `listening on ${listen}, beyond loopback, needs a secret: without one anybody who reaches ` +
        'the port could read and write everything; give --secret-file or CASSIO_SECRET',
    )
  }
  const { replicationFactor } = options
  if (replicationFactor !== undefined && members.length > 0 && replicationFactor > members.length) {
    violations.push(
      `replicationFactor ${replicationFactor} needs as many members, not ${members.length}`,
    )
  }
  if (parsed.hedgeMinMs > parsed.hedgeMaxMs) violations.push('hedgeMinMs is above hedgeMaxMs')
  if (parsed.backoffMinMs > parsed.backoffMaxMs) {
    violations.push('backoffMinMs is above backoffMaxMs')
  }
  const outputLeastBytes = parsed.maxValueBytes + FRAME_OVERHEAD_BYTES
  if (parsed.outputMaxBytes < outputLeastBytes) {
    violations.push(`outputMaxBytes must be at least ${outputLeastBytes}, to hold a largest value`)
  }
  return violations
}

function normal(address: string): string {
  return formatAddress(parseAddress(address))
}

function isLoopback(address: string): boolean {
  const { host } = parseAddress(address)
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function integer(fallback: number, min: number, max: number, doc: string) {
  return { type: 'integer', default: fallback, min, max, doc } as const
}
