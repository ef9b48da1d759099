import { PlacementTable } from '@cassiopeia/placement'
import { CassioError, type ClusterMap } from '@cassiopeia/protocol'
import type { PeerLink } from '../transport/peer-link'

/** A cluster map as one node uses it: members by index, with the link to each. Fixed once made. */
export class ClusterView {
  readonly table: PlacementTable
  readonly ownIndex: number
  /** By member index; undefined at `ownIndex`. */
  readonly peers: readonly (PeerLink | undefined)[]
  /** By member index: the failure detector's latest verdict. */
  readonly suspected: boolean[]

  /** @throws CassioError CASSIO_IDENTITY when the map does not know this node. */
  constructor(
    readonly map: ClusterMap,
    nodeId: string,
    links: ReadonlyMap<string, PeerLink>,
  ) {
    this.table = PlacementTable.fromBytes(map.placement)
    this.ownIndex = map.members.findIndex((member) => member.id === nodeId)
    if (this.ownIndex < 0) {
      throw new CassioError('CASSIO_IDENTITY', 'the cluster map does not know this node')
    }
    const sameOrder = map.members.every((member, i) => member.id === this.table.memberIds[i])
    if (!sameOrder || this.table.memberIds.length !== map.members.length) {
      throw new CassioError('CASSIO_CORRUPT', 'the cluster map and its placement table disagree')
    }
    this.peers = map.members.map((member) => links.get(member.address))
    const stranger = map.members.find((_, i) => i !== this.ownIndex && this.peers[i] === undefined)
    if (stranger !== undefined) {
      const message = `the cluster map has a member at ${stranger.address}, the member list has none`
      throw new CassioError('CASSIO_FOUNDING_MISMATCH', message)
    }
    this.peers.forEach((peer, member) => {
      if (peer !== undefined) peer.member = member
    })
    this.suspected = map.members.map(() => false)
  }

  /** Whether it is worth sending a member something: connected, and not suspected. */
  isLive(member: number): boolean {
    if (member === this.ownIndex) return true
    return this.peers[member]!.open && !this.suspected[member]!
  }

  addressOf(member: number): string {
    return this.map.members[member]!.address
  }
}
