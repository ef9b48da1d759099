import { checkDeletes } from './deletes'
import { checkExpiry } from './expiry'
import { MadeHistory, rulesBroken } from './made-history'
import { checkOrder } from './order'
import { checkSession } from './session'
import { checkValues } from './values'

const made = (plan = {}) => new MadeHistory(plan)

type Row = readonly [what: string, history: MadeHistory, rules: readonly string[]]

function table(name: string, checker: Parameters<typeof rulesBroken>[0], rows: readonly Row[]) {
  test.each(rows)(`checker ${name}: %s`, (_, history, rules) => {
    expect(rulesBroken(checker, history)).toEqual(rules)
  })
}

table('order', checkOrder, [
  ['a read of what was written: passes', made().set('a', [0, 1], 1).get('a', [2, 3], 1), []],
  [
    'a read that overlaps the write: may miss it',
    made().set('a', [0, 1], 1).set('b', [2, 5], 2).get('a', [3, 4], 1),
    [],
  ],
  [
    'an acknowledged write is not read: found',
    made().set('a', [0, 1], 1).set('b', [2, 3], 2, { level: 'ALL' }).get('a', [4, 5], 1),
    ['acknowledged-write-lost', 'time-travel'],
  ],
  [
    'nothing is read after a write: found',
    made().set('a', [0, 1], 1).get(undefined, [2, 3]),
    ['acknowledged-write-lost'],
  ],
  [
    'nothing is read after a write that a delete may have ended: passes',
    made().set('a', [0, 1], 1).del([1.5], 2, { outcome: 'unknown' }).get(undefined, [2, 3]),
    [],
  ],
  [
    'nothing is read, the only delete having failed: found',
    made().set('a', [0, 1], 1).del([1.2, 1.5], 2, { outcome: 'fail' }).get(undefined, [2, 3]),
    ['acknowledged-write-lost'],
  ],
  [
    'nothing is read, the only delete being older: found',
    made().del([0, 0.5], 1).set('a', [1, 2], 2).get(undefined, [3, 4]),
    ['acknowledged-write-lost'],
  ],
  [
    'a write at ONE is not promised to be read at QUORUM: passes',
    made().set('a', [0, 1], 1).set('b', [2, 3], 2, { level: 'ONE' }).get('a', [4, 5], 1),
    [],
  ],
  [
    'a write at ONE is read at ONE where there is one replica: found',
    made({ nodes: 1 }).set('a', [0, 1], 1, { level: 'ONE' }).get(undefined, [2, 3], 0, {
      level: 'ONE',
    }),
    ['acknowledged-write-lost'],
  ],
  [
    'an overwritten value comes back under a new stamp: found',
    made().set('a', [0, 1], 1).set('b', [2, 3], 2).get('a', [4, 5], 7),
    ['time-travel'],
  ],
  [
    'a value of unknown fate is seen, then not: found',
    made()
      .set('a', [0, 1], 1)
      .set('b', [2], 2, { outcome: 'unknown' })
      .get('b', [3, 4], 2)
      .get('a', [5, 6], 1),
    ['monotonic-reads'],
  ],
  [
    'a value of unknown fate is not seen, then is: passes',
    made()
      .set('a', [0, 1], 1)
      .set('b', [2], 2, { outcome: 'unknown' })
      .get('a', [3, 4], 1)
      .get('b', [5, 6], 2),
    [],
  ],
  [
    'a value is seen, then nothing: found',
    made().set('a', [0], 1, { outcome: 'unknown' }).get('a', [1, 2], 1).get(undefined, [3, 4]),
    ['monotonic-reads'],
  ],
  [
    'nothing is read once the value has expired: passes',
    made().set('a', [0, 1], 1, { ttlMs: 50 }).get(undefined, [60, 61]),
    [],
  ],
  [
    'nothing is read before the value has expired: found',
    made().set('a', [0, 1], 1, { ttlMs: 50 }).get(undefined, [30, 31]),
    ['acknowledged-write-lost'],
  ],
  [
    'what an expired value covered comes back: found',
    made().set('a', [0, 1], 1).set('b', [2, 3], 2, { ttlMs: 50 }).get('a', [60, 61], 1),
    ['acknowledged-write-lost', 'time-travel'],
  ],
])

