import { renderValue, toJson } from '../../src/render/value'
import { splitWords } from '../../src/shell/parse'

describe('render value: types are visible', () => {
  test.each<[unknown, string]>([
    ['jiang', '"jiang"'],
    ['', '""'],
    ['a"b\\c\n', '"a\\"b\\\\c\\n"'],
    ['é 鍵 😀', '"é 鍵 😀"'],
    [Buffer.from('abc'), 'b"abc"'],
    [Buffer.from([0, 0x22, 0x5c, 0xff, 0x0a]), 'b"\\x00\\"\\\\\\xff\\x0a"'],
    [Buffer.alloc(0), 'b""'],
    [42, '42'],
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    [12n, '12n'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [[1, 'a', [null]], '[1,"a",[null]]'],
    [{ a: 1, 'b c': { d: Buffer.from('x') } }, '{"a":1,"b c":{"d":b"x"}}'],
    [new Date(0), 'Date("1970-01-01T00:00:00.000Z")'],
    [new Date(Number.NaN), 'Date("invalid")'],
    [
      new Map<unknown, unknown>([
        [1, 'a'],
        ['b', []],
      ]),
      'Map{1 => "a", "b" => []}',
    ],
    [new Set([1, 'a']), 'Set{1,"a"}'],
    [/a+/i, '/a+/i'],
    [new RangeError('too far'), 'RangeError("too far")'],
    [new Float64Array([0.5, 1]), 'Float64Array[0.5,1]'],
    [new Uint8Array([1]), 'b"\\x01"'],
    [new Uint8Array([1]).buffer, 'b"\\x01"'],
  ])('%p: is %s', (value, text) => {
    expect(renderValue(value)).toBe(text)
  })

  test('what could drive a terminal: is escaped', () => {
    expect(renderValue('\u001b[2J\u0007\u007f\u009b\u202e\u2066\ufeff')).toBe(
      '"\\u001b[2J\\u0007\\u007f\\u009b\\u202e\\u2066\\ufeff"',
    )
  })

  test.each<unknown>([
    'plain',
    'a "b" \\ \n\t\0 é 😀 \u0085\u202e',
    Buffer.from([0, 1, 0x22, 0x5c, 0x7f, 0x80, 0xff]),
    Buffer.from('text'),
    Buffer.alloc(0),
  ])('%p: can be typed as it is printed', (value) => {
    expect(splitWords(renderValue(value))[0]!.value).toEqual(value)
  })
})

describe('render value: as JSON', () => {
  test.each<[unknown, unknown]>([
    ['a', 'a'],
    [1.5, 1.5],
    [Number.POSITIVE_INFINITY, { $number: 'Infinity' }],
    [12n, { $bigint: '12' }],
    [null, null],
    [undefined, null],
    [Buffer.from([0xff]), { $bytes: '/w==' }],
    [new Date(0), { $date: '1970-01-01T00:00:00.000Z' }],
    [new Map([[1, Buffer.from('a')]]), { $map: [[1, { $bytes: 'YQ==' }]] }],
    [new Set([1n]), { $set: [{ $bigint: '1' }] }],
    [/a/, { $other: '/a/' }],
    [{ a: [Buffer.from('a')] }, { a: [{ $bytes: 'YQ==' }] }],
  ])('%p: is %p', (value, json) => {
    expect(toJson(value)).toEqual(json)
    expect(JSON.parse(JSON.stringify(toJson(value)))).toEqual(json)
  })

  test('a field named __proto__: is a field like others', () => {
    const value = JSON.parse('{"__proto__":{"a":1}}')
    expect(JSON.stringify(toJson(value))).toBe('{"__proto__":{"a":1}}')
  })
})
