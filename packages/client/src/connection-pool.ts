import type { Ports, Timer } from '@cassiopeia/env'
import {
  CassioError,
  type ClusterMap,
  type ClusterMember,
  type NodeCause,
  type Welcome,
} from '@cassiopeia/protocol'
import { type ConnectionOwner, type ConnectionSettings, NodeConnection } from './node-connection'
import type { Attempt } from './operation'
import { PoolNode } from './pool-node'
import { backoffLength } from './retry-policy'

const PING_EVERY_MS = 1_000

import { stampFloor } from './stamp-floor'

/** Said during a handshake, these will be said again. */
const INCURABLE: ReadonlySet<string> = new Set(['CASSIO_UNAUTHORIZED', 'CASSIO_PROTOCOL'])

export interface PoolSettings extends ConnectionSettings {
  readonly contactPoints: readonly string[]
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

/** What the dispatcher wants to know of the pool, besides what its connections tell. */
export interface PoolOwner extends Pick<ConnectionOwner, 'onOutput' | 'onSend' | 'onAnswer'> {
  /** Nothing of the old cluster is left; the nodes that answer now have been founded anew. */
  onClusterGone(): void
  /** A node can be asked now. */
  onNodeReady(welcome: Welcome): void
  /** A connection is gone; `lost` is what was out on it. */
  onNodeLost(error: CassioError, lost: Attempt[]): void
}

/**
 * One connection to each member of the cluster, and the way back to those that were lost.
 *
 * It dials the contact points, then the members that the cluster map names. A node reached at two
 * addresses keeps the connection that came first. Contact points that are no members' addresses are
 * dialled again only while some member cannot be reached: then they may be the only way in.
 */
export class ConnectionPool implements ConnectionOwner {
  /** Those that can be asked now. */
  ready: readonly PoolNode[] = []
  private readonly nodes = new Map<string, PoolNode>()
  private readonly nodeOf = new Map<NodeConnection, PoolNode>()
  private members: readonly ClusterMember[] = []
  /** Of the map in use; empty while there is none. */
  private clusterId = ''
  private pingTimer: Timer | undefined
  private isOpen = false
  private readonly duplicate = closedError('another address leads to the same node')
  private onEmpty: (() => void) | undefined

  constructor(
    private readonly settings: PoolSettings,
    private readonly ports: Pick<Ports, 'clock' | 'timers' | 'random' | 'network'>,
    private readonly owner: PoolOwner,
  ) {}

  /** Dials the contact points. */
  open(): void {
    this.isOpen = true
    this.pingTimer = this.ports.timers.after(PING_EVERY_MS, this.onPingTimer)
    for (const address of this.settings.contactPoints) {
      if (!this.nodes.has(address)) this.nodes.set(address, new PoolNode(address, true))
    }
    this.dialWanted()
  }

  /** The cluster map has come or changed: members that left, and strangers, are let go of. */
  setMap({ clusterId, members }: ClusterMap): void {
    this.clusterId = clusterId
    this.members = members
    for (const { connection } of this.ready) {
      if (connection !== undefined && this.isStranger(connection)) connection.close(strangerError())
    }
    for (const node of this.nodes.values()) node.memberId = undefined
    for (const { id, address } of members) {
      const node = this.nodes.get(address) ?? new PoolNode(address, false)
      node.memberId = id
      this.nodes.set(address, node)
    }
    for (const node of this.nodes.values()) {
      if (node.memberId !== undefined || node.isContactPoint) continue
      this.nodes.delete(node.address)
      node.redial?.cancel()
      node.connection?.close(closedError('the node has left the cluster'))
    }
    if (this.isOpen) this.dialWanted()
  }

  /** The node of a member: connected at whatever address, or else where the map says it is. */
  nodeOfMember(member: ClusterMember): PoolNode | undefined {
    return (
      this.ready.find((node) => node.connection?.nodeId === member.id) ??
      this.nodes.get(member.address)
    )
  }

  nodeAt(address: string): PoolNode | undefined {
    const node = this.nodes.get(address)
    const member = this.members.find((each) => each.address === address)
    return member === undefined ? node : this.nodeOfMember(member)
  }

  /** Whoever has the connection to this member, should that lead there by another address. */
  reachedAs(node: PoolNode): PoolNode {
    if (node.isReady || node.memberId === undefined) return node
    return this.ready.find((each) => each.connection?.nodeId === node.memberId) ?? node
  }

  get addresses(): string[] {
    return [...this.nodes.keys()]
  }

  /** What each node that cannot be asked said last. */
  get causes(): NodeCause[] {
    const causes: NodeCause[] = []
    for (const { address, isReady, connection, lastError } of this.nodes.values()) {
      if (isReady) continue
      if (lastError !== undefined) {
        causes.push({ node: address, code: lastError.code, message: lastError.message })
      } else if (connection !== undefined) {
        const message = `${address}: no answer yet`
        causes.push({ node: address, code: 'CASSIO_CONNECTION', message })
      }
    }
    return causes
  }

