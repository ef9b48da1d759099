import { type Backlog, Throttle } from '../../src/engine/throttle'

const MEMTABLE_BYTES = 1_000_000
const NOTHING: Backlog = { runs: 0, bottomBytes: 0, upperBytes: 0 }

function throttle(): Throttle {
  return new Throttle(MEMTABLE_BYTES)
}

/** Each is no less than the one before, and the last is more than the first. */
function expectRising(pauses: readonly number[]): void {
  expect(pauses).toEqual([...pauses].sort((a, b) => a - b))
  expect(pauses.at(-1)).toBeGreaterThan(pauses[0]!)
}

describe('throttle', () => {
  test('throttle: nothing behind: no pause, however much is written', () => {
    const busy = { runs: 12, bottomBytes: 100 * MEMTABLE_BYTES, upperBytes: 34 * MEMTABLE_BYTES }
    for (const backlog of [NOTHING, busy, { ...NOTHING, upperBytes: 2 * MEMTABLE_BYTES }]) {
      for (const waiting of [0, 0.5]) {
        expect(throttle().pauseMs(1_000_000_000, waiting, 0.99, backlog)).toBe(0)
      }
    }
  })

  test('throttle: all other memtables wait: slower and slower as the last one fills', () => {
    const fills = [0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1, 1.5]
    const pauses = fills.map((fill) => throttle().pauseMs(20_000, 1, fill, NOTHING))
    expect(pauses.slice(0, 2)).toEqual([0, 0])
    expectRising(pauses)
  })

  test('throttle: half full: as fast as flushes have been', () => {
    const slow = throttle()
    for (let i = 0; i < 50; i += 1) slow.flushed(1_000_000, 1_000)
    expect(slow.pauseMs(10_000, 1, 0.5, NOTHING)).toBeCloseTo(10, 1)
    const quick = throttle()
    // A flush that took no time at all on this clock counts as one of a millisecond.
    for (let i = 0; i < 50; i += 1) quick.flushed(1_000_000, 0)
    expect(quick.pauseMs(10_000, 1, 0.5, NOTHING)).toBeLessThan(0.02)
  })

  test('throttle: runs beyond those that reads can bear: slower with each', () => {
    const runs = [0, 12, 13, 16, 20, 26, 32, 100]
    const pauses = runs.map((count) =>
      throttle().pauseMs(10_000, 0, 0, { ...NOTHING, runs: count }),
    )
    expect(pauses.slice(0, 2)).toEqual([0, 0])
    expectRising(pauses)
    expect(pauses.at(-1)).toBe(pauses.at(-2))
  })

  test('throttle: overwritten bytes beyond their share: slower, in small stores and large ones', () => {
    for (const bottomBytes of [0, 100 * MEMTABLE_BYTES]) {
      const limit = Math.max(2.5 * MEMTABLE_BYTES, bottomBytes * 0.34)
      const pauses = [0, 1, 1.01, 1.1, 1.2, 1.3, 5].map((share) =>
        throttle().pauseMs(10_000, 0, 0, { runs: 2, bottomBytes, upperBytes: limit * share }),
      )
      expect(pauses.slice(0, 2)).toEqual([0, 0])
      expectRising(pauses)
    }
  })

  test('throttle: however late: no pause above its limit', () => {
    const late = { runs: 1_000, bottomBytes: 1, upperBytes: 1_000 * MEMTABLE_BYTES }
    const slow = throttle()
    for (let i = 0; i < 50; i += 1) slow.flushed(1, 1_000_000)
    for (const each of [throttle(), slow]) {
      expect(each.pauseMs(1_000_000_000, 1, 2, late)).toBe(50)
    }
  })
})
