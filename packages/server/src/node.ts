import { type Logger, nodePorts, type Ports, type Timers } from '@cassiopeia/env'
import { partitionOf } from '@cassiopeia/placement'
import {
  CassioError,
  type ClusterMap,
  encodeClusterMap,
  type Hello,
  MessageType,
  type NodeLoad,
  nodeTag,
  parseAddress,
  type VoteParams,
  type Welcome,
} from '@cassiopeia/protocol'
import { type CellStore, openCellStore } from '@cassiopeia/storage'
import { Coordinator } from './coordinator/coordinator'
import { Explainer, readKey } from './coordinator/explainer'
import { Scanner } from './coordinator/scanner'
import { Stamper } from './coordinator/stamper'
import { ClientSession, type ClientSessionOwner } from './gateway/client-session'
import { ClockWatch } from './gossip/clock-watch'
import { GossipCore } from './gossip/gossip-core'
import { GossipService } from './gossip/gossip-service'
import { HintCarrier } from './hints/hint-carrier'
import { openHints } from './hints/hint-service'
import type { Hints } from './hints/hints'
import { Counters } from './metrics'
import type { NodeSettings } from './options'
import { Fences } from './repair/fences'
import { RepairService } from './repair/repair-service'
import { RepairState } from './repair/repair-state'
import { LocalReplica } from './replica/local-replica'
import { readPage, readPageParams } from './replica/page-reader'
import { ReplicaService } from './replica/replica-service'
import { nodeStatus } from './status'
import type { ClusterView } from './topology/cluster-view'
import { type Identity, openIdentity } from './topology/identity'
import { Membership, type MembershipOwner } from './topology/membership'
import { Acceptor, type AcceptorOwner, type TransportPorts } from './transport/acceptor'
import { Flusher } from './transport/flusher'
import type { Link, LinkOwner } from './transport/link'
import { LoopTime } from './transport/loop-time'
import { PeerCalls } from './transport/peer-calls'
import type { PeerLink } from './transport/peer-link'
import { PeerSession, type PeerSessionOwner } from './transport/peer-session'
import { VERSION } from './version'

/** How long a replica has for its vote in an explanation, at most. */
const EXPLAIN_TIMEOUT_MS = 1_000
/** Gaps between heartbeats longer than this many intervals are outages, not habits. */
const GAP_MAX_INTERVALS = 2
const PHI_WINDOW = 100

interface NodeParts {
  readonly settings: NodeSettings
  readonly identity: Identity
  readonly store: CellStore
  readonly stamper: Stamper
  readonly ports: Ports
  readonly time: LoopTime
  readonly counters: Counters
  readonly repairState: RepairState
  readonly carrier: HintCarrier
  readonly hints: Hints
}

/**
 * One node, wired together from its parts and the ports that it is given:
 *
 * - `transport/` carries framed messages: `Acceptor` takes connections, `Membership` dials the peers;
 * - `gateway/` serves clients, `coordinator/` does what they ask, `replica/` serves other coordinators;
 * - `gossip/` tells who is alive, `topology/` who owns what; the store keeps the cells;
 * - `hints/` keeps writes for replicas that missed them, `repair/` makes replicas equal.
 *
 * It holds no state outside itself: many nodes can live in one process.
 */
export class Node implements AcceptorOwner, MembershipOwner, PeerSessionOwner, ClientSessionOwner {
  /** Resolves once the cluster map is known and kept; rejects when the node stops before that. */
  readonly formed: Promise<ClusterMap>
  readonly coordinator: Coordinator
  readonly replica: ReplicaService
  readonly counters: Counters

  private readonly acceptor: Acceptor
  private readonly membership: Membership
  private readonly gossip: GossipCore
  private readonly gossipService: GossipService
  private readonly clockWatch: ClockWatch
  private readonly calls: PeerCalls
  private readonly explainer: Explainer
  private readonly scanner: Scanner
  private readonly settings: NodeSettings
  private readonly identity: Identity
  private readonly store: CellStore
  private readonly stamper: Stamper
  private readonly ports: Ports
  private readonly time: LoopTime
  private readonly repair: RepairService
  private readonly logger: Logger
  private readonly startedMs: number
  private readonly clients = new Set<ClientSession>()
  private settleFormed!: { resolve(map: ClusterMap): void; reject(error: CassioError): void }
  private closing: Promise<void> | undefined
  private failed = false

