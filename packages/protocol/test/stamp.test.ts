import {
  compareStamps,
  formatStamp,
  nodeTag,
  parseStamp,
  STAMP_COUNTER_MAX,
  STAMP_MS_MAX,
  stampCounter,
  stampMs,
  writeStamp,
} from '../src'
import { check, SeededRandom } from './support'

describe('stamp', () => {
  it('stamp: order: that of the bytes, and of (ms, counter, tag) (seed 21)', () => {
    const random = new SeededRandom(21)
    const parts = () => ({
      ms: random.pick([0, 1, 0xffff, 0x1_0000_0000, 0x1_0000_0001, STAMP_MS_MAX]),
      counter: random.pick([0, 1, 0x7fff, 0x8000, STAMP_COUNTER_MAX]),
      tag: random.pick([
        '0000000000000000',
        '7fffffffffffffff',
        '8000000000000000',
        'ff'.repeat(8),
      ]),
    })
    for (let i = 0; i < 10_000; i += 1) {
      const [x, y] = [parts(), parts()]
      const a = Buffer.alloc(19)
      const b = Buffer.alloc(16)
      writeStamp(a, 3, x.ms, x.counter, Buffer.from(x.tag, 'hex'))
      writeStamp(b, 0, y.ms, y.counter, Buffer.from(y.tag, 'hex'))
      const expected =
        x.ms - y.ms || x.counter - y.counter || (x.tag < y.tag ? -1 : +(x.tag > y.tag))
      const order = compareStamps(a, 3, b, 0)
      const laws = [
        Math.sign(order) === Math.sign(expected),
        Math.sign(order) === Buffer.compare(a.subarray(3), b),
        stampMs(a, 3) === x.ms && stampCounter(a, 3) === x.counter,
        parseStamp(formatStamp(a, 3)).equals(a.subarray(3)),
      ]
      check(!laws.includes(false), () => JSON.stringify([laws, x, y]))
    }
  })

  it('stamp: bare milliseconds: counter and tag are zero', () => {
    expect(formatStamp(parseStamp(1_735_689_600_000), 0)).toBe('1735689600000-0-0000000000000000')
    expect(parseStamp('5').equals(parseStamp(5))).toBe(true)
  })

  it.each([
    '',
    '-1',
    '1.5',
    '1e3',
    '1-2',
    '1-2-',
    '1-2-abc',
    '1-65536-0000000000000000',
    '281474976710656',
    '1-2-00000000000000000',
    '1-2-ABCDEFABCDEFABCD',
    ' 1',
    '1\n',
    Number.NaN,
    -1,
    2 ** 53,
  ])('stamp: %j: refused with what was expected', (text) => {
    expect(() => parseStamp(text)).toThrow(/not a stamp: .*expected whole milliseconds/s)
  })

  it('stamp: a node tag: the first 8 bytes of its id', () => {
    const tag = nodeTag('00112233-4455-6677-8899-aabbccddeeff')
    expect(tag.toString('hex')).toBe('0011223344556677')
  })
})
