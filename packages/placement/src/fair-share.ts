import type { PlacementMember, PlacementOptions } from './member'
import { type Layout, layoutOf, sum } from './rack-rule'

/**
 * How far a member may be from its fair share before data is moved for no other
 * reason, as a fraction of that share.
 */
export const BALANCE_SLACK = 0.03

/** Shares this near to a whole number of partitions are that number: it is rounding. */
const ROUNDING = 1e-6

/**
 * The fair share of each member, in partitions, in the order of `members`.
 *
 * Shares are proportional to weights as far as any placement can be: a member
 * holds a partition once at most, and a rack holds what the rule of racks lets
 * and makes it hold. Members or racks that reach such a bound stay at it; the
 * rest divide the remainder by weight. So with three racks of unequal capacity
 * and three replicas each rack holds every partition, and the members of the
 * smallest rack have the largest shares.
 *
 * @throws RangeError for options out of range, bad or repeated members, or none.
 */
export function fairShares(
  members: readonly PlacementMember[],
  options: PlacementOptions,
): number[] {
  const layout = layoutOf(members, options)
  const shares = sharesOf(layout)
  const byId = new Map(layout.members.map(({ id }, i) => [id, shares[i]!]))
  return members.map(({ id }) => byId.get(id)!)
}

/** As {@link fairShares}, in the order of the layout. */
export function sharesOf(layout: Layout): number[] {
  const { members, partitionCount, racks, rackLeast, rackMost } = layout
  const memberShare = (member: number, level: number) =>
    Math.min(partitionCount, level * members[member]!.weight)
  const rackShare = (rack: number, level: number) => {
    const unbound = sum(racks[rack]!.map((member) => memberShare(member, level)))
    const least = rackLeast[rack]! * partitionCount
    return Math.min(Math.max(unbound, least), rackMost[rack]! * partitionCount)
  }

  // One level (partitions a unit of weight) for the racks that are not at a
  // bound, then one within each rack.
  const total = partitionCount * layout.replicas
  const level = levelAt(total, partitionCount, (at) => sum(racks.map((_, i) => rackShare(i, at))))
  const shares: number[] = new Array(members.length).fill(0)
  racks.forEach((rack, i) => {
    const share = rackShare(i, level)
    const within = levelAt(share, partitionCount, (at) =>
      sum(rack.map((member) => memberShare(member, at))),
    )
    for (const member of rack) shares[member] = wholeIfNear(memberShare(member, within))
  })
  return shares
}

/** The most partitions that a member may hold: 1.03 times its share, or its share rounded up. */
export function mostFor(share: number): number {
  return Math.max(Math.ceil(share), Math.floor(share * (1 + BALANCE_SLACK)))
}

/** The fewest that a member may hold: 0.97 times its share, or its share rounded down. */
export function leastFor(share: number): number {
  return Math.min(Math.floor(share), Math.ceil(share * (1 - BALANCE_SLACK)))
}

/**
 * The whole number of partitions that each member is to hold: its fair share
 * rounded up or down, so that all of them together make up the table. What is
 * left after rounding down goes first to those that hold more than that already
 * (so nothing moves for the sake of rounding), then to the largest fractions.
 *
 * @param held How many partitions each member holds before the change.
 */
export function quotasOf(
  layout: Layout,
  shares: readonly number[],
  held: ArrayLike<number>,
): Uint32Array {
  const { racks, partitionCount, replicas } = layout
  // First whole numbers for the racks, then within each, so that none leaves its bounds.
  const rackQuotas = roundTo(
    partitionCount * replicas,
    racks.map((rack) => wholeIfNear(sum(rack.map((member) => shares[member]!)))),
    racks.map((rack) => sum(rack.map((member) => held[member]!))),
  )
  const quotas = new Uint32Array(shares.length)
  racks.forEach((rack, i) => {
    const rounded = roundTo(
      rackQuotas[i]!,
      rack.map((member) => shares[member]!),
      rack.map((member) => held[member]!),
    )
    rack.forEach((member, j) => {
      quotas[member] = rounded[j]!
    })
  })
  return quotas
}

/** The smallest level at which `sumAt`, which never falls, reaches `total`; by bisection. */
function levelAt(total: number, most: number, sumAt: (level: number) => number): number {
  let below = 0
  let reaches = most
  for (;;) {
    const middle = (below + reaches) / 2
    if (middle <= below || middle >= reaches) return reaches
    if (sumAt(middle) < total) below = middle
    else reaches = middle
  }
}

function wholeIfNear(share: number): number {
  const whole = Math.floor(share + 0.5)
  return Math.abs(share - whole) < ROUNDING ? whole : share
}

/** Rounds shares up or down to whole numbers that add up to `total`, which is near their sum. */
function roundTo(total: number, shares: readonly number[], held: readonly number[]): number[] {
  const rounded = shares.map((share) => Math.floor(share))
  const fraction = (i: number) => shares[i]! - rounded[i]!
  const holdsMore = (i: number) => (held[i]! > rounded[i]! ? 1 : 0)
  const order = shares
    .map((_, i) => i)
    .sort(
      (a, b) =>
        (fraction(b) > 0 ? 1 : 0) - (fraction(a) > 0 ? 1 : 0) ||
        holdsMore(b) - holdsMore(a) ||
        fraction(b) - fraction(a) ||
        a - b,
    )
  const left = total - sum(rounded)
  for (let i = 0; i < left; i++) rounded[order[i]!]! += 1
  return rounded
}