  private constructor(private readonly parts: NodeParts) {
    const { settings, identity, store, stamper, ports, time, repairState } = parts
    this.settings = settings
    this.identity = identity
    this.store = store
    this.stamper = stamper
    this.ports = ports
    this.time = time
    const { timers, random, network, clock } = ports
    this.startedMs = time.nowMs
    this.logger = ports.logger
    this.formed = new Promise((resolve, reject) => {
      this.settleFormed = { resolve, reject }
    })
    // Whoever does not wait for it need not handle its failure either.
    this.formed.catch(() => {})
    const transport: TransportPorts = {
      network,
      timers,
      random,
      logger: ports.logger,
      time,
      flusher: new Flusher(timers),
    }
    const inner = { clock, timers, random, logger: ports.logger, time, buggify: ports.buggify }
    this.counters = parts.counters
    const { buggify } = ports
    const local = new LocalReplica(store, repairState.fences, this.counters, buggify)
    this.coordinator = new Coordinator(store, local, stamper, this.counters, settings, inner)
    this.coordinator.setHints(parts.hints)
    this.clockWatch = new ClockWatch(settings.members.length - 1)
    stamper.clockWatch = this.clockWatch
    time.hybridMs = () => stamper.hybridMs
    this.replica = new ReplicaService(store, local, stamper, this.counters, time)
    this.calls = new PeerCalls(timers, time)
    this.repair = new RepairService({
      settings,
      identity,
      store,
      local,
      state: repairState,
      stamper,
      counters: this.counters,
      calls: this.calls,
      ports,
      operations: () => this.coordinator.size,
    })
    const { carrier } = parts
    carrier.hints = parts.hints
    carrier.onHintDropped = (partition) => this.repair.mark(partition)
    carrier.onHintsLost = () => this.repair.markAll()
    this.membership = new Membership(settings, identity, this, ports.disk, transport)
    this.gossip = new GossipCore(identity.nodeId, identity.generation, {
      phiThreshold: settings.phiThreshold,
      phiWindow: PHI_WINDOW,
      gapMaxMs: settings.gossipIntervalMs * GAP_MAX_INTERVALS,
      gapMinMs: settings.gossipIntervalMs,
    })
    const load = () => this.load()
    const { gossipIntervalMs } = settings
    this.gossipService = new GossipService(
      this.gossip,
      this.clockWatch,
      this.membership,
      load,
      gossipIntervalMs,
      inner,
    )
    this.explainer = new Explainer(store, this.calls, this.repair, this)
    this.scanner = new Scanner(store, this.calls, this)
    const acceptorOptions = { ...settings, nodeId: identity.nodeId, limits: settings }
    this.acceptor = new Acceptor(this, acceptorOptions, transport)
  }

  /** Opens the data, listens, and begins to dial; does not wait for the cluster to form. */
  static async start(settings: NodeSettings): Promise<Node> {
    const ports = settings.ports ?? nodePorts()
    const { disk, random } = ports
    const { dataDirectory } = settings
    const founding = { ...settings, address: settings.advertise }
    const identity = await openIdentity(
      dataDirectory,
      {
        address: founding.address,
        members: founding.members,
        replicationFactor: founding.replicationFactor,
        partitionBits: founding.partitionBits,
      },
      { disk, random },
    )
    let node: Node | undefined
    let early: CassioError | undefined
    const onFatal = (error: CassioError): void => {
      if (node === undefined) early ??= error
      else node.onFatal(error)
    }
    const fences = new Fences(2 ** settings.partitionBits)
    const repairState = await RepairState.open(disk, `${dataDirectory}/repair`, fences)
    const store = await openNodeStore(settings, ports, repairState, onFatal)
    const time = new LoopTime(ports.clock)
    const counters = new Counters()
    const carrier = new HintCarrier(time, ports.buggify)
    let stamper: Stamper | undefined
    let hints: Hints | undefined
    try {
      await identity.commit()
      const { reserveAheadMs, maxClockAheadMs } = settings
      const stamperOptions = { tag: nodeTag(identity.nodeId), reserveAheadMs, maxClockAheadMs }
      const path = `${dataDirectory}/clock`
      stamper = await Stamper.open(path, stamperOptions, ports, onFatal)
      const { hintBytesMax, hintAgeMaxMs } = settings
      const hintSettings = { directory: `${dataDirectory}/hints`, hintBytesMax, hintAgeMaxMs }
      const kept = await openHints(hintSettings, ports, carrier, counters)
      hints = kept
      const own = { settings, identity, ports, time, counters }
      node = new Node({ ...own, store, stamper, repairState, carrier, hints: kept })
      // A store that has failed meanwhile will not serve any more.
      if (early !== undefined) throw early
      await node.open()
      return node
    } catch (error) {
      await hints?.close()
      await stamper?.abandon()
      await store.close()
      throw error
    }
  }

