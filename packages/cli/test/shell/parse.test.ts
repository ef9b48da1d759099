import { readEscapes, ShellSyntaxError, splitWords, textOrBytes } from '../../src/shell/parse'

const values = (line: string) => splitWords(line).map((word) => word.value)

describe('parse: words', () => {
  test.each<[string, unknown[]]>([
    ['', []],
    ['   \t ', []],
    ['get ryan', ['get', 'ryan']],
    ['  set\tryan   jiang \r', ['set', 'ryan', 'jiang']],
    ["set 'two words' x", ['set', 'two words', 'x']],
    ['set "two words" x', ['set', 'two words', 'x']],
    ["set k ''", ['set', 'k', '']],
    ['set k ""', ['set', 'k', '']],
    ['\'a\'b"c" d', ['abc', 'd']],
    ["'no \\n escape'", ['no \\n escape']],
    ['C:\\dir\\n', ['C:\\dir\\n']],
    ['"it\'s" \'say "hi"\'', ["it's", 'say "hi"']],
    ['"a\\tb\\nc\\"d\\\\e\\/f\\0"', ['a\tb\nc"d\\e/f\0']],
    ['"\\u00e9\\u20ac"', ['é€']],
    ['"\\ud83d\\ude00"', ['😀']],
    ['"\\x41\\xc3\\xa9"', ['Aé']],
    ['ключ 鍵 😀', ['ключ', '鍵', '😀']],
    ['# a comment', []],
    ['get #1', ['get', '#1']],
  ])('%j: is %j', (line, expected) => {
    expect(values(line)).toEqual(expected)
  })

  test('bytes that are no UTF-8: become a Buffer', () => {
    expect(values('"\\xff\\x00a"')).toEqual([Buffer.from([0xff, 0x00, 0x61])])
    expect(values('x"\\xff"é')).toEqual([Buffer.from('x\xff\xc3\xa9', 'latin1')])
  })

  test('b"…": is always a Buffer', () => {
    expect(values('b"abc" b"" b"\\xc3\\xa9"')).toEqual([
      Buffer.from('abc'),
      Buffer.alloc(0),
      Buffer.from('é'),
    ])
  })

  test('b before other quotes or in a word: is the letter', () => {
    expect(values('b\'x\' ab"c" b')).toEqual(['bx', 'abc', 'b'])
  })

  test('quoted: only words that begin with a quote', () => {
    const quoted = splitWords('--a "--b" \'--c\' --d="e f" b"x"').map((word) => word.quoted)
    expect(quoted).toEqual([false, true, true, false, true])
  })

  test('places: each word knows where it lies', () => {
    const line = '  set "a b"  c'
    const pieces = splitWords(line).map(({ start, end }) => line.slice(start, end))
    expect(pieces).toEqual(['set', '"a b"', 'c'])
  })

  test('a long value: is read in linear time', () => {
    const long = 'x'.repeat(4_000_000)
    expect(values(`set k "${long}"`)[2]).toHaveLength(long.length)
  })
})

describe('parse: errors', () => {
  test.each<[string, RegExp, number]>([
    ["set k 'open", /single quote/, 6],
    ['set k "open', /double quote/, 6],
    ['"end\\', /backslash ends/, 4],
    ['"\\q"', /\\q is not an escape/, 1],
    ['"\\xg0"', /\\x needs 2/, 1],
    ['"\\x1"', /\\x needs 2/, 1],
    ['"\\u12"', /\\u needs 4/, 1],
    ['"\\__proto__"', /not an escape/, 1],
    ['"\\ud83d"', /half of a pair/, 0],
    ['"\\ud83d\\xff"', /half of a pair/, 0],
  ])('%j: says what is wrong and where', (line, message, at) => {
    let thrown: unknown
    try {
      splitWords(line)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(ShellSyntaxError)
    expect((thrown as ShellSyntaxError).message).toMatch(message)
    expect((thrown as ShellSyntaxError).at).toBe(at)
  })
})

describe('parse: escapes without quotes', () => {
  test('quotes and blanks: mean themselves', () => {
    expect(readEscapes('a "b" \'c\'\\n')).toBe('a "b" \'c\'\n')
    expect(readEscapes('')).toBe('')
    expect(readEscapes('\\xff')).toEqual(Buffer.from([0xff]))
  })
})

describe('parse: textOrBytes', () => {
  test('a replacement character that was really there: is text', () => {
    expect(textOrBytes(Buffer.from('\ufffd'))).toBe('\ufffd')
    expect(textOrBytes(Buffer.from([0xff]))).toEqual(Buffer.from([0xff]))
  })
})
