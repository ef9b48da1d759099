import { ClockWatch } from '../../src/gossip/clock-watch'

describe('clock watch', () => {
  test.each([
    ['nobody heard of', [], 0],
    ['one peer, behind', [7_000], 7_000],
    ['one peer, ahead', [-7_000], -7_000],
    ['two peers, both behind', [7_000, 9_000], 7_000],
    ['two peers, one behind: that one is wrong', [3_600_000, 5], 5],
    ['four peers, two behind', [60_000, 60_000, 0, 0], 0],
    ['four peers, three behind', [60_000, 60_000, 50_000, 0], 50_000],
  ])('clock watch: %s: ahead by what most say (%j)', (_, behindMs, expected) => {
    const watch = new ClockWatch(3)
    behindMs.forEach((each, i) => {
      watch.observe(`peer-${i}`, 1_000_000 - each, 1_000_000)
    })
    expect(watch.aheadMs).toBe(expected)
  })

  test('clock watch: half of the peers must be heard, and again after a jump', () => {
    const watch = new ClockWatch(3)
    expect([watch.isAwaiting, new ClockWatch(0).isAwaiting]).toEqual([true, false])
    for (const peer of ['a', 'b', 'c']) watch.observe(peer, 0, 0)
    expect(watch.isAwaiting).toBe(false)
    watch.restart()
    expect([watch.isAwaiting, watch.aheadMs]).toEqual([true, 0])
    watch.observe('a', 0, 60_000)
    expect(watch.isAwaiting).toBe(true)
    watch.observe('b', 0, 60_000)
    expect([watch.isAwaiting, watch.aheadMs]).toEqual([false, 60_000])
  })
})