  /** An error that waiting will not cure, when every node gave one. */
  get incurable(): CassioError | undefined {
    let first: CassioError | undefined
    for (const { isRefusing, lastError } of this.nodes.values()) {
      if (!isRefusing) return undefined
      first ??= lastError
    }
    return first
  }

  /** Closes every connection. @returns when all of them have closed. Idempotent. */
  close(): Promise<void> {
    this.isOpen = false
    this.pingTimer?.cancel()
    const error = closedError('the client was closed')
    for (const node of this.nodes.values()) {
      node.redial?.cancel()
      node.redial = undefined
      node.connection?.close(error)
    }
    if (this.nodeOf.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const others = this.onEmpty
      this.onEmpty = () => {
        others?.()
        resolve()
      }
    })
  }

  onReady(connection: NodeConnection, welcome: Welcome): void {
    const node = this.nodeOf.get(connection)!
    if (this.ready.some((each) => each.connection?.nodeId === connection.nodeId)) {
      // The same node under another name: one connection is enough.
      connection.close(this.duplicate)
      return
    }
    if (this.isStranger(connection)) {
      if (this.ready.length > 0) {
        connection.close(strangerError())
        return
      }
      this.clusterId = ''
      this.members = []
      this.owner.onClusterGone()
    }
    node.lastError = undefined
    node.isRefusing = false
    node.hybrid = connection.hybrid
    this.ready = [...this.ready, node]
    this.owner.onNodeReady(welcome)
  }

  /** No stamp that a node has given so far is above this, as far as is known. */
  stampFloor(nowMs: number): number {
    const readings = [...this.nodes.values()].map(({ hybrid }) => hybrid)
    return stampFloor(
      readings.filter((reading) => reading !== undefined),
      nowMs,
    )
  }

  onAlive(connection: NodeConnection): void {
    const node = this.nodeOf.get(connection)
    if (node === undefined) return
    node.failures = 0
    node.hybrid = connection.hybrid
  }

  onOutput(connection: NodeConnection): void {
    this.owner.onOutput(connection)
  }

  onSend(attempt: Attempt, nowMs: number): void {
    this.owner.onSend(attempt, nowMs)
  }

  onAnswer(attempt: Attempt, type: number, buffer: Buffer, from: number, to: number): void {
    this.owner.onAnswer(attempt, type, buffer, from, to)
  }

  onClosed(connection: NodeConnection, error: CassioError, lost: Attempt[]): void {
    const node = this.nodeOf.get(connection)!
    this.nodeOf.delete(connection)
    node.connection = undefined
    // Whatever the reason: nothing may dial in a tight loop.
    node.failures += 1
    node.lastError = error === this.duplicate ? undefined : error
    node.isRefusing = connection.nodeId === '' && INCURABLE.has(error.code)
    this.ready = this.ready.filter((each) => each !== node)
    this.owner.onNodeLost(error, lost)
    if (this.nodeOf.size === 0) this.onEmpty?.()
    if (this.isOpen) this.dialWanted()
  }

  /** Dials now what has not failed yet, and the rest after its back-off. */
  private dialWanted(): void {
    for (const node of this.nodes.values()) {
      if (node.connection !== undefined || node.redial !== undefined || !this.isWanted(node)) {
        continue
      }
      if (node.failures === 0) {
        this.dial(node)
        continue
      }
      const { backoffMinMs, backoffMaxMs } = this.settings
      const unit = this.ports.random.unit()
      const delayMs = backoffLength(node.failures, backoffMinMs, backoffMaxMs, unit)
      node.redial = this.ports.timers.after(delayMs, () => {
        node.redial = undefined
        if (this.isOpen && this.isWanted(node)) this.dial(node)
      })
    }
  }

  private isWanted(node: PoolNode): boolean {
    if (node.memberId !== undefined) return !this.isReached(node.memberId)
    return this.members.length === 0 || !this.members.every(({ id }) => this.isReached(id))
  }

  /** Whether it leads to a node of another cluster than the map's. */
  private isStranger({ clusterId }: NodeConnection): boolean {
    return clusterId !== '' && this.clusterId !== '' && clusterId !== this.clusterId
  }

  private isReached(nodeId: string): boolean {
    return this.ready.some((node) => node.connection?.nodeId === nodeId)
  }

  private dial(node: PoolNode): void {
    const { settings, ports } = this
    const connection = new NodeConnection(node.address, node.target, ports, settings, this)
    node.connection = connection
    this.nodeOf.set(connection, node)
  }

  private readonly onPingTimer = (): void => {
    this.pingTimer = this.ports.timers.after(PING_EVERY_MS, this.onPingTimer)
    const nowMs = this.ports.clock.monotonicMs()
    for (const node of this.ready) node.connection?.tick(nowMs)
  }
}

function closedError(message: string): CassioError {
  return new CassioError('CASSIO_CLOSED', message)
}

function strangerError(): CassioError {
  return new CassioError('CASSIO_IDENTITY', 'the node belongs to another cluster')
}
