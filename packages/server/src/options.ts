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
import type { SyncMode } from '@cassiopeia/storage'

/** How to run one node. Only `listen`, `members` and `dataDirectory` must be given. */
export interface NodeOptions {
  /** HOST:PORT to listen on. Beyond loopback a `secret` is required. */
  readonly listen: string
  /** The founding members' addresses, HOST:PORT; the same list for all, this node's own among them. */
  readonly members: readonly string[]
  /** Where this node keeps everything that must survive; made when missing. */
  readonly dataDirectory: string
  readonly advertise?: string | undefined
  readonly replicationFactor?: number | undefined
  readonly partitionBits?: number | undefined
  readonly rack?: string | undefined
  readonly datacenter?: string | undefined
  readonly weight?: number | undefined
  readonly secret?: string | undefined
  readonly sync?: SyncMode | undefined
  readonly syncIntervalMs?: number | undefined
  readonly segmentBytes?: number | undefined
  readonly memoryBytesMax?: number | undefined
  readonly maxValueBytes?: number | undefined
  readonly maxClockAheadMs?: number | undefined
  readonly reserveAheadMs?: number | undefined
  readonly gossipIntervalMs?: number | undefined
  readonly phiThreshold?: number | undefined
  readonly hedgeMinMs?: number | undefined
  readonly hedgeMaxMs?: number | undefined
  readonly connectionsMax?: number | undefined
  readonly operationsMax?: number | undefined
  readonly operationBytesMax?: number | undefined
  readonly connectionBytesMax?: number | undefined
  readonly outputPauseBytes?: number | undefined
  readonly outputMaxBytes?: number | undefined
  readonly handshakeTimeoutMs?: number | undefined
  readonly frameTimeoutMs?: number | undefined
  readonly pingIntervalMs?: number | undefined
  readonly silenceMaxMs?: number | undefined
  readonly backoffMinMs?: number | undefined
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
  memoryBytesMax: integer(1024 * MIB, MIB, 65_536 * MIB, 'Memory for cells, in bytes.'),
  maxValueBytes: integer(VALUE_BYTES_DEFAULT, 1, VALUE_BYTES_MAX, 'Largest value, in bytes.'),
  maxClockAheadMs: integer(10_000, 1_000, 3_600_000, 'Stamps further ahead are refused.'),
  reserveAheadMs: integer(1_000, 100, 5_000, 'How far ahead stamps are reserved on disk.'),
  gossipIntervalMs: integer(200, 10, 60_000, 'Milliseconds between heartbeats.'),
  phiThreshold: integer(8, 1, 100, 'Suspicion from which a member counts as not live.'),
  hedgeMinMs: integer(10, 1, 60_000, 'A read waits at least this long before it asks another.'),
  hedgeMaxMs: integer(100, 1, 60_000, 'A read waits at most this long before it asks another.'),
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
