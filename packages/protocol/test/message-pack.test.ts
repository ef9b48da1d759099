import { DEPTH_MAX, ELEMENTS_MAX, messagePackFault, pack, unpack } from '../src'
import { check, SeededRandom } from './support'

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i += 1) value = [value]
  return value
}

function anyValue(random: SeededRandom, depth = 0): unknown {
  const kind = random.below(depth > 4 ? 12 : 18)
  const many = <T>(make: () => T): T[] => Array.from({ length: random.below(5) }, make)
  switch (kind) {
    case 0:
      return random.u32() - 2 ** 31
    case 1:
      return random.u32() * random.u32() * 2.5
    case 2:
      return random.below(300) - 150
    case 3:
      return BigInt(random.u32()) * BigInt(random.u32()) * (random.chance(0.5) ? 1n : -1n)
    case 4:
      return 2n ** BigInt(random.below(300)) * (random.chance(0.5) ? 1n : -1n)
    case 5:
      return 'é'.repeat(random.below(200))
    case 6:
      return random.bytes(random.below(300))
    case 7:
      return null
    case 8:
      return random.chance(0.5)
    case 9:
      return new Date(random.u32() * random.below(5_000) - random.u32())
    case 10:
      return random.pick([Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE, undefined])
    case 11:
      return -random.below(70_000)
    case 12:
    case 13:
      return many(() => anyValue(random, depth + 1))
    case 14:
      return new Set(many(() => anyValue(random, depth + 1)))
    case 15:
      return new Map(
        many(() => [anyValue(random, depth + 1), anyValue(random, depth + 1)] as const),
      )
    default:
      return Object.fromEntries(
        many(() => [`key ${random.below(100)}`, anyValue(random, depth + 1)] as const),
      )
  }
}

