import { cellSize } from '@cassiopeia/protocol'
import { GatheredBatch } from '../../src/hints/gathered-batch'
import {
  BATCH_HEADER_BYTES,
  batchFault,
  decodeBatchHeader,
  decodeFileHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  fileSeed,
  HINT_HEADER_BYTES,
  hintFileName,
  hintFileNumberOf,
  isMemberId,
} from '../../src/hints/hint-format'
import { MEMBER, makeCell, OTHER, range } from './support'

const HEADER = { number: 258, createdMs: Date.UTC(2025, 0, 1), memberId: MEMBER }

function gather(cells: readonly Buffer[]): GatheredBatch {
  const batch = new GatheredBatch(64 * 1024, 5_000)
  cells.forEach((cell, i) => {
    expect(batch.hasRoomFor(cell.length)).toBe(true)
    batch.add(i, cell, 0, cell.length)
  })
  return batch
}

describe('hint format', () => {
  test('hint format: file header: reads as written, layout as documented', () => {
    const bytes = encodeFileHeader(HEADER)
    expect(bytes).toHaveLength(FILE_HEADER_BYTES)
    const reading = decodeFileHeader(bytes, MEMBER, 258)
    expect(reading).toEqual({ header: HEADER, seed: fileSeed(bytes) })
    expect(bytes.subarray(0, 20).toString('hex')).toBe(
      '43484e540001000000000102' + '01941f297c000024',
    )
    expect(bytes.toString('latin1', 20, 20 + MEMBER.length)).toBe(MEMBER)
    expect(bytes.subarray(84).toString('hex')).toBe('1fe76a9f')
  })

  test('hint format: file header: every flipped bit and every cut is noticed', () => {
    const bytes = encodeFileHeader(HEADER)
    for (const bit of range(0, bytes.length * 8)) {
      const damaged = Buffer.from(bytes)
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      expect([bit, decodeFileHeader(damaged, MEMBER, 258).fault === undefined]).toEqual([
        bit,
        false,
      ])
    }
    for (const length of range(0, bytes.length)) {
      expect(decodeFileHeader(bytes.subarray(0, length), MEMBER, 258).fault).toBeDefined()
    }
  })

  test.each([
    ['for another member', OTHER, 258, 1, /kept for 6f96/],
    ['under another number', MEMBER, 257, 1, /as number 258/],
    ['from the future', MEMBER, 258, 2, /version 2 is unknown/],
  ])('hint format: a file %s: is refused', (_, member, number, version, fault) => {
    const bytes = encodeFileHeader(HEADER, version)
    expect(decodeFileHeader(bytes, member, number)).toEqual({ fault: expect.stringMatching(fault) })
  })

  test('hint format: batch: reads as written, cells byte by byte', () => {
    const cells = range(0, 20).map((i) => makeCell(i, i * 5))
    const bytes = gather(cells).encode(77, 4_242)
    const header = decodeBatchHeader(bytes, 0, 4_242)!
    expect(header).toMatchObject({ hints: 20, keptMs: 5_000 })
    expect(header.hintBytes).toBe(bytes.length - BATCH_HEADER_BYTES)
    expect(batchFault(bytes, 0, header, 77)).toBeUndefined()
    let at = BATCH_HEADER_BYTES
    cells.forEach((cell, i) => {
      expect(bytes.readUInt32BE(at)).toBe(i)
      at += HINT_HEADER_BYTES
      expect(bytes.subarray(at, at + cellSize(bytes, at))).toEqual(cell)
      at += cell.length
    })
    expect(at).toBe(bytes.length)
  })

  test('hint format: batch: another file, another place, another count: noticed', () => {
    const bytes = gather([makeCell(1), makeCell(2)]).encode(77, 4_242)
    const header = decodeBatchHeader(bytes, 0, 4_242)!
    expect(decodeBatchHeader(bytes, 0, 4_243)).toBeUndefined()
    expect(batchFault(bytes, 0, header, 78)).toMatch(/checksum/)
    expect(batchFault(bytes, 0, { ...header, hints: 3 }, 77)).toMatch(/has 2 hints, not 3/)
  })

  test('hint format: batch: layout as documented', () => {
    const batch = new GatheredBatch(64, Date.UTC(2025, 0, 1))
    batch.add(5, Buffer.from('a cell'), 0, 6)
    expect(batch.encode(0x01020304, 88).toString('hex')).toBe(
      '43484254' +
        'e005ebfb' +
        '000000580000000a00000001' +
        '01941f297c000000' +
        '00000005' +
        '612063656c6c',
    )
  })

  test('hint format: batch: visits the partitions that it has', () => {
    const seen: number[] = []
    gather(range(0, 9).map((i) => makeCell(i))).forEach((partition) => {
      seen.push(partition)
    })
    expect(seen).toEqual(range(0, 9))
  })

  test('hint format: names: only whole ones are taken', () => {
    expect(hintFileName(17)).toBe('0000000000000017.hints')
    expect(hintFileNumberOf('0000000000000017.hints')).toBe(17)
    for (const name of ['17.hints', '0000000000000017.hint', 'x0000000000000017.hints', 'lock']) {
      expect(hintFileNumberOf(name)).toBeUndefined()
    }
    expect([MEMBER, '..', '', 'a/b', '.', 'a.b', 'a'.repeat(65), '-a'].map(isMemberId)).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
      false,
      false,
    ])
  })
})
