import { nearest } from '../../src/shell/nearest'

const NAMES = ['set', 'get', 'del', 'mget', 'exists', 'explain', 'consistency']

describe('nearest: suggestions', () => {
  test.each<[string, string | undefined]>([
    ['gte', 'get'],
    ['ste', 'set'],
    ['GET', 'get'],
    ['delete', 'del'],
    ['exist', 'exists'],
    ['explian', 'explain'],
    ['consistancy', 'consistency'],
    ['con', 'consistency'],
    ['x', undefined],
    ['frobnicate', undefined],
    ['', undefined],
  ])('%j: suggests %j', (typed, expected) => {
    expect(nearest(typed, NAMES)).toBe(expected)
  })
})
