import {
  balance,
  minimumMovement,
  movement,
  nextPlacement,
  nodeVectors,
  type PlacementMember,
  type PlacementTable,
  partitionVector,
  previewMembership,
  similarity,
} from '../src'
import {
  joins,
  joinsAndLeaves,
  membersOf,
  nodeIds,
  OPTIONS,
  rackShapes,
  SeededRandom,
  shuffled,
} from './support'

function found(members: PlacementMember[], replicationFactor = 3): PlacementTable {
  return nextPlacement(undefined, members, { ...OPTIONS, replicationFactor })
}

test.each([1, 2, 3])('placement: at most RF members: everybody holds everything (%i of 3)', (n) => {
  const table = found(membersOf(nodeIds(n)))
  const all = Array.from({ length: table.partitionCount }, (_, p) => table.replicaIds(p))
  expect(new Set(all.map((ids) => ids.sort().join()))).toEqual(new Set([table.memberIds.join()]))
  for (let slot = 0; slot < 3; slot++) expect(table.replica(77, slot) >= 0).toBe(slot < n)
})

test('placement: members rise from one to four: holes are filled, and nothing else moves', () => {
  const all = membersOf(nodeIds(4))
  let table = found(all.slice(0, 1))
  for (const [count, moved] of [
    [2, 4096],
    [3, 4096],
    [4, 3072],
  ] as const) {
    const next = nextPlacement(table, all.slice(0, count), OPTIONS)
    expect(movement(table, next)).toBe(moved)
    table = next
  }
})

test('placement: members fall below RF: the rest hold everything', () => {
  const all = membersOf(nodeIds(5))
  const before = found(all)
  const after = nextPlacement(before, all.slice(0, 2), OPTIONS)
  expect(after.partitionsOf(0)).toBe(4096)
  expect(movement(before, after)).toBe(minimumMovement(before, all.slice(0, 2), OPTIONS))
})

test('placement: founding three nodes: takes a few milliseconds (below 50)', () => {
  const started = performance.now()
  found(membersOf(nodeIds(3)))
  expect(performance.now() - started).toBeLessThan(50)
})

test('placement: members in another order: the same table (seed 1)', () => {
  const random = new SeededRandom(1)
  const members = membersOf(nodeIds(20), (i) => `rack-${i % 4}`).map((member) => {
    return { ...member, weight: 1 + random.below(3) }
  })
  const before = found(shuffled(random, members.slice(0, 19)))
  expect(before.equals(found(members.slice(0, 19)))).toBe(true)
  const after = nextPlacement(before, members.slice(1), OPTIONS)
  for (let i = 0; i < 3; i++) {
    const again = nextPlacement(before, shuffled(random, members.slice(1)), OPTIONS)
    expect(again.equals(after)).toBe(true)
  }
})

test('placement: the same members again: the same table (30 changes, 5 racks, seed 2)', () => {
  const all = membersOf(nodeIds(50), (i) => `rack-${i % 5}`)
  const bounds = { start: 8, least: 3, most: 14, count: 30 }
  let table: PlacementTable | undefined
  for (const members of joinsAndLeaves(new SeededRandom(2), all, bounds)) {
    table = nextPlacement(table, members, OPTIONS)
    expect(nextPlacement(table, members, OPTIONS).equals(table)).toBe(true)
  }
})

test('placement: a node joins: it takes partitions more similar to it than it leaves', () => {
  const all = membersOf(nodeIds(10))
  const table = nextPlacement(found(all.slice(0, 9)), all, OPTIONS)
  const joined = table.memberIds.indexOf(all[9]!.id)
  const vectors = nodeVectors(all[9]!.id, 1)
  const sums = { held: 0, other: 0 }
  for (let partition = 0; partition < table.partitionCount; partition++) {
    const held = table.holds(partition, joined)
    sums[held ? 'held' : 'other'] += similarity(vectors, partitionVector(partition, 12))
  }
  const held = table.partitionsOf(joined)
  expect(sums.held / held).toBeGreaterThan(sums.other / (table.partitionCount - held) + 0.1)
})

