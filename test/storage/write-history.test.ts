import { type Holding, WriteHistory } from './write-history'

/** Three writes: a key, a batch over it and another one, a removal; the first is acknowledged. */
function history(): WriteHistory {
  const writes = new WriteHistory(new Map([['old', 1]]))
  writes.give({ sequence: 2, sets: ['a'], removes: [] })
  writes.give({ sequence: 3, sets: ['a', 'b'], removes: ['old'] })
  writes.give({ sequence: 4, sets: [], removes: ['b'] })
  writes.acknowledge(2)
  return writes
}

test.each<[what: string, found: Record<string, number>, isFine: boolean]>([
  ['what was acknowledged', { old: 1, a: 2 }, true],
  ['a batch more', { a: 3, b: 3 }, true],
  ['all that was given', { a: 3 }, true],
  ['less than what was acknowledged', { old: 1 }, false],
  ['a part of the batch', { old: 1, a: 3, b: 3 }, false],
  ['a later write without the one before', { old: 1, a: 2, b: 3 }, false],
  ['what was removed', { old: 1, a: 3 }, false],
  ['what nobody gave', { old: 1, a: 2, c: 5 }, false],
])('write history: a store is found with %s: %j', (_what, found, isFine) => {
  const fault = history().settle(new Map(Object.entries(found)))
  expect(fault === undefined).toBe(isFine)
})

test('write history: a write that was missing comes later: is a fault', () => {
  const writes = history()
  const before: Holding = new Map([...Object.entries({ old: 1, a: 2 })])
  expect(writes.settle(before)).toBeUndefined()
  expect(writes.settle(new Map(Object.entries({ a: 3, b: 3 })))).toContain('a: found 3')
})
