import { check } from '.'
import { checkBounds } from './bounds'
import { checkFinal, isConverged } from './final'
import { MadeHistory, rulesBroken, stamp } from './made-history'
import { checkProgress } from './progress'
import { checkStamps } from './stamps'

const made = (plan = {}) => new MadeHistory(plan)

type Row = readonly [what: string, history: MadeHistory, rules: readonly string[]]

function table(name: string, checker: Parameters<typeof rulesBroken>[0], rows: readonly Row[]) {
  test.each(rows)(`checker ${name}: %s`, (_, history, rules) => {
    expect(rulesBroken(checker, history)).toEqual(rules)
  })
}

/** A history of which two calls have stamps of other nodes. */
function byNodes(first: string, second: string): MadeHistory {
  const history = made().set('a', [0, 1], 1, { key: 'x' }).set('b', [2, 3], 2, { key: 'y' })
  history.records[0]!.stamp = first
  history.records[1]!.stamp = second
  return history
}

table('stamps', checkStamps, [
  ['stamps that rise: passes', made().set('a', [0, 1], 1).set('b', [2, 3], 2), []],
  [
    'two at the same time, in any order: passes',
    made().set('a', [0, 5], 2).set('b', [1, 3], 1),
    [],
  ],
  [
    'a later write with the lower stamp: found',
    made().set('a', [0, 1], 2).set('b', [2, 3], 1),
    ['clock-rises', 'stamps-rise'],
  ],
  ['one stamp for two: found', made().set('a', [0, 2], 1).set('b', [1, 3], 1), ['one-stamp']],
  [
    "a node's stamps go back, of keys of their own: found",
    byNodes(stamp(2), stamp(1)),
    ['clock-rises'],
  ],
  [
    'the same of two nodes: passes',
    byNodes(stamp(2, 'a'.repeat(16)), stamp(1, 'b'.repeat(16))),
    [],
  ],
])

table('progress', checkProgress, [
  ['a call that ends: passes', made().get(undefined, [0, 900]), []],
  ['a call that ends too late: found', made().get(undefined, [0, 1_101]), ['hang']],
  ['a call that never ends: found', made().set('a', [0], 1, { outcome: 'unknown' }), ['hang']],
  [
    'a call that fails under faults: passes',
    made().get(undefined, [0, 1], 0, { outcome: 'fail' }),
    [],
  ],
  [
    'a call that fails though nothing was wrong: found',
    made({ mood: 'calm' }).get(undefined, [0, 1], 0, { outcome: 'fail' }),
    ['calm'],
  ],
  [
    'a call that fails after heal: found',
    made().get(undefined, [0, 1], 0, { outcome: 'fail', phase: 'final' }),
    ['liveness'],
  ],
])

const written = () => made().set('a', [0, 1], 1)
const deleted = () => written().del([2, 3], 2)

