import { KeyedRandom } from '@cassiopeia/env'
import { comparePlaces, type Place } from '../../src/table/place'
import { Separators } from '../../src/table/separators'
import { testSeeds } from '../support'

const KEY_BYTES_MAX = 65_535

/** Bytes at both ends of the order, so that a head may be all zeros and signs would matter. */
const BYTES = [0x00, 0x01, 0x61, 0x7f, 0x80, 0xff]

function randomBytes(random: KeyedRandom, bytesMax: number): Buffer {
  const bytes = random.bytes(random.below(bytesMax + 1))
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = BYTES[bytes[i]! % BYTES.length]!
  return bytes
}

/** Separators as tables have them: ascending, the first one empty, some empty in later partitions. */
function randomSeparators(random: KeyedRandom, shared: readonly Buffer[]): Place[] {
  const count = 1 + random.below(150)
  const partitions = 1 + random.below(random.chance(0.5) ? 3 : 100)
  const places = Array.from({ length: count }, () => {
    const partition = 2 + random.below(partitions) * 2
    const key = Buffer.concat([shared[partition % shared.length]!, randomBytes(random, 7)])
    return { partition, key: random.chance(0.1) ? Buffer.alloc(0) : key }
  }).sort(comparePlaces)
  return places
    .filter((place, i) => i === 0 || comparePlaces(places[i - 1]!, place) < 0)
    .map((place, i) => (i === 0 ? { ...place, key: Buffer.alloc(0) } : place))
}

function separatorsOf(places: readonly Place[]): Separators {
  let end = 0
  const keyEnds = places.map(({ key }) => {
    end += key.length
    return end
  })
  return new Separators(
    Uint32Array.from(places, ({ partition }) => partition),
    Uint32Array.from(keyEnds),
    Buffer.concat(places.map(({ key }) => key)),
  )
}

/** One by one: the last separator that is not above the place. */
function linearSearch(places: readonly Place[], place: Place): number {
  return places.findLastIndex((each) => comparePlaces(each, place) <= 0)
}

/** A key that is a separator's, its beginning, its continuation, or only like it. */
function randomKey(random: KeyedRandom, near: Buffer, shared: Buffer): Buffer {
  switch (random.below(4)) {
    case 0:
      return near
    case 1:
      return near.subarray(0, random.below(near.length + 1))
    case 2:
      return Buffer.concat([near, randomBytes(random, 6)])
    default:
      return Buffer.concat([shared.subarray(random.below(2)), randomBytes(random, 7)])
  }
}

function find(separators: Separators, { partition, key }: Place): number {
  const around = Buffer.concat([Buffer.from([0xff]), key, Buffer.from([0xff])])
  return separators.find(partition, around, 1, around.length - 1)
}

describe('separators', () => {
  testSeeds('separators: random ones: found as one by one', 60, async (seed) => {
    const random = new KeyedRandom(seed, 'separators')
    const shared = Array.from({ length: 1 + random.below(3) }, () => randomBytes(random, 12))
    const places = randomSeparators(random, shared)
    const separators = separatorsOf(places)
    for (let i = 0; i < 400; i += 1) {
      const near = places[random.below(places.length)]!
      const key = randomKey(random, near.key, shared[random.below(shared.length)]!)
      const partition = random.chance(0.8) ? near.partition : random.below(210)
      const place = { partition, key }
      expect([place, find(separators, place)]).toEqual([place, linearSearch(places, place)])
    }
  })

  test.each([
    ['a beginning of what all share', 'key:', 0],
    ['what all share', 'key:00', 0],
    ['the same and a zero byte', 'key:00\0', 1],
    ['a separator', 'key:001', 2],
    ['a separator and more', 'key:0010', 2],
    ['between heads that are equal', 'key:002345', 4],
    ['the last of equal heads', 'key:0023457', 5],
    ['bytes above 0x7f', 'key:00\u00ff', 5],
    ['above what all share', 'key:01', 5],
    ['no bytes', '', 0],
  ])('separators: %s: found (%j)', (_, key, expected) => {
    const keys = ['', 'key:00\0', 'key:001', 'key:00234', 'key:0023449', 'key:002345678']
    const places = keys.map((text) => ({ partition: 5, key: Buffer.from(text, 'latin1') }))
    const place = { partition: 5, key: Buffer.from(key, 'latin1') }
    expect(find(separatorsOf(places), place)).toBe(expected)
    expect(linearSearch(places, place)).toBe(expected)
  })

  test('separators: of keys of the largest size: found', () => {
    const long = Buffer.alloc(KEY_BYTES_MAX, 0xff)
    const places = [Buffer.alloc(0), long.subarray(1), long].map((key) => ({ partition: 1, key }))
    const separators = separatorsOf(places)
    for (const key of [long.subarray(2), ...places.map((place) => place.key)]) {
      const place = { partition: 1, key }
      expect(find(separators, place)).toBe(linearSearch(places, place))
    }
  })

  test('separators: what they take: a head each, a few bytes for each partition', () => {
    const places = Array.from({ length: 100 }, (_, i) => ({
      partition: Math.floor(i / 10),
      key: Buffer.from(i % 10 === 0 ? '' : `key-${i}`),
    }))
    expect(separatorsOf(places).bytes).toBe(100 * 4 + 10 * 10)
  })
})
