/**
 * Balance and movement of placement, and the cost of finding a key's partition.
 *
 *     npx tsc -b packages/placement && node bench/placement-balance.js
 */
const fnv = require('fnv-plus')
const placement = require('../packages/placement/dist/index.js')
const { keyHash } = require('../packages/protocol/dist')

const OPTIONS = { replicationFactor: 3, partitionBits: placement.DEFAULT_PARTITION_BITS }
const SIZES = [3, 5, 12, 25, 50, 100]
const SEED = 1

/** A seeded generator (mulberry32) of integers from 0 to count − 1. */
function randomBelow(seed) {
  let state = seed >>> 0
  return (count) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * count)
  }
}

function membersOf(count, rackCount = count) {
  const below = randomBelow(SEED)
  const hex = (digits) => Array.from({ length: digits }, () => below(16).toString(16)).join('')
  return Array.from({ length: count }, (_, i) => ({
    id: [8, 4, 4, 4, 12].map(hex).join('-'),
    weight: 1,
    rack: `rack-${i % rackCount}`,
  }))
}

function joins(members, first) {
  return members.slice(first - 1).map((_, i) => members.slice(0, first + i))
}

function joinsAndLeaves(all, { start, least, most, count }) {
  const below = randomBelow(SEED)
  let members = all.slice(0, start)
  let next = start
  const changes = [members]
  for (let i = 0; i < count; i++) {
    const joining = below(2) === 0
    if (members.length <= least || (joining && members.length < most)) {
      members = [...members, all[next++]]
    } else {
      const leaving = below(members.length)
      members = members.filter((_, index) => index !== leaving)
    }
    changes.push(members)
  }
  return changes
}

function printChanges(title, changes, sizes) {
  console.log(`\n${title}`)
  console.log('nodes         fullest  emptiest  moved/minimum  ms a change')
  const row = (name, { fullest, emptiest, ratio, ms }) =>
    console.log(
      `${name.padEnd(14)}${fullest.toFixed(4)}   ${emptiest.toFixed(4)}    ` +
        `${ratio.toFixed(4)}         ${ms.toFixed(1)}`,
    )
  const results = []
  let table
  for (const members of changes) {
    const started = performance.now()
    const after = placement.nextPlacement(table, members, OPTIONS)
    const ms = performance.now() - started
    const moved = placement.movement(table, after)
    const ratio = moved / placement.minimumMovement(table, members, OPTIONS)
    const result = { ...placement.balance(after, members), ratio, ms }
    results.push(result)
    if (sizes.includes(members.length)) row(`${members.length}`, result)
    table = after
  }
  row('worst', {
    fullest: Math.max(...results.map((r) => r.fullest)),
    emptiest: Math.min(...results.map((r) => r.emptiest)),
    ratio: Math.max(...results.map((r) => r.ratio)),
    ms: Math.max(...results.map((r) => r.ms)),
  })
}

function printNanoseconds(name, inputs, operation) {
  const rounds = 1_000
  let best = Number.POSITIVE_INFINITY
  let sum = 0
  for (let attempt = 0; attempt < 5; attempt++) {
    const started = performance.now()
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < inputs.length; i++) sum += operation(inputs[i])
    }
    best = Math.min(best, ((performance.now() - started) * 1e6) / (rounds * inputs.length))
  }
  // The sum is used so that no operation can be optimised away.
  console.log(`${name.padEnd(34)}${best.toFixed(1)} ns${sum === 0 ? ' ' : ''}`)
}

printChanges('one join at a time', joins(membersOf(100), 3), SIZES)
printChanges('one join at a time, 5 racks', joins(membersOf(100, 5), 3), SIZES)
printChanges(
  `100 random joins and leaves, 10 to 60 nodes, seed ${SEED}`,
  joinsAndLeaves(membersOf(130), { start: 25, least: 10, most: 60, count: 100 }),
  [],
)

const strings = Array.from({ length: 1_000 }, (_, i) => `user:profile:${10_000 + i}`)
const keys = strings.map((key) => Buffer.from(key))
const hashes = keys.map((key) => keyHash(key, 0, key.length))
console.log('\nkeys of 18 bytes, best of 5')
printNanoseconds('keyHash, bytes in place', keys, (key) => keyHash(key, 0, key.length))
printNanoseconds('fnv-plus fast1a52, ready string', strings, (key) => fnv.fast1a52(key))
printNanoseconds('fnv-plus fast1a52, latin1 of bytes', keys, (key) =>
  fnv.fast1a52(key.toString('latin1')),
)
printNanoseconds('partitionOf', hashes, (hash) =>
  placement.partitionOf(hash, OPTIONS.partitionBits),
)