describe('message pack', () => {
  it('message pack: whatever is packed: found sound, and comes back equal (seed 51)', () => {
    const random = new SeededRandom(51)
    for (let i = 0; i < 5_000; i += 1) {
      const value = anyValue(random)
      const bytes = pack(value)
      check(messagePackFault(bytes) === undefined, () => bytes.toString('hex'))
      if (i % 10 === 0) expect(unpack(bytes)).toEqual(value)
      else check(pack(unpack(bytes)).equals(bytes), () => bytes.toString('hex'))
    }
  })

  it('message pack: long containers and strings: found sound', () => {
    for (const length of [15, 16, 255, 256, 65_535, 65_536, 70_000]) {
      const array = Array.from({ length }, (_, i) => i)
      const object = Object.fromEntries(array.map((i) => [`k${i}`, i]))
      const values = [
        array,
        object,
        new Set(array),
        new Map(array.map((i) => [i, i])),
        'x'.repeat(length),
      ]
      for (const value of [...values, Buffer.alloc(length)]) {
        const bytes = pack(value)
        expect(messagePackFault(bytes)).toBeUndefined()
        const back = unpack(bytes)
        expect(Object.prototype.toString.call(back)).toBe(Object.prototype.toString.call(value))
        expect(pack(back).equals(bytes)).toBe(true)
      }
    }
  })

  it('message pack: every truncation: a fault (seed 52)', () => {
    const random = new SeededRandom(52)
    for (let i = 0; i < 200; i += 1) {
      const bytes = pack(anyValue(random))
      for (let end = 0; end < Math.min(bytes.length, 300); end += 1) {
        const fault = messagePackFault(bytes.subarray(0, end))
        check(fault !== undefined, () => `${bytes.toString('hex')} up to ${end}`)
      }
      expect(messagePackFault(Buffer.concat([bytes, Buffer.alloc(1)]))).toBe(
        'bytes follow the value',
      )
    }
  })

  it('message pack: random and mutated bytes: a value or a RangeError, nothing else (seed 53)', () => {
    const random = new SeededRandom(53)
    let values = 0
    for (let i = 0; i < 15_000; i += 1) {
      let bytes = random.bytes(1 + random.below(40))
      if (random.chance(0.6)) {
        bytes = Buffer.from(pack(anyValue(random)).subarray(0, 2_000))
        for (let j = 0; j <= random.below(3); j += 1) {
          bytes[random.below(bytes.length)] = random.chance(0.5)
            ? random.below(256)
            : 0xc0 + random.below(32)
        }
      }
      try {
        unpack(bytes)
        values += 1
      } catch (error) {
        check(error instanceof RangeError, () => `${bytes.toString('hex')}: ${String(error)}`)
      }
    }
    expect(values).toBeGreaterThan(1_000)
    expect(unpack(pack({ a: [64, 127, 100] }))).toEqual({ a: [64, 127, 100] })
  })

  it('message pack: 73 KB of nested array headers, each announcing 65,535: refused at once', () => {
    const header = Buffer.from([0xdc, 0xff, 0xff])
    const bomb = Buffer.concat(Array.from({ length: 24_500 }, () => header))
    expect(messagePackFault(bomb)).toBeDefined()
    // Where each one is padded so that its announcement is true of the bytes that are left.
    const shallow = Buffer.concat([header, header, Buffer.alloc(65_534)])
    expect(messagePackFault(shallow)).toMatch(/announces more than it holds/)
  })

  it.each([
    ['an array of 2^32 - 1', 'ddffffffff'],
    ['a map of 2^32 - 1', 'dfffffffff'],
    ['a string of 2^32 - 1', 'dbffffffff'],
    ['bytes of 2^32 - 1', 'c6ffffffff'],
    ['an extension of 2^32 - 1', 'c9ffffffff42'],
    ['a map of 1 with its key alone', '8101'],
    ['a type that is never used', 'c1'],
    ['nothing', ''],
  ])('message pack: %s: refused', (_what, hex) => {
    expect(messagePackFault(Buffer.from(hex, 'hex'))).toBeDefined()
  })

  it.each([
    ['a record definition', 'd4724091a16101'],
    ['a record definition of two bytes', 'd572400091a16101'],
    ['an id for cyclic structures', 'd6690000000190'],
    ['a pointer', 'd67000000001'],
    ['bundled strings', 'd66200000010a0a0'],
    ['an error', 'd4650093a776616c75654f66a178c0'],
    ['a regular expression', 'd4780092a161a167'],
    ['a set in a long extension', 'c701730090'],
    ['an extension of nobody', 'd40100'],
  ])('message pack: %s, which is never packed here: refused before it is decoded', (_what, hex) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(messagePackFault(bytes)).toBeDefined()
    expect(() => unpack(bytes)).toThrow(RangeError)
  })

  it('message pack: depth and elements: allowed at the limit, refused beyond', () => {
    expect(messagePackFault(pack(nested(DEPTH_MAX)))).toBeUndefined()
    expect(messagePackFault(pack(nested(DEPTH_MAX + 1)))).toBe('it nests deeper than 64')
    const flat = pack(new Array(ELEMENTS_MAX - 1).fill(1))
    expect(messagePackFault(flat)).toBeUndefined()
    const over = pack(new Array(ELEMENTS_MAX).fill(1))
    expect(messagePackFault(over)).toBe('it has more than 1000000 elements')
    const limits = { elementsMax: 3, depthMax: 1 }
    expect(messagePackFault(pack([1, 2]), limits)).toBeUndefined()
    expect(messagePackFault(pack([1, 2, 3]), limits)).toBeDefined()
    expect(messagePackFault(pack([[1]]), limits)).toBeDefined()
  })

  it('message pack: a million levels of nesting: refused without recursion', () => {
    const bytes = Buffer.alloc(1_000_000, 0x91)
    expect(messagePackFault(bytes)).toBeDefined()
  })

  it('message pack: Maps: their keys keep their types; a damaged one is refused', () => {
    const map = new Map<unknown, unknown>([
      [1, 'a'],
      ['1', new Map([[{ k: 1 }, new Set([2])]])],
    ])
    expect(unpack(pack({ map }))).toEqual({ map })
    expect(() => unpack(Buffer.from('d44d009101', 'hex'))).toThrow(RangeError)
    expect(() => unpack(Buffer.from('d44d0001', 'hex'))).toThrow(RangeError)
  })

  it('message pack: the caller keeps its own bytes', () => {
    const source = Buffer.from('abc')
    const bytes = pack({ source })
    const { source: copy } = unpack(bytes) as { source: Buffer }
    bytes.fill(0)
    expect(copy.toString()).toBe('abc')
  })
})
