/**
 * Which node gets a request. Pure: the nodes say how busy they are, the request says whom it would
 * rather not meet, and the rule is the same for all of them.
 */

/** A node as routing sees it. */
export interface Routable {
  readonly isReady: boolean
  /** Requests sent or about to be sent, and not yet answered. */
  readonly inFlight: number
  /** Whether it has shown life lately, as far as it had reason to. */
  isResponsive(nowMs: number): boolean
  /** Whether its send buffer has room for one more message of this size. */
  hasRoomFor(bytes: number): boolean
}

/** How much a request would rather not go to a node. */
export const Reluctance = Object.freeze({ none: 0, some: 1, never: 2 })
export type Reluctance = (typeof Reluctance)[keyof typeof Reluctance]

export interface RoutableRequest<T> {
  readonly bytes: number
  /** `some` for the node that failed it last, `never` for one that is at it or has refused it. */
  reluctance(node: T): Reluctance
}

/**
 * The best of the replicas, or of all nodes when no replica is at its best: responsive before
 * silent, fresh before one that failed this request, then the fewest requests in flight. Every node
 * can coordinate; a replica saves a hop.
 *
 * @param turn Any rising number: nodes that are equally good take turns by it.
 * @returns undefined when no node is ready, has room and may be asked.
 */
export function chooseNode<T extends Routable>(
  replicas: readonly T[],
  everyone: readonly T[],
  request: RoutableRequest<T>,
  turn: number,
  nowMs: number,
): T | undefined {
  const replica = bestOf(replicas, request, turn, nowMs)
  if (replica !== undefined && rank(replica, request, nowMs) === 0) return replica
  const other = bestOf(everyone, request, turn, nowMs)
  if (replica === undefined || other === undefined) return replica ?? other
  return rank(other, request, nowMs) < rank(replica, request, nowMs) ? other : replica
}

function bestOf<T extends Routable>(
  nodes: readonly T[],
  request: RoutableRequest<T>,
  turn: number,
  nowMs: number,
): T | undefined {
  const count = nodes.length
  let best: T | undefined
  let bestRank = Number.POSITIVE_INFINITY
  for (let i = 0; i < count; i += 1) {
    const node = nodes[(turn + i) % count]!
    if (!node.isReady || !node.hasRoomFor(request.bytes)) continue
    const nodeRank = rank(node, request, nowMs)
    if (nodeRank > bestRank || nodeRank === Number.POSITIVE_INFINITY) continue
    if (nodeRank === bestRank && node.inFlight >= best!.inFlight) continue
    best = node
    bestRank = nodeRank
  }
  return best
}

/** 0 is best; infinite: must not be asked. */
function rank<T extends Routable>(node: T, request: RoutableRequest<T>, nowMs: number): number {
  const reluctance = request.reluctance(node)
  if (reluctance === Reluctance.never) return Number.POSITIVE_INFINITY
  return reluctance + (node.isResponsive(nowMs) ? 0 : 2)
}
