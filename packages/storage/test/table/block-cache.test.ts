import { KeyedRandom } from '@cassiopeia/env'
import { BlockCache, type CacheOwner, META_PIECE } from '../../src/table/block-cache'
import { testSeeds } from '../support'

class FakeOwner implements CacheOwner {
  readonly entries = new Map<number, { entry: number; fill: number; length: number }>()
  pinned = false

  onEvicted(piece: number): void {
    if (!this.entries.delete(piece)) throw new Error(`piece ${piece} was evicted twice`)
  }
}

function add(cache: BlockCache, owner: FakeOwner, piece: number, length: number, fill: number) {
  if (piece === META_PIECE) {
    const entry = cache.addMeta(owner, 2, length, length)
    owner.entries.set(piece, { entry, fill, length })
    return
  }
  const bytes = Buffer.alloc(length + 20, fill)
  const entry = cache.addBlock(owner, piece, 0, bytes, 10, length, fill % 2 === 0)
  owner.entries.set(piece, { entry, fill, length })
}

describe('block cache', () => {
  testSeeds(
    'block cache: random pieces: none is mixed up, the budget is kept',
    15,
    async (seed) => {
      const random = new KeyedRandom(seed, 'pieces')
      let bytesMax = [100_000, 1_000_000, 3_000_000][random.below(3)]!
      const cache = new BlockCache(bytesMax, [512, 4096][random.below(2)]!)
      let mixedUp = 0
      let most = 0
      const owners = Array.from({ length: 5 }, () => new FakeOwner())
      for (let step = 0; step < 5_000; step += 1) {
        const owner = owners[random.below(owners.length)]!
        const piece = random.below(200) - 1
        const known = owner.entries.get(piece)
        if (known === undefined) {
          const length = random.chance(0.1) ? random.below(30_000) : 1 + random.below(4_500)
          add(cache, owner, piece, length, random.below(256))
          most = Math.max(most, cache.bytes - bytesMax)
        } else if (random.chance(0.1)) {
          cache.remove(known.entry)
          owner.entries.delete(piece)
        } else if (piece !== META_PIECE) {
          cache.chances[known.entry] = 1
          const base = cache.bases[known.entry]!
          const end = base + cache.lengths[known.entry]!
          const payload = cache.buffers[known.entry]!.subarray(base, end)
          if (!payload.equals(Buffer.alloc(known.length, known.fill))) mixedUp += 1
        }
        if (random.chance(0.001)) {
          bytesMax = 50_000 + random.below(3_000_000)
          cache.resize(bytesMax)
          expect(cache.bytes).toBeLessThanOrEqual(bytesMax)
        }
      }
      expect(mixedUp).toBe(0)
      expect(most).toBeLessThanOrEqual(80_000)
      cache.resize(0)
      expect(cache.bytes).toBe(0)
      expect(owners.map(({ entries }) => entries.size)).toEqual([0, 0, 0, 0, 0])
    },
  )

  test('block cache: pieces that are asked for stay, those that are not go', () => {
    const cache = new BlockCache(1_000_000)
    const owner = new FakeOwner()
    for (let piece = 0; piece < 100; piece += 1) add(cache, owner, piece, 4_000, 1)
    for (let piece = 100; piece < 1_000; piece += 1) {
      for (let hot = 0; hot < 100; hot += 1) cache.chances[owner.entries.get(hot)!.entry] = 2
      add(cache, owner, piece, 4_000, 1)
    }
    for (let hot = 0; hot < 100; hot += 1) expect(owner.entries.has(hot)).toBe(true)
    expect(owner.entries.size).toBeLessThan(250)
  })

  test('block cache: a pinned filter: stays, though the budget is exceeded', () => {
    const cache = new BlockCache(10_000)
    const owner = new FakeOwner()
    owner.pinned = true
    add(cache, owner, META_PIECE, 8_000, 0)
    for (let piece = 0; piece < 100; piece += 1) add(cache, owner, piece, 6_000, 0)
    expect(owner.entries.has(META_PIECE)).toBe(true)
    expect(owner.entries.size).toBe(2)
    owner.pinned = false
    for (let piece = 100; piece < 110; piece += 1) add(cache, owner, piece, 6_000, 0)
    expect(owner.entries.has(META_PIECE)).toBe(false)
    expect(cache.bytes).toBeLessThanOrEqual(10_000)
  })
})