table('session', checkSession, [
  [
    'a client that reads and writes in turn: passes',
    made()
      .set('a', [0, 1], 1, { client: 0 })
      .get('a', [2, 3], 1, { client: 0 })
      .del([4, 5], 2, { client: 0 })
      .get(undefined, [6, 7], 0, { client: 0 })
      .set('b', [8, 9], 3, { client: 0 }),
    [],
  ],
  [
    'its own write is not read: found',
    made()
      .set('a', [0, 1], 1, { client: 0 })
      .set('b', [2, 3], 2, { client: 0 })
      .get('a', [4, 5], 1, { client: 0 }),
    ['read-your-writes'],
  ],
  [
    'the same of two clients: is for others to find',
    made()
      .set('a', [0, 1], 1, { client: 0 })
      .set('b', [2, 3], 2, { client: 0 })
      .get('a', [4, 5], 1, { client: 1 }),
    [],
  ],
  [
    'its reads go back: found',
    made()
      .set('a', [0, 1], 1, { client: 0 })
      .set('b', [2], 2, { client: 1, outcome: 'unknown' })
      .get('b', [3, 4], 2, { client: 2 })
      .get('a', [5, 6], 1, { client: 2 }),
    ['session-reads'],
  ],
  [
    'its later write has the lower stamp: found',
    made().set('a', [0, 1], 2, { client: 0 }).set('b', [2, 3], 1, { client: 0 }),
    ['monotonic-writes'],
  ],
  [
    'its write is below what it has read: found',
    made()
      .set('a', [0], 5, { client: 1, outcome: 'unknown' })
      .get('a', [1, 2], 5, { client: 0 })
      .set('b', [3, 4], 4, { client: 0 }),
    ['writes-follow-reads'],
  ],
])

table('deletes', checkDeletes, [
  [
    'deleted, and not found: passes',
    made().set('a', [0, 1], 1).del([2, 3], 2).get(undefined, [4, 5]),
    [],
  ],
  [
    'deleted, written again, and found: passes',
    made().set('a', [0, 1], 1).del([2, 3], 2).set('b', [4, 5], 3).get('b', [6, 7], 3),
    [],
  ],
  [
    'deleted, and found by a read that began before: passes',
    made().set('a', [0, 1], 1).del([2, 4], 2).get('a', [3, 5], 1),
    [],
  ],
  [
    'deleted, and found: found',
    made().set('a', [0, 1], 1).del([2, 3], 2).get('a', [4, 5], 1),
    ['resurrection'],
  ],
  [
    'deleted, written again, and the first value found: found',
    made().set('a', [0, 1], 1).del([2, 3], 2).set('b', [4, 5], 3).get('a', [6, 7], 1),
    ['resurrection'],
  ],
  [
    'deleted at ONE, and found: passes',
    made().set('a', [0, 1], 1).del([2, 3], 2, { level: 'ONE' }).get('a', [4, 5], 1),
    [],
  ],
])

const expiring = { ttlMs: 50, client: 0 }
const jump = { kind: 'jump', atMs: 0, forMs: 1, action: { type: 'clockJump', node: 0, ms: -40 } }

table('expiry', checkExpiry, [
  [
    'read before it expires: passes',
    made().set('a', [0, 5], 1, expiring).get('a', [10, 11], 1, { expiresAtMs: 52 }),
    [],
  ],
  [
    'read after it has expired: found',
    made().set('a', [0, 5], 1, expiring).get('a', [60, 61], 1, { expiresAtMs: 52 }),
    ['expired-read'],
  ],
  [
    'the same where a clock was behind: passes',
    made({ faults: [jump] })
      .set('a', [0, 5], 1, expiring)
      .get('a', [60, 61], 1, {
        expiresAtMs: 52,
      }),
    [],
  ],
  [
    'it expires too late: found',
    made().set('a', [0, 5], 1, expiring).get('a', [10, 11], 1, { expiresAtMs: 152 }),
    ['wrong-expiry'],
  ],
  [
    'it expires too early: found',
    made().set('a', [0, 5], 1, expiring).get('a', [10, 11], 1, { expiresAtMs: 12 }),
    ['wrong-expiry'],
  ],
  [
    'its expiry is lost: found',
    made().set('a', [0, 5], 1, expiring).get('a', [10, 11], 1),
    ['wrong-expiry'],
  ],
  [
    'one that was not asked for: found',
    made().set('a', [0, 5], 1).get('a', [10, 11], 1, { expiresAtMs: 52 }),
    ['wrong-expiry'],
  ],
])

table('values', checkValues, [
  ['a value that was written: passes', made().set('a', [0, 1], 1).get('a', [2, 3], 1), []],
  ['a value that nobody wrote: found', made().get('a', [2, 3], 1), ['phantom']],
  [
    'a value of which a byte is another: found',
    made().set('0:1|xx', [0, 1], 1).get('0:1|xy', [2, 3], 1),
    ['phantom'],
  ],
  [
    'a value of another key: found',
    made().set('a', [0, 1], 1, { key: 'other' }).get('a', [2, 3], 1),
    ['phantom'],
  ],
  [
    'a value before it is written: found',
    made().get('a', [2, 3], 1).set('a', [4, 5], 1),
    ['phantom'],
  ],
  [
    'a write that failed: found',
    made().set('a', [0, 1], 1, { outcome: 'fail' }).get('a', [2, 3], 1),
    ['failed-write-appeared'],
  ],
  [
    'a write that was done long after its deadline: found',
    made().set('a', [0], 1, { outcome: 'unknown' }).get('a', [9_000, 9_001], 8_000),
    ['done-late'],
  ],
  [
    'two values under one stamp: found',
    made().set('a', [0, 1], 1).set('b', [0, 1], 1).get('a', [2, 3], 1).get('b', [4, 5], 1),
    ['one-stamp'],
  ],
])
