import {
  balance,
  type MembershipPreview,
  minimumMovement,
  movement,
  nextPlacement,
  PlacementTable,
  previewMembership,
} from '../src'
import { joins, joinsAndLeaves, membersOf, nodeIds, OPTIONS, SeededRandom } from './support'

const FULLEST_MAX = 1.03
const MOVED_MAX = 1.01

/** Checks each change against the bounds, and prints the worst of them and some samples. */
function checkAndPrint(title: string, previews: MembershipPreview[], samples: number[]): void {
  const line = (name: string, fullest: number, emptiest: number, ratio: number) =>
    `${name.padEnd(14)}${fullest.toFixed(4)}  ${emptiest.toFixed(4)}  ${ratio.toFixed(4)}`
  const lines = [title, `${'nodes'.padEnd(14)}fullest emptiest moved/minimum`]
  for (const { memberCount, fullest, emptiest, moved, movedMinimum } of previews) {
    expect(fullest).toBeLessThanOrEqual(FULLEST_MAX)
    expect(moved).toBeLessThanOrEqual(MOVED_MAX * movedMinimum)
    if (samples.includes(memberCount)) {
      lines.push(line(`${memberCount}`, fullest, emptiest, moved / movedMinimum))
    }
  }
  const worst = line(
    'worst change',
    Math.max(...previews.map((p) => p.fullest)),
    Math.min(...previews.map((p) => p.emptiest)),
    Math.max(...previews.map((p) => p.moved / p.movedMinimum)),
  )
  process.stdout.write(`${[...lines, worst].join('\n')}\n\n`)
}

test('balance: 3 to 100 nodes, one join at a time: bounds hold at each change (2^12, RF=3)', () => {
  const changes = joins(membersOf(nodeIds(100)), 3, 100)
  const previews = [...previewMembership(undefined, changes, OPTIONS)]
  checkAndPrint('3 to 100 nodes, one at a time', previews, [3, 5, 12, 25, 50, 100])
})

test.each([1, 2])(
  'balance: 100 random joins and leaves: bounds hold at each (2^12, RF=3, seed %i)',
  (seed) => {
    const bounds = { start: 25, least: 10, most: 60, count: 100 }
    const changes = joinsAndLeaves(new SeededRandom(seed), membersOf(nodeIds(130, seed)), bounds)
    const previews = [...previewMembership(undefined, changes, OPTIONS)]
    checkAndPrint(`100 random joins and leaves, 10 to 60 nodes, seed ${seed}`, previews, [])
  },
)

test.each([2, 3, 5])(
  'balance: 3 to 60 nodes in %i racks: bounds hold at each change (2^12, RF=3)',
  (racks) => {
    const changes = joins(
      membersOf(nodeIds(60), (i) => `rack-${i % racks}`),
      3,
      60,
    )
    const previews = [...previewMembership(undefined, changes, OPTIONS)]
    checkAndPrint(`3 to 60 nodes in ${racks} racks`, previews, [5, 12, 25, 50])
  },
)

test('movement: hand-made tables: counts pairs gained, whatever their slots', () => {
  const assignment = (a: number, b: number) =>
    Uint16Array.from({ length: 2048 }, (_, i) => (i % 2 === 0 ? a : b))
  const before = new PlacementTable(10, 2, ['a', 'b', 'c'], assignment(0, 1))
  const swapped = new PlacementTable(10, 2, ['a', 'b', 'c'], assignment(1, 0))
  const moved = new PlacementTable(10, 2, ['b', 'c', 'd'], assignment(1, 0))
  expect(movement(before, swapped)).toBe(0)
  expect(movement(before, moved)).toBe(1024)
  expect(movement(undefined, before)).toBe(2048)
})

test('minimum movement: joins and leaves: a share, or what the leaver held', () => {
  const members = membersOf(nodeIds(7))
  const six = nextPlacement(undefined, members.slice(0, 6), OPTIONS)
  expect(minimumMovement(six, members.slice(0, 6), OPTIONS)).toBe(0)
  expect(minimumMovement(six, members, OPTIONS)).toBe(Math.floor((3 * 4096) / 7))
  expect(minimumMovement(six, members.slice(0, 5), OPTIONS)).toBe(2048)
  expect(minimumMovement(undefined, members, OPTIONS)).toBe(3 * 4096)
})

test('minimum movement: racks become enough: one replica of each partition', () => {
  const ids = nodeIds(9)
  const two = nextPlacement(
    undefined,
    membersOf(ids, (i) => `rack-${i % 2}`),
    OPTIONS,
  )
  const regrouped = membersOf(ids, (i) => `rack-${i < 6 ? i % 2 : 2}`)
  expect(minimumMovement(two, regrouped, OPTIONS)).toBeGreaterThan(0)
  const after = nextPlacement(two, regrouped, OPTIONS)
  expect(movement(two, after)).toBeGreaterThanOrEqual(minimumMovement(two, regrouped, OPTIONS))
})

test('balance: a member that the table lacks: refused', () => {
  const members = membersOf(nodeIds(4))
  const table = nextPlacement(undefined, members.slice(0, 3), OPTIONS)
  expect(() => balance(table, members)).toThrow(RangeError)
})
