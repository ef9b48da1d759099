import { keyHash } from '@cassiopeia/protocol'
import { KeyFilter } from '../../src/table/filter'

function hashOf(text: string): number {
  const bytes = Buffer.from(text)
  return keyHash(bytes, 0, bytes.length)
}

describe('filter', () => {
  test.each([
    [1_000, 10, 0.015],
    [100_000, 10, 0.012],
    [20_000, 5, 0.11],
    [20_000, 32, 0.0001],
  ])('filter: %d keys at %d bits: none is missed, others pass at most %d', (keys, bits, most) => {
    const filter = KeyFilter.sized(keys, bits)
    for (let i = 0; i < keys; i += 1) filter.add(hashOf(`user:${i}`))
    const loaded = KeyFilter.decode(Buffer.concat(filter.encode()))!
    let missed = 0
    for (let i = 0; i < keys; i += 1) if (!loaded.has(hashOf(`user:${i}`))) missed += 1
    expect(missed).toBe(0)
    let passed = 0
    const tries = 50_000
    for (let i = 0; i < tries; i += 1) if (loaded.has(hashOf(`other:${i}`))) passed += 1
    expect(passed / tries).toBeLessThanOrEqual(most)
  })

  test('filter: its bits: the same in every version', () => {
    const filter = KeyFilter.sized(4, 10)
    for (const key of ['a', 'b', 'c', 'd']) filter.add(hashOf(key))
    expect(Buffer.concat(filter.encode()).toString('hex')).toBe('0000004006000000c81209932089ac88')
  })

  test('filter: the bits of a key: those of the formulas in docs/formats/table.md', () => {
    const word = 2n ** 32n
    for (let i = 0; i < 200; i += 1) {
      const hash = hashOf(`key ${i}`)
      const filter = KeyFilter.sized(100, 10)
      filter.add(hash)
      const payload = Buffer.concat(filter.encode())
      const bits = BigInt(payload.readUInt32BE(0))
      const low = BigInt(hash) % word
      const high = BigInt(hash) / word
      let a = ((low ^ ((high * 0x9e3779b1n) % word)) * 0x85ebca6bn) % word
      a = ((a ^ (a >> 13n)) * 0xc2b2ae35n) % word
      a ^= a >> 16n
      let b = ((high ^ (low >> 12n) ^ ((low << 20n) % word)) * 0x27d4eb2fn) % word
      b = ((b ^ (b >> 15n)) * 0x165667b1n) % word
      b = (b ^ (b >> 14n)) | 1n
      const expected = Buffer.alloc(payload.length - 8)
      for (let probe = 0n; probe < 6n; probe += 1n) {
        const bit = Number((((a + probe * b) % word) * bits) / word)
        expected[bit >>> 3]! |= 1 << (bit & 7)
      }
      expect(payload.subarray(8).equals(expected)).toBe(true)
    }
  })

  test('filter: malformed payloads: refused', () => {
    const payload = Buffer.concat(KeyFilter.sized(4, 10).encode())
    expect(KeyFilter.decode(payload)).toBeDefined()
    for (const bad of [Buffer.alloc(0), payload.subarray(0, -1), Buffer.alloc(16)]) {
      expect(KeyFilter.decode(bad)).toBeUndefined()
    }
  })
})
