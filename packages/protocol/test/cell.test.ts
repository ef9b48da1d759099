import {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  cellExpiryMs,
  cellFault,
  cellKey,
  cellSize,
  cellValue,
  cellWithoutValue,
  EXPIRY_MS_MAX,
  isExpired,
  KEY_BYTES_MAX,
  reconcile,
  setCellExpiryMs,
  ValueKind,
  writeCell,
  writeStamp,
} from '../src'
import { check, SeededRandom } from './support'

const TAG = Buffer.from('0123456789abcdef', 'hex')

interface CellParts {
  key?: string
  value?: string
  ms?: number
  counter?: number
  flags?: number
  kind?: number
  expiryMs?: number
  at?: number
}

function makeCell(parts: CellParts = {}): Buffer {
  const { ms = 1, counter = 0, flags = 0, kind = ValueKind.text, expiryMs = 0, at = 0 } = parts
  const key = Buffer.from(parts.key ?? 'k')
  const value = Buffer.from(parts.value ?? '')
  const cell = Buffer.alloc(at + cellBytes(key.length, value.length))
  writeCell(cell, at, key, value, flags, kind)
  writeStamp(cell, at + CELL_STAMP_AT, ms, counter, TAG)
  setCellExpiryMs(cell, at, expiryMs)
  return cell
}

describe('cell', () => {
  it('cell: layout: the bytes are the golden ones', () => {
    const cell = makeCell({
      key: 'ryan',
      value: 'jiang',
      ms: 1_735_689_600_000,
      counter: 7,
      flags: CellFlag.expires,
      expiryMs: 1_735_689_660_000,
    })
    expect(cell.toString('hex')).toBe(
      `${'00000029'}${'0004'}02${'01'}01941f297c000007${'0123456789abcdef'}` +
        `${'01941f2a6660'}0000${'7279616e'}${'6a69616e67'}`,
    )
    expect(cellFault(cell, 0, cell.length)).toBeUndefined()
    expect(cellKey(cell, 0).toString()).toBe('ryan')
    expect(cellValue(cell, 0).toString()).toBe('jiang')
    expect(cellExpiryMs(cell, 0)).toBe(1_735_689_660_000)
  })

  it('cell: at an offset: every field is found there and nowhere else', () => {
    const cell = makeCell({ key: 'key', value: 'value', at: 13 })
    expect(cell.subarray(0, 13).every((byte) => byte === 0)).toBe(true)
    expect(cellSize(cell, 13)).toBe(cell.length - 13)
    expect(cellKey(cell, 13).toString()).toBe('key')
    expect(cellValue(cell, 13).toString()).toBe('value')
    const bare = cellWithoutValue(cell, 13)
    expect(cellFault(bare, 0, bare.length)).toBeUndefined()
    expect([cellKey(bare, 0).toString(), cellValue(bare, 0).length]).toEqual(['key', 0])
  })

  it('cell: every truncation and every extension: a fault', () => {
    const cell = makeCell({ key: 'key', value: 'value' })
    for (let end = 0; end < cell.length; end += 1) {
      expect(cellFault(cell, 0, end)).toBeDefined()
      expect(cellFault(cell.subarray(0, end), 0, end)).toBeDefined()
    }
    const longer = Buffer.concat([cell, Buffer.alloc(1)])
    expect(cellFault(longer, 0, longer.length)).toBeDefined()
    expect(cellFault(longer, 0, cell.length)).toBeUndefined()
  })

  it.each<[string, (cell: Buffer) => void]>([
    ['an empty key', (cell) => cell.writeUInt16BE(0, 4)],
    ['a key longer than the cell', (cell) => cell.writeUInt16BE(7, 4)],
    ['an unknown flag', (cell) => cell.writeUInt8(8, 6)],
    ['an unknown kind', (cell) => cell.writeUInt8(3, 7)],
    ['a tombstone with a value', (cell) => cell.writeUInt8(CellFlag.tombstone, 6)],
    ['an expiry without its flag', (cell) => setCellExpiryMs(cell, 0, 1)],
    ['the expiry flag without an expiry', (cell) => cell.writeUInt8(CellFlag.expires, 6)],
    ['reserved bytes in use', (cell) => cell.writeUInt8(1, 31)],
    ['a size of 2^32 - 1', (cell) => cell.writeUInt32BE(0xffffffff, 0)],
    ['a size of 0', (cell) => cell.writeUInt32BE(0, 0)],
  ])('cell: %s: a fault in words', (_what, damage) => {
    const cell = makeCell({ key: 'key', value: 'v' })
    expect(cellFault(cell, 0, cell.length)).toBeUndefined()
    damage(cell)
    expect(cellFault(cell, 0, cell.length)).toMatch(/\w+ \w+/)
  })

  it('cell: random bytes: never a throw, and what passes can be read (seed 11)', () => {
    const random = new SeededRandom(11)
    let sound = 0
    for (let i = 0; i < 20_000; i += 1) {
      const bytes = random.bytes(random.below(80))
      if (bytes.length >= CELL_HEADER_BYTES && random.chance(0.8)) {
        // Steer towards what is nearly sound.
        bytes.writeUInt32BE(bytes.length, 0)
        bytes.writeUInt16BE(random.below(40), 4)
        bytes[6] = random.below(9)
        bytes[7] = random.below(4)
        if (random.chance(0.8)) bytes.fill(0, 24, 32)
      }
      if (cellFault(bytes, 0, bytes.length) !== undefined) continue
      sound += 1
      const keyBytes = cellKey(bytes, 0).length
      const valueBytes = cellValue(bytes, 0).length
      const sum = CELL_HEADER_BYTES + keyBytes + valueBytes
      check(keyBytes > 0 && sum === bytes.length, () => bytes.toString('hex'))
    }
    expect(sound).toBeGreaterThan(100)
  })

  it('cell: the longest key and the latest expiry: sound', () => {
    const flags = CellFlag.expires
    const cell = makeCell({ key: 'k'.repeat(KEY_BYTES_MAX), flags, expiryMs: EXPIRY_MS_MAX })
    expect(cellFault(cell, 0, cell.length)).toBeUndefined()
    expect(isExpired(cell, 0, EXPIRY_MS_MAX - 1)).toBe(false)
    expect(isExpired(cell, 0, EXPIRY_MS_MAX)).toBe(true)
  })
})

