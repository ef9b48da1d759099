import { readArguments } from '../../src/shell/arguments'
import { splitWords } from '../../src/shell/parse'
import { findVerb } from '../../src/verbs'

function read(line: string) {
  const [verb, ...words] = splitWords(line)
  return readArguments(findVerb(String(verb!.value))!, words)
}

describe('arguments: options', () => {
  test('anywhere among the operands: are found', () => {
    const input = read('set --ttl 60s k --json v')
    expect(input.operands).toEqual(['k', 'v'])
    expect(input.durationMs('ttl')).toBe(60_000)
    expect(input.flag('json')).toBe(true)
  })

  test('with an equals sign: take what follows it', () => {
    expect(read('set k v --ttl=1h30m').durationMs('ttl')).toBe(5_400_000)
    expect(read('set k v --file="a=b c"').text('file')).toBe('a=b c')
  })

  test('quoted words: are data', () => {
    expect(read('set "--ttl" \'--json\'').operands).toEqual(['--ttl', '--json'])
  })

  test('behind --: everything is data', () => {
    expect(read('set -- --ttl --json').operands).toEqual(['--ttl', '--json'])
  })

  test('negative numbers: are data', () => {
    expect(read('set k -5').operands).toEqual(['k', '-5'])
  })

  test('bytes: can be operands', () => {
    expect(read('get b"\\xff"').operands).toEqual([Buffer.from([0xff])])
  })

  test('options that may have many values: take all up to the next option, and again', () => {
    const input = read(
      'repair --partition 1 2 --key a "--json" b"\\xff" --json --key=b --partition 3',
    )
    expect(input.wholeNumbers('partition', 0, 9)).toEqual([1, 2, 3])
    expect(input.values('key')).toEqual(['a', '--json', Buffer.from([0xff]), 'b'])
    expect(input.flag('json')).toBe(true)
    expect(read('repair').values('key')).toEqual([])
  })

  test.each<[string, RegExp]>([
    ['set k v --tll 60s', /no option --tll; did you mean --ttl\?/],
    ['set k v --ttl', /--ttl needs DURATION/],
    ['get k --json=1', /--json takes no value/],
    ['where k --consistency ONE', /where has no option --consistency/],
    ['get', /get needs KEY; usage: get KEY/],
    ['get a b', /no more than 1 words and got 2/],
    ['mset a', /mset needs VALUE/],
    [
      'repair --key a --json b',
      /repair takes nothing and got 1; usage: repair \[--partition N\.\.\.\]/,
    ],
  ])('%j: is refused with the reason', (line, message) => {
    expect(() => read(line)).toThrow(message)
  })

  test.each<[string, (input: ReturnType<typeof read>) => unknown, RegExp]>([
    ['set k v --ttl 60', (input) => input.durationMs('ttl'), /--ttl: not a duration/],
    ['get k --consistency most', (input) => input.consistency(), /--consistency: unknown/],
    ['scan --limit x', (input) => input.wholeNumber('limit', 1, 9), /--limit is a whole number/],
    ['scan --limit 10', (input) => input.wholeNumber('limit', 1, 9), /from 1 to 9, not "10"/],
    ['repair --partition 9', (input) => input.wholeNumbers('partition', 0, 8), /not "9"/],
    ['set k v --as yaml', (input) => input.choice('as', ['text']), /--as is one of text/],
    ['set k v --as b"x"', (input) => input.text('as'), /--as must be text, not bytes/],
  ])('%j: its value is refused with the reason', (line, use, message) => {
    expect(() => use(read(line))).toThrow(message)
  })
})