  /** Whether each of these members can be asked and is not suspected, as this node sees it. */
  sees(addresses: readonly string[]): boolean {
    const { view } = this.membership
    return (
      view?.map.members.every(
        (member, i) => !addresses.includes(member.address) || view.isLive(i),
      ) ?? false
    )
  }

  /** The timers that this node lives by. */
  get timers(): Timers {
    return this.ports.timers
  }

  get nodeId(): string {
    return this.identity.nodeId
  }

  /** Where others dial this node, HOST:PORT. */
  get address(): string {
    return this.settings.advertise
  }

  get epoch(): number {
    return this.membership.view?.map.epoch ?? 0
  }

  get maxValueBytes(): number {
    return this.settings.maxValueBytes
  }

  get connectionBytesMax(): number {
    return this.settings.connectionBytesMax
  }

  /**
   * Stops taking requests, answers those in flight with CASSIO_CLOSED, makes durable what was
   * accepted, and lets go of the port and the data. Idempotent.
   */
  close(): Promise<void> {
    this.closing ??= this.stop()
    return this.closing
  }

  nowMs(): number {
    return this.time.nowMs
  }

  wallMs(): number {
    return this.ports.clock.wallMs()
  }

  notFormed(): CassioError {
    const missing = this.membership.missing()
    const causes = missing.map((address) => {
      const lastError = this.membership.peerAt(address)?.lastError
      const message = lastError?.message ?? 'not heard from yet'
      return { node: address, code: lastError?.code ?? ('CASSIO_CONNECTION' as const), message }
    })
    const message = `the cluster has not formed yet; waiting for ${missing.join(', ') || 'agreement'}`
    return new CassioError('CASSIO_UNAVAILABLE', message, { causes })
  }

  welcome(hello: Hello): Welcome {
    if (this.failed || this.closing !== undefined) {
      throw new CassioError('CASSIO_CLOSED', 'the node is stopping')
    }
    if (hello.role === 'peer') this.membership.admit(hello)
    return {
      nodeId: this.nodeId,
      address: this.address,
      generation: this.identity.generation,
      clusterId: this.membership.view?.map.clusterId ?? '',
      epoch: this.epoch,
      monotonicMs: this.time.nowMs,
      hybridMs: this.stamper.hybridMs,
      wallMs: this.wallMs(),
      maxValueBytes: this.maxValueBytes,
      version: VERSION,
    }
  }

  adopt(link: Link, hello: Hello): LinkOwner {
    if (hello.role === 'peer') return new PeerSession(link, hello, this)
    const session = new ClientSession(link, this)
    this.clients.add(session)
    return session
  }

  onClientClosed(session: ClientSession): void {
    this.clients.delete(session)
  }

  onFormed(view: ClusterView): void {
    this.coordinator.setView(view)
    this.replica.view = view
    this.parts.carrier.view = view
    this.repair.start(view)
    this.parts.hints.wake()
    this.settleFormed.resolve(view.map)
  }

  onPeerMessage(peer: PeerLink, type: number, buffer: Buffer, from: number, to: number): void {
    const { member } = peer
    if (type === MessageType.WRITE_ACK) {
      if (this.parts.carrier.onWriteAck(buffer, from, to)) return
      this.coordinator.onWriteAck(member, buffer, from, to)
    } else if (type === MessageType.READ_ACK) this.coordinator.onReadAck(member, buffer, from, to)
    else if (type === MessageType.RESULT || type === MessageType.FAULT) {
      this.calls.onAnswer(peer, type, buffer.subarray(from, to))
    }
  }

  onPeerLost(peer: PeerLink): void {
    this.calls.onPeerLost(peer)
    if (peer.member < 0) return
    this.coordinator.onPeerLost(peer.member)
    if (peer.nodeId !== undefined) this.parts.hints.onPeerLost(peer.nodeId)
  }

  onPeerFound(peer: PeerLink, welcome: Welcome): void {
    if (Number.isFinite(welcome.wallMs)) {
      this.clockWatch.observe(peer.name, welcome.wallMs, this.wallMs())
    }
    this.parts.hints.wake()
  }

  onGossip(address: string, body: Buffer): void {
    this.gossipService.onMessage(address, body)
  }

  onFounding(address: string, body: Buffer): void {
    this.membership.onFounding(address, body)
  }

