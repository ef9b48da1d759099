import type { Disk } from '@cassiopeia/env'
import {
  CassioError,
  type ClusterMap,
  decodeClusterMap,
  encodeClusterMap,
  type Hello,
  MessageType,
  PROTOCOL_VERSION,
  parseAddress,
  unpack,
  type Welcome,
} from '@cassiopeia/protocol'
import { readRecord, writeRecord } from '@cassiopeia/storage'
import { asDiskFailure } from '../disk-failure'
import type { NodeSettings } from '../options'
import type { TransportPorts } from '../transport/acceptor'
import { PeerLink, type PeerLinkOwner } from '../transport/peer-link'
import { ClusterView } from './cluster-view'
import { foundCluster } from './found-cluster'
import { FoundingCore } from './founding-core'
import type { Identity } from './identity'

const LASTING: ReadonlySet<string> = new Set([
  'CASSIO_IDENTITY',
  'CASSIO_FOUNDING_MISMATCH',
  'CASSIO_UNAUTHORIZED',
])

export interface MembershipOwner {
  /** The cluster map is known and durable. Called once. */
  onFormed(view: ClusterView): void
  /** What a peer answers or says on the connection that this node dialled. */
  onPeerMessage(peer: PeerLink, type: number, buffer: Buffer, from: number, to: number): void
  onPeerLost(peer: PeerLink): void
  /** A peer can be asked again. */
  onPeerFound(peer: PeerLink, welcome: Welcome): void
  onFatal(error: CassioError): void
}

/**
 * The links to all other members, and how they come to one cluster map: founders tell each other what
 * they know until all know the same (`FoundingCore`), then each computes the map and keeps it. A
 * founder that was away meanwhile is given the map by the others.
 */
export class Membership implements PeerLinkOwner {
  readonly peers: readonly PeerLink[]
  view: ClusterView | undefined
  private readonly byAddress: ReadonlyMap<string, PeerLink>
  private readonly founding: FoundingCore
  private readonly foundingText: string
  /** Why each peer was last said to be away; one that stays away is dialled for ever. */
  private readonly complaints = new Map<PeerLink, string>()
  private keeping = false
  private closed = false

  constructor(
    private readonly settings: NodeSettings,
    private readonly identity: Identity,
    private readonly owner: MembershipOwner,
    private readonly disk: Disk,
    private readonly ports: TransportPorts,
  ) {
    const { members, advertise, rack, datacenter, weight } = settings
    this.foundingText =
      `${members.join(',')} with ${settings.replicationFactor} replicas and ` +
      `${settings.partitionBits} partition bits`
    const own = { id: identity.nodeId, rack, datacenter, weight }
    this.founding = new FoundingCore(members, advertise, own)
    const others = members.filter((member) => member !== advertise)
    this.peers = others.map((member) => this.linkTo(member))
    this.byAddress = new Map(others.map((member, i) => [member, this.peers[i]!]))
  }

  /** Founders not heard from; empty once the cluster has formed. */
  missing(): string[] {
    if (this.view !== undefined) return []
    const missing = this.founding.missing()
    return missing.length > 0 ? missing : this.founding.undecided()
  }

  peerAt(address: string): PeerLink | undefined {
    return this.byAddress.get(address)
  }

  /** Reads the map kept from earlier, if there is one, and begins to dial. */
  async start(): Promise<void> {
    const bytes = await readRecord(this.disk, this.mapPath)
    if (bytes !== undefined) this.use(decodeClusterMap(bytes))
    for (const peer of this.peers) peer.start()
    await this.foundIfAgreed()
  }

  close(): void {
    this.closed = true
    for (const peer of this.peers) peer.close()
  }

  /** Judges a peer that dials this node. @throws CassioError telling it why it is no member. */
  admit(hello: Hello): void {
    this.judge(hello.nodeId!, hello.address!, hello.clusterId!)
    if (hello.founding !== this.foundingText) {
      throw new CassioError(
        'CASSIO_FOUNDING_MISMATCH',
        `${this.settings.advertise} was founded with members ${this.foundingText}; ` +
          `${hello.address} with members ${hello.founding}`,
      )
    }
    this.peerAt(hello.address!)?.hurry()
  }

  onPeerOpen(peer: PeerLink, welcome: Welcome): void {
    try {
      this.judge(welcome.nodeId, peer.name, welcome.clusterId)
    } catch (error) {
      this.complain(peer, 'peer refused', error as CassioError)
      peer.refuse(error as CassioError)
      return
    }
    this.complaints.delete(peer)
    this.ports.logger.info('peer connected', { peer: peer.name, node: welcome.nodeId })
    this.tell(peer)
    this.owner.onPeerFound(peer, welcome)
  }

  onPeerMessage(peer: PeerLink, type: number, buffer: Buffer, from: number, to: number): void {
    this.owner.onPeerMessage(peer, type, buffer, from, to)
  }

  onPeerLost(peer: PeerLink): void {
    this.complain(peer, 'peer lost', peer.lastError)
    this.owner.onPeerLost(peer)
  }

