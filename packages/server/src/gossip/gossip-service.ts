import type { Clock, Ports, Random, Timer, Timers } from '@cassiopeia/env'
import { MessageType, type NodeLoad, unpack } from '@cassiopeia/protocol'
import type { Membership } from '../topology/membership'
import type { LoopTime } from '../transport/loop-time'
import type { PeerLink } from '../transport/peer-link'
import type { ClockWatch } from './clock-watch'
import type { GossipCore, GossipMessage } from './gossip-core'

/** Peers that each heartbeat is told to. */
const FANOUT = 3

export interface GossipServicePorts {
  readonly buggify: Ports['buggify']
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly time: LoopTime
}

/** Beats, spreads what the core says, and keeps the failure detector's verdicts in the cluster view. */
export class GossipService {
  private timer: Timer | undefined

  constructor(
    private readonly core: GossipCore,
    private readonly clockWatch: ClockWatch,
    private readonly membership: Membership,
    private readonly load: () => NodeLoad,
    private readonly intervalMs: number,
    private readonly ports: GossipServicePorts,
  ) {}

  start(): void {
    this.timer = this.ports.timers.after(this.intervalMs, () => {
      this.ports.time.refresh()
      this.beat()
      this.start()
    })
  }

  close(): void {
    this.timer?.cancel()
  }

  /** GOSSIP from the node at `address`; the answer goes out on this node's own link to it. */
  onMessage(address: string, body: Buffer): void {
    const message = unpack(body)
    const peerWallMs = (message as { wallMs?: unknown } | null)?.wallMs
    if (typeof peerWallMs === 'number' && Number.isFinite(peerWallMs)) {
      this.clockWatch.observe(address, peerWallMs, this.ports.clock.wallMs())
    }
    const answer = this.core.onMessage(message, this.ports.time.nowMs)
    const peer = this.membership.peerAt(address)
    if (answer !== undefined && peer?.open === true) send(peer, answer)
  }

  private beat(): void {
    const message = { ...this.core.beat(this.load()), wallMs: this.ports.clock.wallMs() }
    for (const peer of this.choosePeers()) send(peer, message)
    this.membership.remind()
    this.updateVerdicts()
  }

  private updateVerdicts(): void {
    const { view } = this.membership
    view?.map.members.forEach((member, i) => {
      this.core.expect(member.id, this.ports.time.nowMs)
      view.suspected[i] =
        this.core.suspects(member.id, this.ports.time.nowMs) ||
        this.ports.buggify?.('gossip.suspect') === true
    })
  }

  private choosePeers(): PeerLink[] {
    const open = this.membership.peers.filter((peer) => peer.open)
    while (open.length > FANOUT) open.splice(Math.floor(this.ports.random.unit() * open.length), 1)
    return open
  }
}

function send(peer: PeerLink, message: GossipMessage): void {
  peer.link!.sendPacked(MessageType.GOSSIP, message)
}
