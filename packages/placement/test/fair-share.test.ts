import { fairShares, type PlacementMember } from '../src'
import { membersOf, nodeIds, OPTIONS, SeededRandom, shuffled } from './support'

const PARTITIONS = 2 ** OPTIONS.partitionBits

function sharesFor(weights: number[], racks: string[] = weights.map((_, i) => `${i}`)): number[] {
  const ids = nodeIds(weights.length)
  const members = ids.map((id, i) => ({ id, weight: weights[i]!, rack: racks[i]! }))
  return fairShares(members, OPTIONS)
}

test.each<[string, number[], string[] | undefined, number[]]>([
  ['equal weights: equal shares', [1, 1, 1, 1, 1, 1], undefined, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]],
  ['weights: in proportion', [2, 1, 1, 1, 1], undefined, [1, 0.5, 0.5, 0.5, 0.5]],
  ['a very heavy member: holds all once, the rest divide', [9, 1, 1], undefined, [1, 1, 1]],
  ['the same of four', [9, 1, 1, 2], undefined, [1, 0.5, 0.5, 1]],
  ['fewer members than replicas: everything', [1, 4], undefined, [1, 1]],
  ['three uneven racks: a rack holds all', [1, 1, 1, 1], ['a', 'a', 'b', 'c'], [0.5, 0.5, 1, 1]],
  ['two racks, one member alone', [1, 1, 1, 1], ['a', 'b', 'b', 'b'], [1, 2 / 3, 2 / 3, 2 / 3]],
  ['one rack: as none', [1, 1, 1, 1], ['a', 'a', 'a', 'a'], [0.75, 0.75, 0.75, 0.75]],
])('fair share: %s', (_, weights, racks, expected) => {
  sharesFor(weights, racks).forEach((share, i) => {
    expect(share).toBeCloseTo(expected[i]! * PARTITIONS, 6)
  })
})

test('fair share: random weights and racks: add up to all replicas (200 clusters, seed 1)', () => {
  const random = new SeededRandom(1)
  for (let i = 0; i < 200; i++) {
    const count = 1 + random.below(40)
    const racks = 1 + random.below(6)
    const members: PlacementMember[] = membersOf(nodeIds(count, i), () => `${random.below(racks)}`)
    const weighted = members.map((member) => ({ ...member, weight: 1 + random.below(64) }))
    const options = { partitionBits: 12, replicationFactor: 1 + random.below(5) }
    const shares = fairShares(weighted, options)
    const total = PARTITIONS * Math.min(count, options.replicationFactor)
    expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(total, 4)
    expect(Math.max(...shares)).toBeLessThanOrEqual(PARTITIONS)
    const byId = new Map(weighted.map(({ id }, j) => [id, shares[j]]))
    const reordered = shuffled(random, weighted)
    expect(fairShares(reordered, options)).toEqual(reordered.map(({ id }) => byId.get(id)))
  }
})
