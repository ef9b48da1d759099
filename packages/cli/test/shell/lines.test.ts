import { readLines } from '../../src/shell/lines'

async function linesOf(chunks: (string | Buffer)[], max?: number): Promise<string[]> {
  async function* stream() {
    yield* chunks
  }
  const lines: string[] = []
  for await (const line of readLines(stream(), max)) lines.push(line.toString('latin1'))
  return lines
}

describe('lines: reading', () => {
  test.each<[string[], string[]]>([
    [[], []],
    [[''], []],
    [['a\n'], ['a']],
    [['a'], ['a']],
    [['a\nb'], ['a', 'b']],
    [['a\r\nb\r\n'], ['a', 'b']],
    [['\n\n'], ['', '']],
    [
      ['a', 'b\nc', '\n', 'd'],
      ['ab', 'c', 'd'],
    ],
    [
      ['a\r', '\nb'],
      ['a', 'b'],
    ],
  ])('%j: are %j', async (chunks, expected) => {
    expect(await linesOf(chunks)).toEqual(expected)
  })

  test('bytes that are no UTF-8: stay what they are', async () => {
    expect(await linesOf([Buffer.from([0x61, 0xff, 0x0a])])).toEqual(['a\xff'])
  })

  test('a line beyond the limit: is refused', async () => {
    await expect(linesOf(['aaaa', 'aaaa'], 7)).rejects.toThrow('longer than 7 bytes')
  })
})
