import { Simulation } from '@cassiopeia/env'
import { type KeyPlaces, KeySorter } from '../../src/merge/sort-keys'
import { testSeeds } from '../support'

/** Keys in two buffers, in the order given. */
function placesOf(keys: readonly Buffer[]): KeyPlaces {
  const places = {
    buffers: [] as Buffer[],
    bufferOf: new Uint32Array(keys.length),
    starts: new Uint32Array(keys.length),
    lengths: new Uint16Array(keys.length),
  }
  for (const half of [0, 1]) {
    const parts: Buffer[] = []
    let end = 0
    keys.forEach((key, i) => {
      if (i % 2 !== half) return
      places.bufferOf[i] = half
      places.starts[i] = end
      places.lengths[i] = key.length
      parts.push(key)
      end += key.length
    })
    places.buffers.push(Buffer.concat(parts))
  }
  return places
}

function sorted(keys: readonly Buffer[]): string[] {
  const order = Uint32Array.from(keys, (_, i) => i)
  new KeySorter(placesOf(keys), keys.length).sort(order, 0, keys.length)
  return Array.from(order, (i) => keys[i]!.toString('hex'))
}

function expectSorted(keys: readonly Buffer[]): void {
  const expected = [...keys].sort(Buffer.compare).map((key) => key.toString('hex'))
  expect(sorted(keys)).toEqual(expected)
}

function distinct(keys: readonly Buffer[]): Buffer[] {
  return [...new Map(keys.map((key) => [key.toString('hex'), key])).values()]
}

describe('merge', () => {
  const zeros = Array.from({ length: 200 }, (_, i) => Buffer.alloc(i + 1))
  const nested = Array.from({ length: 300 }, (_, i) => Buffer.alloc(i + 1, 'a'))
  const tails = nested.flatMap((key) => [key, Buffer.concat([key, Buffer.from([0])])])
  const reversed = Array.from({ length: 5_000 }, (_, i) => Buffer.from(`user:${1e9 - i}`))
  const long = Array.from({ length: 40 }, (_, i) =>
    Buffer.concat([Buffer.alloc(60_000, 'x'), Buffer.from([i % 7, 255 - i])]),
  )
  test.each([
    ['no keys', []],
    ['one key', [Buffer.from('a')]],
    ['zeros of every length', zeros],
    ['each a prefix of the next', nested],
    ['the same, with a zero behind', tails],
    ['counting down, a long common prefix', reversed],
    ['very long common prefix', long],
    ['all single bytes', Array.from({ length: 256 }, (_, i) => Buffer.from([255 - i]))],
  ])('sort keys: %s: as Buffer.compare', (_name, keys: Buffer[]) => {
    expectSorted(keys)
    expectSorted(keys.toReversed())
  })

  testSeeds('sort keys: nasty keys: as Buffer.compare', 60, async (seed) => {
    const random = new Simulation({ seed }).random('keys')
    const alphabet = [Buffer.from([0, 1]), Buffer.from([0, 255, 97]), undefined][seed % 3]
    const prefix = random.bytes(random.below(3) * 20)
    const lengthMax = 1 + random.below(seed % 2 === 0 ? 12 : 40)
    const keys = Array.from({ length: 1 + random.below(3_000) }, () => {
      const tail = Buffer.from(random.bytes(1 + random.below(lengthMax)))
      if (alphabet !== undefined) {
        for (let i = 0; i < tail.length; i += 1) tail[i] = alphabet[tail[i]! % alphabet.length]!
      }
      return random.chance(0.1) ? tail : Buffer.concat([prefix, tail])
    })
    expectSorted(distinct(keys))
  })
})
