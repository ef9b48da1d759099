import {
  BATCH_HEADER_BYTES,
  batchBytesAt,
  batchIsSound,
  decodeBatchHeader,
  decodeSegmentHeader,
  encodeBatchHeader,
  encodeSegmentHeader,
  segmentName,
  segmentNumberOf,
  segmentSeed,
} from '../../src/commit-log/format'

const HEADER = { number: 258, first: 7, createdMs: 1_735_689_600_000, previousBytes: 67_108_900 }

describe('commit log format', () => {
  test('commit log format: segment header: the bytes that docs/formats/commit-log.md shows', () => {
    const bytes = encodeSegmentHeader(HEADER)
    expect(bytes.toString('hex')).toBe(
      '434c5347' +
        '0001' +
        '000000000102' +
        '000000000007' +
        '01941f297c00' +
        '04000024' +
        'c6b1d72f',
    )
    expect(decodeSegmentHeader(bytes)).toEqual({ header: HEADER, seed: segmentSeed(bytes) })
  })

  test('commit log format: batch header: the bytes that docs/formats/commit-log.md shows', () => {
    const bytes = Buffer.alloc(BATCH_HEADER_BYTES)
    const cells = [Buffer.from('a cell'), Buffer.from(' and another')]
    encodeBatchHeader(bytes, 0x01020304, 32, 32, 2, cells)
    expect(bytes.toString('hex')).toBe(
      '434c4254' + '56ea6930' + '00000020' + '00000020' + '00000012' + '00000002',
    )
    const batch = decodeBatchHeader(bytes, 0, 32)
    expect(batch).toMatchObject({ position: 32, durableBytes: 32, cellBytes: 18, cells: 2 })
    const whole = Buffer.concat([bytes, ...cells])
    expect(batchBytesAt(whole, 0)).toBe(whole.length)
    expect(batchIsSound(whole, 0, batch!, 0x01020304)).toBe(true)
    expect(batchIsSound(whole, 0, batch!, 0x01020305)).toBe(false)
  })

  test('commit log format: a batch that was made for another position: not one here', () => {
    const bytes = Buffer.alloc(BATCH_HEADER_BYTES)
    encodeBatchHeader(bytes, 1, 56, 32, 0, [])
    expect(decodeBatchHeader(bytes, 0, 32)).toBeUndefined()
    expect(decodeBatchHeader(bytes, 0, 56)).toBeDefined()
  })

  test('commit log format: names: both ways, in the order of the numbers', () => {
    for (const number of [1, 42, 2 ** 48 - 1]) {
      expect(segmentNumberOf(segmentName(number))).toBe(number)
    }
    expect(segmentName(9) < segmentName(10)).toBe(true)
    for (const name of ['1.log', 'LOCK', '0000000000000001.log.aside', '000000000000000x.log']) {
      expect(segmentNumberOf(name)).toBeUndefined()
    }
  })
})
