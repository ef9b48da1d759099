import { KeyedRandom } from '@cassiopeia/env'
import { partitionOf as placedIn } from '@cassiopeia/placement'
import { cellKey, keyHash } from '@cassiopeia/protocol'
import { DIGEST_LEAVES, digestLeafOf, EXPIRY_MARGIN_MS, isDeadIn, rootOf } from '../../src'
import { DigestBuilder } from '../../src/digest/digest-builder'
import { type CellFields, makeCell } from '../support'

const CUTOFF_MS = 1_000_000

function digestOf(cells: readonly Buffer[], provenMs = 0) {
  const builder = new DigestBuilder(CUTOFF_MS)
  builder.begin(provenMs)
  for (const cell of cells) builder.add(cell, 0, hashOf(cell))
  return builder.take(0, false)
}

function hashOf(cell: Buffer): number {
  const key = cellKey(cell, 0)
  return keyHash(key, 0, key.length)
}

function hex(fields: CellFields, provenMs = 0): string {
  const { leaves } = digestOf([makeCell(fields)], provenMs)
  return leaves === undefined ? 'none' : Buffer.from(leaves).toString('hex')
}

describe('digest builder', () => {
  for (const bits of [10, 12]) {
    test(`digest builder: keys of each partition: all leaves have their share (2^${bits})`, () => {
      const keys = 150_000
      const counts = new Uint32Array(2 ** bits * DIGEST_LEAVES)
      const totals = new Uint32Array(2 ** bits)
      const key = Buffer.alloc(20)
      for (let i = 0; i < keys; i += 1) {
        const hash = keyHash(key, 0, key.write(`user:${i}`))
        const partition = placedIn(hash, bits)
        counts[partition * DIGEST_LEAVES + digestLeafOf(hash)]! += 1
        totals[partition]! += 1
      }
      let chi = 0
      for (let i = 0; i < counts.length; i += 1) {
        const expected = totals[Math.floor(i / DIGEST_LEAVES)]! / DIGEST_LEAVES
        chi += (counts[i]! - expected) ** 2 / expected
      }
      const freedom = 2 ** bits * (DIGEST_LEAVES - 1)
      expect(Math.abs(chi - freedom)).toBeLessThan(6 * Math.sqrt(2 * freedom))
    })
  }

  test('digest builder: known cells: the numbers that every version must come to', () => {
    const live = digestOf([makeCell({ key: 'a', ms: 5, value: 'v' })])
    const dead = digestOf([makeCell({ key: 'b', ms: 5, counter: 3, tombstone: true })])
    const byClient = makeCell({ key: 'c', ms: 6, value: 'v', clientStamp: true, expiryMs: 9e12 })
    const mixed = digestOf([makeCell({ key: 'a', ms: 5, value: 'v' }), byClient])
    const roots = [live, dead, mixed].map(({ leaves }) =>
      Buffer.from(rootOf(leaves!)).toString('hex'),
    )
    expect(roots).toMatchInlineSnapshot(`
[
  "c9c6b9ea679327d9",
  "b34f0c0b2edee71c",
  "ac292914b41a8ebe",
]
`)
    expect([live, dead, mixed].map(({ leaves }) => firstLeaf(leaves!))).toMatchInlineSnapshot(`
[
  "115 6707b1ed03b2e238",
  "147 c5350fd255f4411f",
  "115 6707b1ed03b2e238",
]
`)
  })

  test('digest builder: nothing counts: no leaves; leaves that are zero: a root that is zero', () => {
    expect(digestOf([])).toEqual({
      partition: 0,
      leaves: undefined,
      cells: 0,
      dead: 0,
      above: 0,
      expiryMs: Number.POSITIVE_INFINITY,
      damaged: false,
    })
    expect(rootOf(new Uint8Array(2_048))).toEqual(new Uint8Array(8))
  })

  test('digest builder: any order, one after the other: the same leaves', () => {
    const random = new KeyedRandom(1, 'order')
    const cells = Array.from({ length: 500 }, (_, i) => makeCell({ key: `k${i}`, ms: 1 + i }))
    const first = digestOf(cells)
    for (let i = cells.length - 1; i > 0; i -= 1) {
      const j = random.below(i + 1)
      ;[cells[i], cells[j]] = [cells[j]!, cells[i]!]
    }
    expect(digestOf(cells)).toEqual(first)
    const builder = new DigestBuilder(CUTOFF_MS)
    for (let time = 0; time < 2; time += 1) {
      builder.begin(0)
      for (const cell of cells) builder.add(cell, 0, hashOf(cell))
      expect(builder.take(0, false)).toEqual(first)
    }
  })

  test('digest builder: one cell differs: in exactly one leaf, and in the root', () => {
    const cells = Array.from({ length: 40 }, (_, i) => makeCell({ key: `k${i}`, ms: 1 }))
    const first = digestOf(cells).leaves!
    for (let i = 0; i < cells.length; i += 1) {
      const others = cells.with(i, makeCell({ key: `k${i}`, ms: 1, counter: 1 }))
      const second = digestOf(others).leaves!
      const differing = new Set<number>()
      first.forEach((byte, at) => {
        if (byte !== second[at]) differing.add(at >> 3)
      })
      expect([...differing]).toEqual([digestLeafOf(hashOf(cells[i]!))])
      expect(rootOf(second)).not.toEqual(rootOf(first))
    }
  })

  test('digest builder: equal leaves at other places: another root', () => {
    const leaves = new Uint8Array(2_048)
    leaves[3] = 1
    const other = new Uint8Array(2_048)
    other[11] = 1
    expect(rootOf(leaves)).not.toEqual(rootOf(other))
  })

  test('digest builder: what tells two versions apart', () => {
    const cell: CellFields = { key: 'k', ms: 500, value: 'v' }
    const same = hex(cell)
    expect(hex({ ...cell, ms: 501 })).not.toBe(same)
    expect(hex({ ...cell, counter: 1 })).not.toBe(same)
    expect(hex({ ...cell, tombstone: true })).not.toBe(same)
    // A stamp of the store's own says which value it is.
    expect(hex({ ...cell, value: 'w' })).toBe(same)
    const far = CUTOFF_MS + 2 * EXPIRY_MARGIN_MS
    expect(hex({ ...cell, expiryMs: far })).toBe(same)

    const given: CellFields = { ...cell, clientStamp: true }
    expect(hex({ ...given, value: 'w' })).not.toBe(hex(given))
    expect(hex({ ...given, expiryMs: far })).not.toBe(hex(given))
    expect(hex({ ...given, expiryMs: far })).not.toBe(hex({ ...given, expiryMs: far + 1 }))
    // Dead ones are alike, however they have died.
    const dead = hex({ ...cell, tombstone: true })
    expect(hex({ ...given, tombstone: true })).toBe(dead)
    expect(hex({ ...given, expiryMs: 700 })).toBe(dead)
    expect(hex({ ...cell, expiryMs: CUTOFF_MS + EXPIRY_MARGIN_MS })).toBe(dead)
    expect(hex({ ...cell, expiryMs: CUTOFF_MS + EXPIRY_MARGIN_MS + 1 })).toBe(same)
  })

  test('digest builder: what counts: dead ones above what is proven, nothing above the cutoff', () => {
    const dead: CellFields = { key: 'k', ms: 500, tombstone: true }
    expect(hex(dead, 500)).toBe('none')
    expect(hex(dead, 499)).not.toBe('none')
    expect(hex({ key: 'k', ms: 500, expiryMs: 1 }, 500)).toBe('none')
    expect(hex({ key: 'k', ms: 500 }, 500)).not.toBe('none')
    expect(hex({ key: 'k', ms: CUTOFF_MS })).not.toBe('none')
    expect(hex({ key: 'k', ms: CUTOFF_MS + 1 })).toBe('none')
    const far = CUTOFF_MS + EXPIRY_MARGIN_MS
    const cells = [
      makeCell({ key: 'a', ms: 1, tombstone: true }),
      makeCell({ key: 'b', ms: 9, tombstone: true }),
      makeCell({ key: 'c', ms: 9, expiryMs: 10 }),
      makeCell({ key: 'd', ms: 1, expiryMs: far + 70 }),
      makeCell({ key: 'e', ms: 1, expiryMs: far + 60 }),
      makeCell({ key: 'f', ms: CUTOFF_MS + 1, tombstone: true }),
      makeCell({ key: 'g', ms: CUTOFF_MS + 1, expiryMs: far + 1 }),
    ]
    const found = digestOf(cells, 5)
    expect(found).toMatchObject({ cells: 4, dead: 2, above: 2, expiryMs: CUTOFF_MS + 60 })
    // At that cutoff, and not before, one is dead that was alive.
    expect(isDeadIn(cells[4]!, 0, found.expiryMs)).toBe(true)
    expect(isDeadIn(cells[4]!, 0, found.expiryMs - 1)).toBe(false)
  })
})

function firstLeaf(leaves: Uint8Array): string {
  const at = leaves.findIndex((byte) => byte !== 0) & ~7
  return `${at >> 3} ${Buffer.from(leaves.subarray(at, at + 8)).toString('hex')}`
}
