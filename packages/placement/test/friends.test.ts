import { comparePeers, nextFriends } from '../src'
import { nodeIds, SeededRandom, shuffled } from './support'

test('friends: order of peers: total and independent of the order of input (seed 1)', () => {
  const random = new SeededRandom(1)
  const ids = nodeIds(40)
  const sorted = [...ids].sort(comparePeers)
  expect(shuffled(random, ids).sort(comparePeers)).toEqual(sorted)
  for (let i = 0; i < sorted.length; i++) {
    for (let j = 0; j < sorted.length; j++) {
      expect(Math.sign(comparePeers(sorted[i]!, sorted[j]!))).toBe(Math.sign(i - j))
    }
  }
})

test('friends: a ring: the next ones in order, wrapping', () => {
  const ring = nodeIds(7).sort(comparePeers)
  expect(nextFriends(ring[1]!, ring, 3)).toEqual([ring[2], ring[3], ring[4]])
  expect(nextFriends(ring[5]!, ring, 3)).toEqual([ring[6], ring[0], ring[1]])
  expect(nextFriends(ring[6]!, ring, 1)).toEqual([ring[0]])
})

test('friends: fewer peers than asked for: all of them, never self, each once', () => {
  const [a, b, c] = nodeIds(3).sort(comparePeers) as [string, string, string]
  expect(nextFriends(b, [c, a, b, c], 5)).toEqual([c, a])
  expect(nextFriends(b, [b], 5)).toEqual([])
  expect(nextFriends(b, [], 5)).toEqual([])
})

test('friends: self is not among the peers: its place in the order counts', () => {
  const [a, b, c] = nodeIds(3).sort(comparePeers) as [string, string, string]
  expect(nextFriends(b, [a, c], 1)).toEqual([c])
})