describe('reconcile', () => {
  it.each<[string, CellParts, CellParts]>([
    ['a later millisecond', { ms: 2 }, { ms: 1, counter: 9 }],
    ['a higher counter', { counter: 2 }, { counter: 1 }],
    ['a tombstone, of equal stamps', { flags: 5 }, { flags: 4, value: 'zz' }],
    ['a larger value, of equal stamps', { flags: 4, value: 'b' }, { flags: 4, value: 'abc' }],
    ['a longer value, of equal beginnings', { value: 'ab' }, { value: 'a' }],
    ['a later expiry, of equal values', { flags: 6, expiryMs: 2 }, { flags: 6, expiryMs: 1 }],
  ])('reconcile: %s: wins from either side', (_what, winner, loser) => {
    const [a, b] = [makeCell(winner), makeCell({ ...loser, at: 5 })]
    expect(reconcile(a, 0, b, 5)).toBeGreaterThan(0)
    expect(reconcile(b, 5, a, 0)).toBeLessThan(0)
  })

  it('reconcile: triples, stamps often equal: commutative, associative, idempotent (seed 12)', () => {
    const random = new SeededRandom(12)
    const anyCell = (): Buffer => {
      const isTombstone = random.chance(0.3)
      const expires = random.chance(0.3)
      return makeCell({
        value: isTombstone ? '' : random.pick(['', 'a', 'b', 'ab', 'ba']),
        ms: 1 + random.below(2),
        counter: random.below(2),
        kind: random.below(3),
        flags: Number(isTombstone) + 2 * Number(expires) + 4 * random.below(2),
        expiryMs: expires ? 1 + random.below(2) : 0,
      })
    }
    const newest = (a: Buffer, b: Buffer): Buffer => (reconcile(a, 0, b, 0) >= 0 ? a : b)
    let ties = 0
    for (let i = 0; i < 20_000; i += 1) {
      const [a, b, c] = [anyCell(), anyCell(), anyCell()]
      const byAb = reconcile(a, 0, b, 0)
      ties += byAb === 0 ? 1 : 0
      const laws = [
        Math.sign(byAb) === -Math.sign(reconcile(b, 0, a, 0)),
        // Only the same bytes are equal: replicas that agree hold the same cell.
        (byAb === 0) === a.equals(b),
        newest(a, a).equals(a),
        newest(newest(a, b), c).equals(newest(a, newest(b, c))),
        newest(a, b).equals(newest(b, a)),
      ]
      check(!laws.includes(false), () =>
        [laws, ...[a, b, c].map((cell) => cell.toString('hex'))].join(' '),
      )
    }
    expect(ties).toBeGreaterThan(10)
  })
})
