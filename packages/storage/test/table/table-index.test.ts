import { KeyedRandom } from '@cassiopeia/env'
import { comparePlaces, type Place } from '../../src/table/place'
import { TableIndex, TableIndexBuilder } from '../../src/table/table-index'
import { testSeeds } from '../support'

function randomPlace(random: KeyedRandom): Place {
  const key = random.bytes(1 + random.below(5))
  for (let i = 0; i < key.length; i += 1) key[i] = 97 + (key[i]! % 3)
  return { partition: random.below(4) * 2, key }
}

describe('table index', () => {
  testSeeds('table index: random separators: found as one by one', 20, async (seed) => {
    const random = new KeyedRandom(seed, 'places')
    const places = Array.from({ length: 1 + random.below(200) }, () => randomPlace(random))
    const starts = places
      .sort(comparePlaces)
      .filter((place, i) => i === 0 || comparePlaces(places[i - 1]!, place) < 0)
    const builder = new TableIndexBuilder()
    const [first] = starts
    starts.forEach(({ partition, key }, i) => {
      builder.add(24 + i * 100, partition, key, 0, i === 0 ? 0 : key.length)
    })
    const payload = builder.encode(24 + starts.length * 100, first!, starts.at(-1)!)
    // Where it lies in memory makes no difference.
    const shift = random.below(8)
    const moved = Buffer.concat([Buffer.alloc(shift), payload]).subarray(shift)
    const index = TableIndex.decode(moved)!
    expect(index.blocks).toBe(starts.length)
    expect([index.first, index.last]).toEqual([first, starts.at(-1)])
    for (let i = 0; i < starts.length; i += 1) {
      expect([index.position(i), index.bytesOf(i)]).toEqual([24 + i * 100, 100])
    }
    for (let i = 0; i < 300; i += 1) {
      const place = randomPlace(random)
      const isBelow = place.partition < first!.partition
      const expected = starts.findLastIndex((start) => comparePlaces(start, place) <= 0)
      const found = index.find(place.partition, place.key, 0, place.key.length)
      expect(found).toBe(isBelow ? -1 : Math.max(0, expected))
    }
  })

  test('table index: malformed payloads: refused', () => {
    const builder = new TableIndexBuilder()
    const place = { partition: 1, key: Buffer.from('key') }
    builder.add(24, 1, place.key, 0, 0)
    const payload = builder.encode(124, place, place)
    for (let length = 0; length < payload.length; length += 1) {
      expect(TableIndex.decode(Buffer.from(payload.subarray(0, length)))).toBeUndefined()
    }
    expect(TableIndex.decode(payload)).toBeDefined()
  })
})
