import { decodeValue, encodeText, encodeValue, pack, ValueKind } from '../src'

function roundTrip(value: unknown): unknown {
  const { kind, bytes } = encodeValue(value)
  return decodeValue(kind, Buffer.from(bytes))
}

describe('value', () => {
  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['text', 'jiang'],
    ['text beyond the BMP', '👍 ok \u0000 é'],
    ['the replacement character itself', 'a\ufffdb'],
    ['bytes', Buffer.from([0, 255, 128])],
    ['no bytes', Buffer.alloc(0)],
    ['0', 0],
    ['an integer', 12_345],
    ['a negative one', -1],
    ['the largest safe one', Number.MAX_SAFE_INTEGER],
    ['the smallest safe one', Number.MIN_SAFE_INTEGER],
    ['2^53', 2 ** 53],
    ['a fraction', 0.1],
    ['the smallest number', Number.MIN_VALUE],
    ['NaN', Number.NaN],
    ['Infinity', Number.NEGATIVE_INFINITY],
    ['bigint 0', 0n],
    ['bigint 1', 1n],
    ['a negative bigint', -(2n ** 63n)],
    ['bigint 2^64', 2n ** 64n],
    ['a bigint of 1,000 bits', -(2n ** 1_000n) - 12_345n],
    ['true', true],
    ['null', null],
    ['a date', new Date(1_735_689_600_123)],
    ['a date before 1970', new Date(-1)],
    ['the last date', new Date(8.64e15)],
    ['an array', [1, [2, [3, []]]]],
    ['an object', { a: { b: [null, 'c'] }, '': 1, constructor: 2, toString: 3 }],
    [
      'a Map',
      new Map<unknown, unknown>([
        [1, 'a'],
        ['b', new Map([[null, 2n]])],
      ]),
    ],
    ['a Map of 20', new Map(Array.from({ length: 20 }, (_, i) => [i, { i }]))],
    ['a Set', new Set(['a', 1, new Set([2])])],
    ['Buffers inside', { a: Buffer.from('x'), b: [Buffer.alloc(3, 9)] }],
    ['a Map inside a Set inside an object', { s: new Set([new Map([['k', [new Map()]]])]) }],
  ])('value: %s: comes back as what it was', (_what, value) => {
    const back = roundTrip(value)
    expect(back).toEqual(value)
    expect(Object.prototype.toString.call(back)).toBe(Object.prototype.toString.call(value))
  })

  it('value: a Uint8Array: comes back as a Buffer of its bytes alone', () => {
    const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3)
    const back = roundTrip(bytes)
    expect(Buffer.isBuffer(back)).toBe(true)
    expect([...(back as Buffer)]).toEqual([2, 3])
  })

  it('value: -0: comes back as 0, as the documentation says', () => {
    expect(Object.is(roundTrip(-0), 0)).toBe(true)
  })

  it('value: __proto__ as a key: no prototype changes, here or there', () => {
    // The decoder renames such a key, so the encoder refuses it; foreign bytes may have one yet.
    for (const evil of [
      '{"__proto__": {"polluted": 1}}',
      '{"a": {"__proto__": {"polluted": 2}}}',
    ]) {
      expect(() => encodeValue(JSON.parse(evil))).toThrow(TypeError)
    }
    const foreign = pack(JSON.parse('{"__proto__": {"polluted": 1}, "a": {"__proto__": {}}}'))
    const back = decodeValue(ValueKind.messagePack, foreign) as Record<
      string,
      Record<string, unknown>
    >
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(back.polluted).toBeUndefined()
    expect(back.a!.polluted).toBeUndefined()
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    const raw = Buffer.from('81a95f5f70726f746f5f5f81a87061c3a9', 'hex')
    expect(() => decodeValue(ValueKind.messagePack, raw)).toThrow(RangeError)
    const map = roundTrip(new Map([['__proto__', { polluted: 3 }]])) as Map<string, unknown>
    expect(map.get('__proto__')).toEqual({ polluted: 3 })
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['an error', new Error('x')],
    ['a regular expression', /x/],
    [
      'a cyclic array',
      (() => {
        const a: unknown[] = []
        a.push(a)
        return a
      })(),
    ],
    [
      'a cyclic object',
      (() => {
        const a: Record<string, unknown> = {}
        a.a = a
        return a
      })(),
    ],
    [
      'a cyclic Map',
      (() => {
        const a = new Map()
        a.set('a', a)
        return a
      })(),
    ],
    ['100 levels of nesting', JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`)],
    ['text with a lone surrogate', 'a\ud800b'],
  ])('value: %s: refused with a TypeError, and the next value is fine', (_what, value) => {
    expect(() => encodeValue(value)).toThrow(TypeError)
    expect(roundTrip({ a: [1] })).toEqual({ a: [1] })
  })

  it.each(['\ud800', '\udc00', 'x\udfff', '\ufffd\ud800'])(
    'value: text %j with a lone surrogate: refused',
    (text) => {
      expect(() => encodeText(text, 'key')).toThrow(/the key has a lone surrogate/)
    },
  )

  it('value: damaged MessagePack: a RangeError', () => {
    expect(() => decodeValue(ValueKind.messagePack, Buffer.from([0xc1]))).toThrow(RangeError)
  })
})