test.each([
  [3, ['1+1+1']],
  [4, ['1+1+1']],
  [5, ['1+1+1']],
])(
  'placement: %i racks, random joins and leaves: racks share no partition (seed 3)',
  (racks, shapes) => {
    const all = membersOf(nodeIds(90), (i) => `rack-${i % racks}`)
    // The first members of each rack never leave, so there are always racks enough.
    const fixed = all.slice(0, racks)
    const bounds = { start: 10, least: 1, most: 25, count: 30 }
    const changes = joinsAndLeaves(new SeededRandom(3), all.slice(racks), bounds)
    const withFixed = changes.map((members) => [...fixed, ...members])
    let worst = 0
    for (const preview of previewMembership(undefined, withFixed, OPTIONS)) {
      expect(rackShapes(preview.table, all)).toEqual(shapes)
      worst = Math.max(worst, preview.fullest)
    }
    expect(worst).toBeLessThanOrEqual(1.03)
  },
)

test('placement: racks come and go: replicas spread as evenly as they can', () => {
  const ids = nodeIds(12)
  const inRacks = (racks: number) => membersOf(ids, (i) => `rack-${i % racks}`)
  let table = found(inRacks(1))
  for (const [racks, shapes] of [
    [2, ['2+1']],
    [3, ['1+1+1']],
    [1, ['3']],
    [4, ['1+1+1']],
    [2, ['2+1']],
  ] as const) {
    const members = inRacks(racks)
    const next = nextPlacement(table, members, OPTIONS)
    expect(rackShapes(next, members)).toEqual(shapes)
    expect(balance(next, members).fullest).toBeLessThanOrEqual(1.03)
    table = next
  }
})

test.each<[number, number[], string[]]>([
  [4, [6, 6, 6], ['2+1+1']],
  [5, [6, 6, 6], ['2+2+1']],
  [5, [1, 6, 6], ['2+2+1']],
  [5, [1, 1, 6], ['3+1+1']],
  [3, [1, 6], ['2+1']],
])(
  'placement: RF %i, racks of %j members: fewer racks than replicas, even',
  (factor, sizes, shapes) => {
    const racks = sizes.flatMap((size, rack) => new Array<string>(size).fill(`rack-${rack}`))
    const members = membersOf(nodeIds(racks.length), (i) => racks[i]!)
    const options = { ...OPTIONS, replicationFactor: factor }
    const founded = found(members, factor)
    const before = found(members.slice(0, -1), factor)
    for (const table of [founded, nextPlacement(before, members, options)]) {
      expect(rackShapes(table, members)).toEqual(shapes)
      expect(balance(table, members).fullest).toBeLessThanOrEqual(1.03)
    }
  },
)

test('placement: random weights: each node near its share (20 joins and leaves, seed 4)', () => {
  const random = new SeededRandom(4)
  const all = membersOf(nodeIds(60)).map((m) => ({ ...m, weight: 1 + random.below(8) }))
  const bounds = { start: 12, least: 5, most: 20, count: 20 }
  const changes = joinsAndLeaves(random, all, bounds)
  for (const { fullest, emptiest, moved, movedMinimum } of previewMembership(
    undefined,
    changes,
    OPTIONS,
  )) {
    expect(fullest).toBeLessThanOrEqual(1.03)
    expect(emptiest).toBeGreaterThanOrEqual(0.97)
    // Not every bound can be reached where a heavy node must hold each partition.
    expect(moved).toBeLessThanOrEqual(1.02 * movedMinimum)
  }
})

test('placement: a weight doubles: that node alone gains', () => {
  const members = membersOf(nodeIds(10))
  const heavier = members.map((member, i) => (i === 3 ? { ...member, weight: 2 } : member))
  const before = found(members)
  const after = nextPlacement(before, heavier, OPTIONS)
  const index = after.memberIds.indexOf(members[3]!.id)
  expect(movement(before, after)).toBe(after.partitionsOf(index) - before.partitionsOf(index))
  expect(balance(after, heavier).fullest).toBeLessThanOrEqual(1.03)
})

