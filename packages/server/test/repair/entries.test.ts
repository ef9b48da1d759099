import { KeyedRandom } from '@cassiopeia/env'
import { EXPIRY_MARGIN_MS } from '@cassiopeia/storage'
import { compareEntries, counts, entryKey, entryOf, splitEntries } from '../../src/repair/entries'
import { makeCell, type Version } from './cells'

const CUTOFF_MS = 10_000
/** What expires up to here counts as dead. */
const LATE_MS = CUTOFF_MS + EXPIRY_MARGIN_MS

function entry(key: string, version: Version): Buffer {
  return entryOf(makeCell(key, version), 0, CUTOFF_MS)
}

function compare(own: readonly Buffer[], other: readonly Buffer[]) {
  return compareEntries(own, other).map(({ key, pull, push }) => {
    return `${key.toString()}${pull ? ' pull' : ''}${push ? ' push' : ''}`
  })
}

test('equal versions are no difference', () => {
  const entries = [entry('a', { ms: 1 }), entry('b', { ms: 2, dead: true })]
  expect(compare(entries, entries)).toEqual([])
  expect(compare([], [])).toEqual([])
})

test('what one lacks is copied, what is newer wins', () => {
  const own = [entry('a', { ms: 1 }), entry('b', { ms: 5 }), entry('d', { ms: 1 })]
  const other = [entry('b', { ms: 4 }), entry('c', { ms: 1 }), entry('d', { ms: 9, dead: true })]
  expect(compare(own, other)).toEqual(['a push', 'b push', 'c pull', 'd pull'])
})

test('under one stamp what is dead wins', () => {
  const live = [entry('a', { ms: 3, expiryMs: LATE_MS + 1 })]
  const dead = [entry('a', { ms: 3, dead: true })]
  expect(compare(live, dead)).toEqual(['a pull'])
  expect(compare(dead, live)).toEqual(['a push'])
})

test('a tombstone and an expired cell under one stamp are equal', () => {
  const expired = [entry('a', { ms: 3, expiryMs: LATE_MS })]
  expect(compare(expired, [entry('a', { ms: 3, dead: true })])).toEqual([])
})

test('two values under one stamp of a client are brought together', () => {
  const one = [entry('a', { ms: 3, value: 'x', clients: true })]
  const two = [entry('a', { ms: 3, value: 'y', clients: true })]
  expect(compare(one, two)).toEqual(['a pull push'])
  expect(compare(one, one)).toEqual([])
})

test('dead cells up to what is proven do not count', () => {
  const dead = makeCell('a', { ms: 500, dead: true })
  expect(counts(dead, 0, CUTOFF_MS, 499)).toBe(true)
  expect(counts(dead, 0, CUTOFF_MS, 500)).toBe(false)
  expect(counts(makeCell('a', { ms: 500 }), 0, CUTOFF_MS, 500)).toBe(true)
  const expiring = makeCell('a', { ms: 500, expiryMs: LATE_MS })
  expect(counts(expiring, 0, CUTOFF_MS - 1, 500)).toBe(true)
  expect(counts(expiring, 0, CUTOFF_MS, 500)).toBe(false)
  // It may cover what another replica holds.
  expect(counts(makeCell('a', { ms: 501, dead: true }), 0, 500, 500)).toBe(true)
})

test('entries lie back to back; a piece of one is no entry', () => {
  const entries = [entry('a', { ms: 1 }), entry('long key', { ms: 2, dead: true })]
  const bytes = Buffer.concat(entries)
  expect(splitEntries(bytes)).toEqual(entries)
  expect(splitEntries(bytes).map((each) => entryKey(each).toString())).toEqual(['a', 'long key'])
  for (let cut = 1; cut < bytes.length; cut += 1) {
    if (cut === entries[0]!.length) continue
    expect(() => splitEntries(bytes.subarray(0, cut))).toThrow(RangeError)
  }
})

test('after copying as told, both hold the newest of every key', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = new KeyedRandom(seed, 'entries')
    const make = () =>
      new Map(
        Array.from({ length: random.below(30) }, () => {
          const key = `k${random.below(20)}`
          return [key, { ms: 1 + random.below(4), dead: random.chance(0.3) }] as const
        }),
      )
    const own = make()
    const other = make()
    const listed = (versions: Map<string, Version>) =>
      [...versions]
        .map(([key, version]) => entry(key, version))
        .sort((a, b) => Buffer.compare(entryKey(a), entryKey(b)))
    const best = (key: string) => {
      const [a, b] = [own.get(key), other.get(key)]
      if (a === undefined || b === undefined) return a ?? b
      if (a.ms !== b.ms) return a.ms > b.ms ? a : b
      return a.dead ? a : b
    }
    const wanted = new Map([...own.keys(), ...other.keys()].map((key) => [key, best(key)]))
    const differences = compareEntries(listed(own), listed(other))
    for (const { key, pull, push } of differences) {
      const name = key.toString()
      const [a, b] = [own.get(name), other.get(name)]
      if (pull) own.set(name, b!)
      if (push) other.set(name, a!)
    }
    const sorted = (versions: Map<string, unknown>) => [...versions].sort()
    expect([seed, sorted(own)]).toEqual([seed, sorted(wanted)])
    expect([seed, sorted(other)]).toEqual([seed, sorted(wanted)])
  }
})