table('final', checkFinal, [
  [
    'all have it: passes',
    written().final([
      ['value', 1],
      ['value', 1],
      ['value', 1],
    ]),
    [],
  ],
  [
    'one lacks it: found',
    written().final([['value', 1], ['value', 1], ['none']]),
    ['acknowledged-write-lost', 'convergence'],
  ],
  [
    'all lack it: found',
    written().final([['none'], ['none'], ['none']]),
    ['acknowledged-write-lost'],
  ],
  [
    'one is older: found',
    written()
      .set('b', [2, 3], 2)
      .final([
        ['value', 2],
        ['value', 1],
        ['value', 2],
      ]),
    ['acknowledged-write-lost', 'convergence'],
  ],
  [
    'one has something newer that is of unknown fate: found, as they differ',
    written()
      .set('b', [2], 2, { outcome: 'unknown' })
      .final([
        ['value', 2],
        ['value', 1],
      ]),
    ['convergence'],
  ],
  [
    'one cannot say: found',
    written().final([['value', 1], ['damaged']]),
    ['acknowledged-write-lost', 'convergence'],
  ],
  [
    'a tombstone that some have let go, as all had it: passes',
    deleted().final([['tombstone', 2], ['none'], ['tombstone', 2]], { provenMs: 2 }),
    [],
  ],
  [
    'a tombstone that one lacks, though nobody knows that all had it: found',
    deleted().final([['tombstone', 2], ['none'], ['tombstone', 2]], { provenMs: 1 }),
    ['acknowledged-write-lost', 'convergence'],
  ],
  [
    'a tombstone let go, and an older one that was under it: passes',
    deleted()
      .del([4, 5], 3)
      .final([['tombstone', 3], ['tombstone', 2], ['none']], { provenMs: 3 }),
    [],
  ],
  [
    'a tombstone that one lacks, which has an older one: found',
    deleted()
      .del([4, 5], 3)
      .final(
        [
          ['tombstone', 3],
          ['tombstone', 2],
          ['tombstone', 3],
        ],
        { provenMs: 2 },
      ),
    ['acknowledged-write-lost', 'convergence'],
  ],
  [
    'a tombstone that all have let go: passes',
    deleted().final([['none'], ['none']], { provenMs: 2 }),
    [],
  ],
  [
    'the deleted value at one: found',
    deleted().final([
      ['tombstone', 2],
      ['value', 1],
      ['tombstone', 2],
    ]),
    ['acknowledged-write-lost', 'convergence', 'resurrection'],
  ],
  [
    'the deleted value at all, their tombstones gone: found',
    deleted().final([
      ['value', 1],
      ['value', 1],
    ]),
    ['acknowledged-write-lost', 'resurrection'],
  ],
  [
    'deleted and written again: passes',
    deleted()
      .set('b', [4, 5], 3)
      .final([
        ['value', 3],
        ['value', 3],
      ]),
    [],
  ],
  [
    'a write at ONE that is lost: passes',
    made()
      .set('a', [0, 1], 1, { level: 'ONE' })
      .final([['none'], ['none']]),
    [],
  ],
  [
    'expired here, and already a tombstone there: passes',
    made()
      .set('a', [0, 1], 1, { ttlMs: 50 })
      .final([['expired', 1], ['tombstone', 1], ['none']], { provenMs: 1 }),
    [],
  ],
])

test('checker final: two cells under one stamp are not the same', () => {
  const votes = written().final([
    ['value', 1],
    ['value', 1],
  ]).finalVotes[0]!.votes
  expect(isConverged(votes)).toBe(true)
  expect(isConverged([votes[0]!, { ...votes[1]!, digest: 77 }])).toBe(false)
})

test('checker final: nodes at another epoch, with hints, or that do not see the others: found', () => {
  const node = { node: 'node-0', epoch: 1, hintBytes: 0, seesAll: true }
  for (const odd of [{}, { epoch: 2 }, { hintBytes: 9 }, { seesAll: false }]) {
    const history = made()
    history.finalNodes.push(node, { ...node, node: 'node-1', ...odd })
    const isOdd = Object.keys(odd).length > 0
    expect(rulesBroken(checkFinal, history)).toEqual(isOdd ? ['convergence'] : [])
  }
})

test('checker bounds: a node that holds more than it may: found', () => {
  const peak = { node: 0, inFlight: 1, memoryBytes: 1_000, hintBytes: 0 }
  const over = { inFlight: 1_000, memoryBytes: 1e9, hintBytes: 1e12 }
  for (const name of ['', ...Object.keys(over)]) {
    const history = made()
    const most = (over as Record<string, number>)[name]
    history.peaks.push(most === undefined ? peak : { ...peak, [name]: most })
    expect(rulesBroken(checkBounds, history)).toEqual(most === undefined ? [] : ['bounds'])
  }
})

test('checkers: what went wrong outside of calls is a violation too', () => {
  const history = made()
  expect(check(history)).toEqual([])
  history.incidents.push({ rule: 'restart', message: 'did not start' })
  expect(check(history)).toMatchObject([{ rule: 'restart' }])
})
