import { deflateBlock, inflateBlock } from '../src'

describe('compression', () => {
  test('compression: blocks of all sizes: come back as they were', () => {
    for (const size of [0, 1, 63, 4096, 100_000, 1024 * 1024]) {
      const bytes = Buffer.alloc(size, 'some text, ')
      const deflated = deflateBlock(bytes)
      expect(inflateBlock(deflated, size)?.equals(bytes)).toBe(true)
    }
  })

  test('compression: another size than said, or no compressed bytes: undefined', () => {
    const deflated = deflateBlock(Buffer.alloc(1000, 1))
    for (const size of [0, 1, 999, 1001, 100_000]) {
      expect(inflateBlock(deflated, size)).toBeUndefined()
    }
    expect(inflateBlock(Buffer.from('no such thing'), 1000)).toBeUndefined()
    expect(inflateBlock(deflated.subarray(0, -1), 1000)).toBeUndefined()
    expect(inflateBlock(Buffer.alloc(0), 1000)).toBeUndefined()
  })
})