test('placement: replication factor rises and falls: only the difference moves', () => {
  const members = membersOf(nodeIds(9), (i) => `rack-${i % 5}`)
  const three = found(members)
  const five = nextPlacement(three, members, { ...OPTIONS, replicationFactor: 5 })
  expect(rackShapes(five, members)).toEqual(['1+1+1+1+1'])
  const fewer = nextPlacement(five, members, OPTIONS)
  expect(rackShapes(fewer, members)).toEqual(['1+1+1'])
  expect(balance(fewer, members).fullest).toBeLessThanOrEqual(1.03)
})

test('placement: several join and leave at once: balanced, and little moves', () => {
  const all = membersOf(nodeIds(30))
  const before = found(all.slice(0, 20))
  const members = all.slice(5)
  const after = nextPlacement(before, members, OPTIONS)
  expect(balance(after, members).fullest).toBeLessThanOrEqual(1.03)
  const least = minimumMovement(before, members, OPTIONS)
  expect(movement(before, after)).toBeLessThanOrEqual(1.01 * least)
})

test.each<[string, PlacementMember[], Partial<typeof OPTIONS>, RegExp]>([
  ['no members', [], {}, /1 to 65534 members, got 0/],
  ['a member twice', membersOf(['a', 'a']), {}, /'a' is listed twice/],
  ['weight 0', [{ id: 'a', weight: 0, rack: '' }], {}, /weight of 'a'/],
  ['weight 65', [{ id: 'a', weight: 65, rack: '' }], {}, /weight of 'a'/],
  ['an empty id', membersOf(['']), {}, /printable/],
  ['RF 0', membersOf(['a']), { replicationFactor: 0 }, /replicationFactor/],
  ['partition bits 21', membersOf(['a']), { partitionBits: 21 }, /partitionBits/],
])('placement: %s: refused', (_, members, options, reason) => {
  expect(() => nextPlacement(undefined, members, { ...OPTIONS, ...options })).toThrow(reason)
  expect(() => nextPlacement(undefined, members, { ...OPTIONS, ...options })).toThrow(RangeError)
})

test('placement: partition bits other than the table has: refused', () => {
  const members = membersOf(nodeIds(3))
  expect(() => nextPlacement(found(members), members, { ...OPTIONS, partitionBits: 13 })).toThrow(
    RangeError,
  )
})

test('placement: one join at a time to 20 nodes at 2^16 partitions: balanced', () => {
  const options = { ...OPTIONS, partitionBits: 16 }
  const changes = joins(membersOf(nodeIds(20)), 18, 20)
  for (const preview of previewMembership(undefined, changes, options)) {
    expect(preview.fullest).toBeLessThan(1.001)
    expect(preview.moved).toBeLessThanOrEqual(1.01 * preview.movedMinimum)
  }
})

test('placement: racks of unequal size, random joins and leaves: rules hold (seeds 5, 6)', () => {
  for (const seed of [5, 6]) {
    const random = new SeededRandom(seed)
    const fixed = membersOf(nodeIds(5, seed), (i) => `rack-${i}`)
    const all = membersOf(nodeIds(60, seed + 100), () => `rack-${random.below(5)}`)
    const bounds = { start: 3, least: 1, most: 12, count: 30 }
    const changes = joinsAndLeaves(random, all, bounds).map((members) => [...fixed, ...members])
    for (const preview of previewMembership(undefined, changes, OPTIONS)) {
      expect(rackShapes(preview.table, [...fixed, ...all])).toEqual(['1+1+1'])
      expect(preview.fullest).toBeLessThanOrEqual(1.03)
      expect(preview.emptiest).toBeGreaterThanOrEqual(0.97)
    }
  }
})
