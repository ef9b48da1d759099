import type { MemberStatus, NodeLoad, NodeStatus } from '@cassiopeia/protocol'
import type { Coordinator } from './coordinator/coordinator'
import type { GossipCore } from './gossip/gossip-core'
import type { Hints } from './hints/hints'
import type { Counters } from './metrics'
import type { NodeSettings } from './options'
import type { RepairService } from './repair/repair-service'
import type { Identity } from './topology/identity'
import type { Membership } from './topology/membership'
import { VERSION } from './version'

/** What a node tells of itself and of what it believes of the others. */
export interface StatusSources {
  readonly settings: NodeSettings
  readonly identity: Identity
  readonly membership: Membership
  readonly gossip: GossipCore
  readonly coordinator: Coordinator
  readonly counters: Counters
  readonly hints: Pick<Hints, 'status'>
  readonly repair: Pick<RepairService, 'status'>
  readonly load: () => NodeLoad
  readonly clients: number
  readonly uptimeMs: number
  readonly nowMs: number
}

export function nodeStatus(sources: StatusSources): NodeStatus {
  const { settings, identity, membership, coordinator, counters } = sources
  const map = membership.view?.map
  return {
    nodeId: identity.nodeId,
    address: settings.advertise,
    version: VERSION,
    uptimeMs: Math.round(sources.uptimeMs),
    clusterId: map?.clusterId ?? '',
    epoch: map?.epoch ?? 0,
    replicationFactor: settings.replicationFactor,
    partitionBits: settings.partitionBits,
    missing: membership.missing(),
    members: memberStatuses(sources),
    clients: sources.clients,
    operationsInFlight: coordinator.size,
    counters: counters.snapshot(),
    hints: sources.hints.status(),
    repair: sources.repair.status(),
  }
}

function memberStatuses(sources: StatusSources): MemberStatus[] {
  const { view } = sources.membership
  if (view === undefined) return []
  const { gossip, identity, nowMs } = sources
  return view.map.members.map((member, i) => {
    const isSelf = member.id === identity.nodeId
    const heard = gossip.stateOf(member.id)
    const peer = view.peers[i]
    const isAlive = isSelf || view.isLive(i)
    return {
      id: member.id,
      address: member.address,
      rack: member.rack,
      datacenter: member.datacenter,
      state: isAlive ? 'alive' : heard === undefined ? 'unknown' : 'suspected',
      phi: Math.round(gossip.phi(member.id, nowMs) * 100) / 100,
      connected: isSelf || peer!.open,
      latencyMs: Math.round((peer?.latencyMs ?? 0) * 1000) / 1000,
      generation: heard?.generation ?? 0,
      heartbeat: heard?.version ?? 0,
      partitions: view.table.partitionsOf(i),
      load: isSelf ? sources.load() : (heard?.load ?? null),
    }
  })
}
