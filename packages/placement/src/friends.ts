import { peerVector } from './vector'

/**
 * The total order of peers: by their vectors, lane by lane, then by id. Every
 * node that knows the same ids knows the same order.
 *
 * @returns Negative when `aId` comes first, 0 only for equal ids.
 */
export function comparePeers(aId: string, bId: string): number {
  return compare({ id: aId, vector: peerVector(aId) }, { id: bId, vector: peerVector(bId) })
}

/**
 * The next `count` peers after `selfId` in the order of peers, which closes to
 * a ring: after the last comes the first. Fan-outs use it to agree on who calls
 * whom without a word.
 *
 * @param peerIds In any order; `selfId` and repeated ids among them do not count.
 * @returns Fewer than `count` when there are fewer peers.
 */
export function nextFriends(selfId: string, peerIds: readonly string[], count: number): string[] {
  const others = new Set(peerIds)
  others.delete(selfId)
  const ring = [...others].map((id) => ({ id, vector: peerVector(id) })).sort(compare)
  const self = { id: selfId, vector: peerVector(selfId) }
  const after = ring.findIndex((peer) => compare(peer, self) > 0)
  const first = after === -1 ? 0 : after
  return [...ring.slice(first), ...ring.slice(0, first)].slice(0, count).map((peer) => peer.id)
}

interface Peer {
  readonly id: string
  readonly vector: Float64Array
}

function compare(a: Peer, b: Peer): number {
  for (let lane = 0; lane < a.vector.length; lane++) {
    if (a.vector[lane]! !== b.vector[lane]!) return a.vector[lane]! - b.vector[lane]!
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
