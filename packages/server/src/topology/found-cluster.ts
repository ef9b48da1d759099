import { nextPlacement } from '@cassiopeia/placement'
import {
  CassioError,
  type ClusterMap,
  type ClusterMember,
  nodeTag,
  sha256Hex,
} from '@cassiopeia/protocol'
import { decodeFounder, type FoundingView } from './founding-core'

/**
 * The first cluster map, computed alike by every founder from what they agreed on: its id is a hash
 * of that, so a cluster founded otherwise has another id.
 *
 * @throws CassioError CASSIO_IDENTITY when two founders share a node id or the part of it that
 * breaks ties between stamps.
 */
export function foundCluster(
  view: FoundingView,
  options: { replicationFactor: number; partitionBits: number },
): ClusterMap {
  const members: ClusterMember[] = Object.entries(view).map(([address, text]) => ({
    ...decodeFounder(text),
    address,
    state: 'normal',
  }))
  members.sort((a, b) => (a.id < b.id ? -1 : 1))
  refuseTwins(members)
  const { replicationFactor, partitionBits } = options
  const table = nextPlacement(undefined, members, options)
  return {
    clusterId: clusterIdOf(members, replicationFactor, partitionBits),
    epoch: 1,
    members,
    replicationFactor,
    partitionBits,
    placement: Buffer.from(table.toBytes()),
  }
}

function refuseTwins(members: readonly ClusterMember[]): void {
  const addresses = new Map<string, string>()
  for (const { id, address } of members) {
    const tag = nodeTag(id).toString('hex')
    const twin = addresses.get(tag)
    if (twin !== undefined) {
      throw new CassioError(
        'CASSIO_IDENTITY',
        `${twin} and ${address} have the same node id; is one data directory a copy of the other?`,
      )
    }
    addresses.set(tag, address)
  }
}

function clusterIdOf(members: readonly ClusterMember[], rf: number, bits: number): string {
  const facts = [rf, bits, ...members.map((member) => [member.id, member.address, member.weight])]
  return sha256Hex(JSON.stringify(facts)).slice(0, 32)
}
