import type { Draft } from './draft'
import { leastFor, mostFor } from './fair-share'
import { HOLE } from './placement-table-codec'

/**
 * Brings members nearer to their quotas by chains of moves: one that is over its
 * quota gives a partition to a second, which gives another one to a third, until
 * one with room is reached. A chain finds a way where racks, or the partitions
 * that both ends hold already, rule out a single move.
 *
 * To pass on a replica that this very change has placed moves no more data than
 * the change did anyway. Chains of such steps alone are used as long as they
 * help. Chains that move more data are for the members that are farther from
 * their fair share than they may be, and of these the cheapest is used.
 */
export function settle(draft: Draft, quotas: Uint32Array): void {
  const { loads, shares } = draft
  const isOver = (member: number) => loads[member]! > quotas[member]!
  const isUnder = (member: number) => loads[member]! < quotas[member]!
  const isFarOver = (member: number) => loads[member]! > mostFor(shares[member]!)
  const isFarUnder = (member: number) => loads[member]! < leastFor(shares[member]!)

  runChains(draft, isOver, isUnder, 0)
  runChains(draft, isFarOver, isUnder, Number.POSITIVE_INFINITY)
  runChains(draft, isOver, isFarUnder, Number.POSITIVE_INFINITY)
}

/** Runs one chain after another while there is one that costs no more than `costMax`. */
function runChains(
  draft: Draft,
  isSource: (member: number) => boolean,
  isTarget: (member: number) => boolean,
  costMax: number,
): void {
  const memberIndexes = draft.layout.members.map((_, member) => member)
  if (!memberIndexes.some(isSource)) return
  const holdings = holdingsOf(draft, costMax)
  // Each round brings room nearer to a source, so the bound is never met; it is
  // here so that no mistake can loop forever.
  for (let round = 0; round < draft.slots.length; round++) {
    const sources = memberIndexes.filter(isSource)
    sources.sort((a, b) => (draft.isFuller(a, b) ? -1 : 1))
    const chain = cheapestChain(draft, holdings, sources, isTarget, costMax)
    if (chain.length === 0) return
    // From the end, so that the table is whole after each step. A step may rule
    // out one before it when both touch one partition: then the search begins anew.
    for (let i = chain.length - 1; i >= 0; i--) {
      const { partition, from, to } = chain[i]!
      const slot = draft.slotOf(partition, from)
      if (!draft.mayReplace(partition, slot, to)) break
      draft.replace(partition, slot, to)
      holdings[to]!.push(partition)
    }
  }
}

interface Step {
  readonly partition: number
  readonly from: number
  readonly to: number
}

/**
 * The partitions of each member, as far as chains of that cost can pass them on.
 * A partition stays listed when the member gives it away.
 */
function holdingsOf(draft: Draft, costMax: number): number[][] {
  const holdings: number[][] = draft.layout.members.map(() => [])
  for (let at = 0; at < draft.slots.length; at++) {
    const member = draft.slots[at]!
    if (member === HOLE) continue
    const partition = Math.floor(at / draft.width)
    if (stepCost(draft, partition, member) <= costMax) holdings[member]!.push(partition)
  }
  return holdings
}

/** To take a partition from a member costs 1 if it moves more data, and else 0. */
function stepCost(draft: Draft, partition: number, from: number): number {
  return draft.heldBefore(partition, from) ? 1 : 0
}

/** Dijkstra's search over the members, for the cheapest chain from a source to a target. */
function cheapestChain(
  draft: Draft,
  holdings: readonly (readonly number[])[],
  sources: readonly number[],
  isTarget: (member: number) => boolean,
  costMax: number,
): Step[] {
  const memberCount = holdings.length
  const costs: number[] = new Array(memberCount).fill(Number.POSITIVE_INFINITY)
  const arrivals: (Step | undefined)[] = new Array(memberCount).fill(undefined)
  const expanded = new Set<number>()
  let frontier = [...sources]
  for (const source of sources) costs[source] = 0

  for (let distance = 0; frontier.length > 0 && distance <= costMax; distance++) {
    const farther: number[] = []
    // The frontier grows while it is walked: steps of no cost stay within it.
    for (const from of frontier) {
      if (expanded.has(from) || costs[from] !== distance) continue
      expanded.add(from)
      if (isTarget(from)) return chainTo(from, arrivals)
      for (const partition of holdings[from]!) {
        const slot = draft.slotOf(partition, from)
        const cost = distance + stepCost(draft, partition, from)
        if (slot === -1 || cost > costMax) continue
        for (let to = 0; to < memberCount; to++) {
          if (costs[to]! <= cost || !draft.mayReplace(partition, slot, to)) continue
          costs[to] = cost
          arrivals[to] = { partition, from, to }
          // Nothing can be cheaper than a target at this very distance.
          if (cost === distance && isTarget(to)) return chainTo(to, arrivals)
          if (cost === distance) frontier.push(to)
          else farther.push(to)
        }
      }
    }
    frontier = farther
  }
  return []
}

function chainTo(target: number, arrivals: readonly (Step | undefined)[]): Step[] {
  const chain: Step[] = []
  for (let step = arrivals[target]; step !== undefined; step = arrivals[step.from]) {
    chain.unshift(step)
  }
  return chain
}
