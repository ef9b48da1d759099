import { CassioClient } from '@cassiopeia/client'
import {
  type ConsistencyLevel,
  formatAddress,
  parseAddress,
  parseConsistencyLevel,
} from '@cassiopeia/protocol'
import { TIMEOUT_MS_MAX } from '../verbs/run'
import { readWholeNumber } from './flags'
import { splitList } from './node-flags'
import { config, readSecret } from './secret'

const CONTACT_DEFAULT = '127.0.0.1:9000'

/** Long enough for a cluster that is starting, short enough for a person to wait for the error. */
const CONNECT_TIMEOUT_MS = 2_000

/** How to reach the cluster, as flags or the environment say it. */
export interface ConnectFlags {
  readonly contact?: string
  readonly secretFile?: string
  readonly consistency?: string
  readonly timeoutMs?: string
}

export interface ConnectSettings {
  readonly contactPoints: string[]
  readonly secret: string | undefined
  readonly consistency: ConsistencyLevel | undefined
  readonly timeoutMs: number | undefined
}

/** @throws CassioError CASSIO_CONFIG */
export function readConnectFlags(
  flags: ConnectFlags,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectSettings {
  return {
    contactPoints: readAddresses('--contact', flags.contact ?? CONTACT_DEFAULT),
    secret: readSecret(flags.secretFile, environment),
    consistency: flags.consistency === undefined ? undefined : readLevel(flags.consistency),
    timeoutMs:
      flags.timeoutMs === undefined
        ? undefined
        : readWholeNumber('--timeout-ms', flags.timeoutMs, 1, TIMEOUT_MS_MAX),
  }
}

export interface OpenClient {
  readonly client: CassioClient
  /** Settles as `connect` does. */
  readonly connected: Promise<void>
}

/** Makes a client and begins to connect; whoever needs the connection waits for `connected`. */
export function openClient(settings: ConnectSettings): OpenClient {
  const { contactPoints, secret, timeoutMs } = settings
  const client = new CassioClient({
    contactPoints,
    secret,
    connectTimeoutMs: timeoutMs ?? CONNECT_TIMEOUT_MS,
  })
  const connected = client.connect()
  // Not everybody waits for it.
  connected.catch(() => {})
  return { client, connected }
}

/** Reads `HOST:PORT,HOST:PORT`. @throws CassioError CASSIO_CONFIG naming what is no address. */
export function readAddresses(flag: string, text: string): string[] {
  try {
    const addresses = splitList(text).map((part) => formatAddress(parseAddress(part)))
    if (addresses.length > 0) return addresses
  } catch (error) {
    throw config(`${flag}: ${(error as Error).message}`)
  }
  throw config(`${flag} names no address; expected HOST:PORT,...`)
}

function readLevel(text: string): ConsistencyLevel {
  try {
    return parseConsistencyLevel(text)
  } catch (error) {
    throw config(`--consistency: ${(error as Error).message}`)
  }
}
