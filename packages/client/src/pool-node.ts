import type { Timer } from '@cassiopeia/env'
import { type CassioError, type HostPort, parseAddress } from '@cassiopeia/protocol'
import type { NodeConnection } from './node-connection'
import type { Routable } from './routing-policy'
import type { HybridReading } from './stamp-floor'

/** One address that we know, whatever connection leads there now. */
export class PoolNode implements Routable {
  readonly target: HostPort
  /** The id in the cluster map of the member that is dialled here. */
  memberId: string | undefined
  connection: NodeConnection | undefined
  /** In a row, since the node last answered a ping. */
  failures = 0
  lastError: CassioError | undefined
  /** Kept when the connection is lost: the node's clock goes on. */
  hybrid: HybridReading | undefined
  /** The last handshake failed in a way that repeating it will not cure. */
  isRefusing = false
  redial: Timer | undefined

  constructor(
    /** HOST:PORT. */
    readonly address: string,
    readonly isContactPoint: boolean,
  ) {
    this.target = parseAddress(address)
  }

  get isReady(): boolean {
    return this.connection?.state === 'ready'
  }

  get inFlight(): number {
    return this.connection?.inFlight ?? 0
  }

  isResponsive(nowMs: number): boolean {
    return this.connection?.isResponsive(nowMs) ?? false
  }

  hasRoomFor(bytes: number): boolean {
    return this.connection?.hasRoomFor(bytes) ?? false
  }
}
