import { MadeHistory } from '../sim/checkers/made-history'
import { judge, longestSilence } from './judge'

/** Calls of a `MadeHistory` have a second. */
describe('chaos judge', () => {
  test('a lie of the database: found', () => {
    const made = new MadeHistory().set('a', [0, 1], 1).set('b', [2, 3], 2).get('a', [4, 5], 1)
    const rules = judge(made, 0).map(({ rule }) => rule)
    expect(rules).toContain('acknowledged-write-lost')
  })

  test('a call that settles late: found when the machine is no excuse', () => {
    const late = new MadeHistory().set('a', [0, 2_500], 1)
    expect(judge(late, 0).map(({ rule }) => rule)).toEqual(['hang'])
    expect(judge(late, 400)).toEqual([])
    expect(judge(new MadeHistory().set('a', [0, 1_500], 1), 0)).toEqual([])
  })

  test('the longest silence: between the ends of calls that went well', () => {
    const made = new MadeHistory()
      .set('a', [0, 10], 1)
      .set('b', [20, 25], 2, { outcome: 'unknown' })
      .set('c', [30, 60], 3)
    expect(longestSilence(made, 0, 80)).toEqual({ forMs: 50, atMs: 10 })
    expect(longestSilence(made, 0, 200)).toEqual({ forMs: 140, atMs: 60 })
    expect(longestSilence(new MadeHistory(), 5, 9)).toEqual({ forMs: 4, atMs: 5 })
  })
})
