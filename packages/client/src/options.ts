import type { Ports } from '@cassiopeia/env'
import {
  ConsistencyLevel,
  formatAddress,
  type OptionTable,
  parseAddress,
  parseConsistencyLevel,
  parseOptionTable,
} from '@cassiopeia/protocol'

/** Where a node listens unless it is told otherwise. */
export const DEFAULT_PORT = 9000

/** What the client may touch outside its own memory. */
export type ClientPorts = Pick<Ports, 'clock' | 'timers' | 'random' | 'network'>

/** Everything has a default; `CLIENT_OPTIONS` says which, and the limits. */
export interface ClientOptions {
  /** Nodes to begin with, HOST:PORT or HOST; the others are learned from them. */
  readonly contactPoints?: readonly string[] | undefined
  /** Level of the calls that name none. */
  readonly consistency?: ConsistencyLevel | undefined
  /** Level of the reads that name none; `consistency` by default. */
  readonly readConsistency?: ConsistencyLevel | undefined
  /** Level of the writes that name none; `consistency` by default. */
  readonly writeConsistency?: ConsistencyLevel | undefined
  /** Milliseconds until a call fails. 1 to 600,000; default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds until `connect` fails. 1 to 600,000; default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /**
   * Milliseconds until an unanswered read is sent to a second node: at least so many. 1 to
   * 600,000; default 50.
   */
  readonly hedgeAfterMs?: number | undefined
  /**
   * Milliseconds that a node has for one attempt of a write: at least so many. 10 to 600,000;
   * default 250.
   */
  readonly attemptTimeoutMs?: number | undefined
  /** First pause before a node is dialled again. 1 to 60,000; default 50. */
  readonly backoffMinMs?: number | undefined
  /** Longest pause before a node is dialled again. 1 to 600,000; default 2,000. */
  readonly backoffMaxMs?: number | undefined
  /**
   * Calls under way at once; more are refused with CASSIO_OVERLOADED. 1 to 1,000,000; default
   * 10,000.
   */
  readonly maxInFlight?: number | undefined
  /** Bytes waiting for one connection. 64 KiB to 1,024 MiB; default 32 MiB. */
  readonly sendBufferMaxBytes?: number | undefined
  /** The cluster's shared secret. A client that has one refuses nodes that ask for none. */
  readonly secret?: string | undefined
  /** The outside world; the real one by default. */
  readonly ports?: ClientPorts | undefined
}

/** A call may take 10 minutes. */
export const TIMEOUT_MS_MAX = 600_000

const KIB = 1024
const MIB = KIB * KIB

/** Every option of a client: default, limits, meaning. `docs/CLIENT.md` shows the same. */
export const CLIENT_OPTIONS: OptionTable<ClientOptions> = Object.freeze({
  contactPoints: {
    type: 'texts',
    default: [`127.0.0.1:${DEFAULT_PORT}`],
    doc: 'Nodes to begin with, HOST:PORT; the others are learned from them.',
  },
  consistency: { type: 'text', default: 'QUORUM', doc: 'Level of the calls that name none.' },
  readConsistency: { type: 'text', optional: true, doc: 'The same, of reads only.' },
  writeConsistency: { type: 'text', optional: true, doc: 'The same, of writes only.' },
  timeoutMs: integer(5_000, 1, TIMEOUT_MS_MAX, 'Milliseconds until a call fails.'),
  connectTimeoutMs: integer(5_000, 1, TIMEOUT_MS_MAX, 'Milliseconds until connect fails.'),
  hedgeAfterMs: integer(50, 1, TIMEOUT_MS_MAX, 'A slow read goes to a second node after this.'),
  attemptTimeoutMs: integer(250, 10, TIMEOUT_MS_MAX, 'Time of a node for one try of a write.'),
  backoffMinMs: integer(50, 1, 60_000, 'First pause before a node is dialled again.'),
  backoffMaxMs: integer(2_000, 1, TIMEOUT_MS_MAX, 'Longest pause before a node is dialled again.'),
  maxInFlight: integer(10_000, 1, 1_000_000, 'Calls under way at once.'),
  sendBufferMaxBytes: integer(32 * MIB, 64 * KIB, KIB * MIB, 'Bytes waiting for one connection.'),
  secret: { type: 'text', optional: true, doc: 'Shared secret of nodes and clients.' },
  ports: { type: 'object', optional: true, doc: 'Clock, timers, random and network.' },
})

type Parsed = {
  readonly [Name in keyof ClientOptions]-?: Name extends
    | 'readConsistency'
    | 'writeConsistency'
    | 'secret'
    | 'ports'
    ? ClientOptions[Name]
    : Exclude<ClientOptions[Name], undefined>
}

/** Options after parsing: complete, within their ranges, addresses with ports, levels as codes. */
export interface ClientSettings
  extends Omit<Parsed, 'consistency' | 'readConsistency' | 'writeConsistency'> {
  readonly readLevel: number
  readonly writeLevel: number
}

/** @throws CassioError CASSIO_CONFIG that names everything that is wrong. */
export function parseOptions(options: ClientOptions): ClientSettings {
  const parsed = parseOptionTable<ClientOptions, Parsed>(CLIENT_OPTIONS, options, 'client', check)
  const { consistency, readConsistency = consistency, writeConsistency = consistency } = parsed
  return {
    ...parsed,
    contactPoints: [...new Set(parsed.contactPoints.map(completeAddress))],
    readLevel: ConsistencyLevel[parseConsistencyLevel(readConsistency)],
    writeLevel: ConsistencyLevel[parseConsistencyLevel(writeConsistency)],
  }
}

/** @returns HOST:PORT in its usual form. @throws RangeError for what is no address. */
export function completeAddress(text: string): string {
  const isComplete = /:\d+$/.test(text)
  return formatAddress(parseAddress(isComplete ? text : `${text}:${DEFAULT_PORT}`))
}

function check(settings: Parsed): string[] {
  const violations: string[] = []
  const attempt = (name: string, parse: () => unknown): void => {
    try {
      parse()
    } catch (error) {
      violations.push(`${name}: ${(error as Error).message}`)
    }
  }
  if (Array.isArray(settings.contactPoints)) {
    for (const text of settings.contactPoints) {
      attempt('contactPoints', () => completeAddress(String(text)))
    }
  }
  for (const name of ['consistency', 'readConsistency', 'writeConsistency'] as const) {
    const level = settings[name]
    if (typeof level === 'string') attempt(name, () => parseConsistencyLevel(level))
  }
  if (settings.backoffMinMs > settings.backoffMaxMs) {
    violations.push('backoffMinMs is above backoffMaxMs')
  }
  for (const name of ['clock', 'timers', 'random', 'network'] as const) {
    const isMissing = settings.ports !== undefined && typeof settings.ports?.[name] !== 'object'
    if (isMissing) violations.push(`ports has no ${name}`)
  }
  return violations
}

function integer(fallback: number, min: number, max: number, doc: string) {
  return { type: 'integer', default: fallback, min, max, doc } as const
}
