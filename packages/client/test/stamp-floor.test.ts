import { CellFlag, stampCounter, stampMs, writeCell } from '@cassiopeia/protocol'
import { NOTHING_HEARD, nextReading, raiseStamp, stampFloor } from '../src/stamp-floor'

const STAMP_AT = 8

function cell(flags: number): Buffer {
  const bytes = Buffer.alloc(64)
  writeCell(bytes, 0, Buffer.from('key'), Buffer.alloc(0), flags, 0)
  return bytes
}

describe('stamp floor', () => {
  test.each([
    ['nothing heard', [], 0],
    ['a node that has said nothing yet', [{ ceilingMs: 0, atMs: 0 }], 0],
    ['one reading, a second ago', [{ ceilingMs: 1_000_000, atMs: 9_000 }], 1_001_010],
    [
      'the highest of several, each with its age',
      [
        { ceilingMs: 1_000_000, atMs: 10_000 },
        { ceilingMs: 1_000_500, atMs: 10_000 },
        { ceilingMs: 999_900, atMs: 9_000 },
      ],
      1_000_910,
    ],
    [
      'a clock an hour ahead: does not stamp, does not count',
      [
        { ceilingMs: 1_000_000, atMs: 10_000 },
        { ceilingMs: 4_600_000, atMs: 10_000 },
      ],
      1_000_000,
    ],
  ])('stamp floor: %s (%j): %d', (_, readings, expected) => {
    expect(stampFloor(readings, 10_000)).toBe(expected)
  })

  test('stamp floor: readings: the round trip is added; a slow one does not lower what is known', () => {
    const first = nextReading(NOTHING_HEARD, 1_000_000, 5, 10_000)
    expect(first).toEqual({ ceilingMs: 1_000_005, atMs: 10_000 })
    // It was read before it was held up: three seconds have gone by on the node since.
    expect(nextReading(first, 1_000_100, 3_000, 13_100)).toBe(first)
    // It waited to be read: nothing has gone by, but the node's clock was set ahead meanwhile.
    const set = nextReading(first, 1_060_000, 3_000, 13_100)
    expect(set).toEqual({ ceilingMs: 1_060_100, atMs: 13_100 })
    // And back again.
    expect(nextReading(set, 1_004_000, 2, 14_000)).toEqual({ ceilingMs: 1_004_002, atMs: 14_000 })
  })

  test('stamp floor: raised: above every counter of that millisecond', () => {
    const bytes = cell(0)
    raiseStamp(bytes, 1_234)
    expect([stampMs(bytes, STAMP_AT), stampCounter(bytes, STAMP_AT)]).toEqual([1_234, 0xffff])
  })

  test('stamp floor: a stamp that the caller gave: stays', () => {
    const bytes = cell(CellFlag.clientStamp)
    const before = Buffer.from(bytes)
    raiseStamp(bytes, 1_234)
    expect(bytes).toEqual(before)
  })
})
