import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { History, historyPath } from '../../src/shell/history'

describe('history: a file of lines', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cassio-history-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('lines added: come back newest first, in a file of the owner alone', () => {
    const path = join(directory, 'history')
    const history = new History(path)
    history.add('get a')
    history.add('  ')
    history.add('get b')
    expect(new History(path).load()).toEqual(['get b', 'get a'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('two shells: do not overwrite each other', () => {
    const path = join(directory, 'history')
    const [one, two] = [new History(path), new History(path)]
    one.add('a')
    two.add('b')
    one.add('c')
    expect(two.load()).toEqual(['c', 'b', 'a'])
  })

  test('a file open to others: is closed to them', () => {
    const path = join(directory, 'history')
    writeFileSync(path, 'get a\n', { mode: 0o644 })
    new History(path).load()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('a file grown long: is cut to the newest thousand', () => {
    const path = join(directory, 'history')
    writeFileSync(path, Array.from({ length: 2_500 }, (_, i) => `get ${i}\n`).join(''))
    expect(new History(path).load()).toHaveLength(1_000)
    const kept = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect([kept[0], kept.at(-1), kept.length]).toEqual(['get 1500', 'get 2499', 1_000])
  })

  test('a path that cannot be used: is no error', () => {
    const history = new History(directory)
    history.add('get a')
    expect(history.load()).toEqual([])
  })

  test('a very long line: is not kept', () => {
    const history = new History(join(directory, 'history'))
    history.add(`set k ${'x'.repeat(5_000)}`)
    expect(history.load()).toEqual([])
  })

  test('CASSIO_HISTORY: names the file, or keeps none', () => {
    expect(historyPath({ CASSIO_HISTORY: '/x/y' })).toBe('/x/y')
    expect(historyPath({ CASSIO_HISTORY: 'off' })).toBeUndefined()
    expect(historyPath({ CASSIO_HISTORY: '' })).toBeUndefined()
    expect(historyPath({})).toMatch(/\.cassio_history$/)
    expect(new History(undefined).load()).toEqual([])
  })
})
