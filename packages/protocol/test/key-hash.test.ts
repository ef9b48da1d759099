import { fast1a52 } from 'fnv-plus'
import { SeededRandom } from '../../placement/test/support'
import { keyHash } from '../src'

test('key hash: random bytes: equals fast1a52 of their latin1 string (20,000 keys, seed 1)', () => {
  const random = new SeededRandom(1)
  for (let i = 0; i < 20_000; i++) {
    const key = random.bytes(random.below(64))
    expect(keyHash(key, 0, key.length)).toBe(fast1a52(Buffer.from(key).toString('latin1')))
  }
})

test('key hash: long key: equals fast1a52 (65,535 bytes)', () => {
  const key = new SeededRandom(2).bytes(65_535)
  expect(keyHash(key, 0, key.length)).toBe(fast1a52(Buffer.from(key).toString('latin1')))
})

test('key hash: key within a larger buffer: only its range counts', () => {
  const buffer = Buffer.from('..user:1..')
  expect(keyHash(buffer, 2, 8)).toBe(fast1a52('user:1'))
  expect(keyHash(buffer, 4, 4)).toBe(fast1a52(''))
})

test('key hash: any key: a safe integer of at most 52 bits', () => {
  const random = new SeededRandom(3)
  for (let i = 0; i < 10_000; i++) {
    const key = random.bytes(1 + random.below(20))
    const hash = keyHash(key, 0, key.length)
    expect(Number.isSafeInteger(hash) && hash >= 0 && hash < 2 ** 52).toBe(true)
  }
})