  /** Something is broken that must not be worked around: the node stops at once. */
  onFatal(error: CassioError): void {
    if (this.failed) return
    this.failed = true
    this.logger.error('the node stops', { code: error.code, reason: error.message })
    this.settleFormed.reject(error)
    void this.close().catch(() => {})
    this.settings.onFatal?.(error)
  }

  async onClientCall(method: string, params: unknown, deadlineMs: number): Promise<unknown> {
    if (method === 'status') return this.status()
    const { view } = this.membership
    if (view === undefined) throw this.notFormed()
    if (method === 'map') return encodeClusterMap(view.map)
    if (method === 'repair') return this.repair.command(params)
    if (method === 'scan') return this.scanner.page(view, params, deadlineMs)
    if (method === 'explain') {
      const timeoutMs = Math.min(EXPLAIN_TIMEOUT_MS, (deadlineMs - this.nowMs()) / 2)
      return this.explainer.explain(view, params, Math.max(1, timeoutMs))
    }
    throw new CassioError('CASSIO_INVALID', `there is no method ${JSON.stringify(method)}`)
  }

  async onPeerCall(method: string, params: unknown): Promise<unknown> {
    const { view } = this.membership
    const epoch = (params as Partial<VoteParams> | null)?.epoch
    if (view === undefined || epoch !== view.map.epoch) {
      throw new CassioError('CASSIO_STALE_MAP', `this node is at epoch ${this.epoch}`)
    }
    const repairing = this.repair.serve(view, method, params)
    if (repairing !== undefined) return repairing
    if (method === 'page') return readPage(this.store, readPageParams(params))
    if (method === 'vote') return this.explainer.vote(view, readKey(params))
    throw new CassioError('CASSIO_INVALID', `there is no method ${JSON.stringify(method)}`)
  }

  private status(): unknown {
    const { settings, identity, membership, gossip, coordinator, counters } = this
    return nodeStatus({
      settings,
      identity,
      membership,
      gossip,
      coordinator,
      counters,
      hints: this.parts.hints,
      repair: this.repair,
      load: () => this.load(),
      clients: this.clients.size,
      uptimeMs: this.time.nowMs - this.startedMs,
      nowMs: this.time.nowMs,
    })
  }

  private load(): NodeLoad {
    const { cells: keys, cellBytes, memoryBytes, logBytes } = this.store.stats()
    const { requests } = this.counters
    const hintBytes = this.parts.hints.bytes
    const { unverifiedMs } = this.repair
    return { keys, cellBytes, memoryBytes, logBytes, requests, hintBytes, unverifiedMs }
  }

  private async open(): Promise<void> {
    await this.acceptor.listen(parseAddress(this.settings.listen))
    const { advertise, members, sync } = this.settings
    this.logger.info('listening', { address: advertise, node: this.nodeId, members, sync })
    try {
      await this.membership.start()
    } catch (error) {
      this.membership.close()
      await this.acceptor.close()
      throw error
    }
    this.gossipService.start()
  }

  private async stop(): Promise<void> {
    this.logger.info('stopping', {})
    this.settleFormed.reject(new CassioError('CASSIO_CLOSED', 'the node was stopped'))
    this.gossipService.close()
    this.coordinator.close()
    this.calls.close()
    this.membership.close()
    await this.repair.close()
    await this.acceptor.close()
    await this.parts.hints.close()
    try {
      if (this.failed) await this.stamper.abandon()
      else await this.stamper.close()
    } finally {
      await this.store.close()
    }
    this.logger.info('stopped', {})
  }
}

function openNodeStore(
  settings: NodeSettings,
  ports: Ports,
  repairState: RepairState,
  onFatal: (error: CassioError) => void,
): Promise<CellStore> {
  const { dataDirectory, sync, syncIntervalMs, segmentBytes } = settings
  const { memoryBytesMax, memtableBytes, compression, diskReserveBytes } = settings
  const { inlineWriteBytesMax, readInPlace } = settings
  return openCellStore(
    {
      directory: dataDirectory,
      sync,
      syncIntervalMs,
      segmentBytes,
      memoryBytesMax,
      memtableBytes,
      inlineWriteBytesMax,
      readInPlace,
      compression,
      diskReserveBytes,
      partitions: 2 ** settings.partitionBits,
      partitionOf: (hash) => partitionOf(hash, settings.partitionBits),
      proof: { proofs: () => repairState.proofs() },
      onFatal,
    },
    ports,
  )
}