  onPeerUnreached(peer: PeerLink): void {
    this.complain(peer, 'peer not reached', peer.lastError)
  }

  /**
   * FOUNDING from a peer: what it knows of the founders, or the map itself.
   * @throws RangeError, CassioError when the map is none for this node.
   */
  onFounding(from: string, body: Buffer): void {
    if (this.closed) return
    const message = unpack(body) as { view?: unknown; map?: unknown } | null
    if (this.view !== undefined) {
      // It has not formed yet, or it would not ask: give it the map.
      if (message?.map === undefined) this.tellAt(from)
    } else if (message?.map instanceof Uint8Array) {
      void this.keep(this.viewOf(decodeClusterMap(Buffer.from(message.map))))
    } else {
      const hasChanged = this.founding.onView(from, message?.view)
      if (hasChanged) this.tellAll()
      void this.foundIfAgreed()
    }
  }

  /** Tells everybody what is known here, again; lost messages are made good by this. */
  remind(): void {
    if (this.view === undefined) this.tellAll()
  }

  private tellAll(): void {
    for (const peer of this.peers) this.tell(peer)
  }

  private tellAt(address: string): void {
    const peer = this.peerAt(address)
    if (peer !== undefined) this.tell(peer)
  }

  private tell(peer: PeerLink): void {
    if (!peer.open) return
    const { view } = this
    const message =
      view === undefined ? { view: this.founding.view() } : { map: encodeClusterMap(view.map) }
    peer.link!.sendPacked(MessageType.FOUNDING, message)
  }

  private async foundIfAgreed(): Promise<void> {
    if (this.view !== undefined || this.keeping || !this.founding.agreed()) return
    try {
      await this.keep(this.viewOf(foundCluster(this.founding.view(), this.settings)))
    } catch (error) {
      this.owner.onFatal(error as CassioError)
    }
  }

  /** Makes the view's map durable, then uses it. */
  private async keep(view: ClusterView): Promise<void> {
    if (this.keeping || this.closed) return
    this.keeping = true
    try {
      await writeRecord(this.disk, this.mapPath, encodeClusterMap(view.map))
      if (!this.closed) this.adopt(view)
    } catch (error) {
      const failure = asDiskFailure(error, 'the cluster map cannot be kept')
      if (!this.closed) this.owner.onFatal(failure as CassioError)
    }
  }

  private use(map: ClusterMap): void {
    this.keeping = true
    this.adopt(this.viewOf(map))
  }

  private adopt(view: ClusterView): void {
    this.view = view
    const { clusterId, epoch, members } = view.map
    this.ports.logger.info('cluster formed', { clusterId, epoch, members: members.length })
    this.tellAll()
    this.owner.onFormed(view)
  }

  private viewOf(map: ClusterMap): ClusterView {
    return new ClusterView(map, this.identity.nodeId, this.byAddress)
  }

  private complain(peer: PeerLink, event: string, error: CassioError | undefined): void {
    const reason = error?.message ?? 'closed'
    if (this.closed || this.complaints.get(peer) === reason) return
    this.complaints.set(peer, reason)
    // Trying again will not help against these: somebody has to do something.
    const isLasting = error !== undefined && LASTING.has(error.code)
    const level = isLasting ? 'error' : 'warn'
    this.ports.logger[level](event, { peer: peer.name, code: error?.code, reason })
  }

  /** @throws CassioError when a node with this id at this address cannot be a member here. */
  private judge(nodeId: string, address: string, clusterId: string): void {
    const own = this.view?.map.clusterId ?? ''
    if (nodeId === this.identity.nodeId) {
      throw new CassioError(
        'CASSIO_IDENTITY',
        `${address} and ${this.settings.advertise} have the same node id ${nodeId}; ` +
          'one data directory is a copy of the other, or one node has two addresses',
      )
    }
    if (own !== '' && clusterId !== '' && own !== clusterId) {
      throw new CassioError(
        'CASSIO_IDENTITY',
        `${address} belongs to cluster ${clusterId}, ${this.settings.advertise} to ${own}`,
      )
    }
    const member = this.view?.map.members.find((each) => each.address === address)
    if (this.view !== undefined && member?.id !== nodeId) {
      throw new CassioError(
        'CASSIO_IDENTITY',
        member === undefined
          ? `${address} is no member of cluster ${own}`
          : `${address} is known to the cluster as node ${member.id}, not as ${nodeId}: ` +
              'it must be started with the data directory that it was founded with',
      )
    }
  }

  private linkTo(member: string): PeerLink {
    const { settings, identity } = this
    const hello = (): Omit<Hello, 'nonce'> => ({
      protocol: PROTOCOL_VERSION,
      role: 'peer',
      nodeId: identity.nodeId,
      address: settings.advertise,
      generation: identity.generation,
      founding: this.foundingText,
      clusterId: this.view?.map.clusterId ?? '',
    })
    const options = { ...settings, limits: settings }
    return new PeerLink(parseAddress(member), hello, this, options, this.ports)
  }

  private get mapPath(): string {
    return `${this.settings.dataDirectory}/cluster-map`
  }
}
