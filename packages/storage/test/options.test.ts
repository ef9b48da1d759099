import type { CassioError } from '@cassiopeia/protocol'
import type { StoreOptions } from '../src'
import { parseStoreOptions, STORE_OPTIONS } from '../src/options'
import { storeOptions } from './support'

function violationsOf(options: object): string {
  try {
    parseStoreOptions(options as StoreOptions)
  } catch (error) {
    expect((error as CassioError).code).toBe('CASSIO_CONFIG')
    return (error as CassioError).message
  }
  return ''
}

describe('store options', () => {
  test('store options: nothing but what is required: the defaults', () => {
    const settings = parseStoreOptions(storeOptions({ sync: undefined }))
    expect(settings).toMatchObject({
      sync: 'group',
      syncIntervalMs: 1_000,
      segmentBytes: 64 * 1024 * 1024,
      memoryBytesMax: 1024 * 1024 * 1024,
      pendingBytesMax: 64 * 1024 * 1024,
    })
  })

  test('store options: several violations: all in one error', () => {
    const message = violationsOf({
      ...storeOptions(),
      directory: '',
      sync: 'always',
      syncIntervalMs: 0,
      segmentBytes: 1.5,
      keyHash: undefined,
      colour: 'red',
    })
    for (const name of [
      'directory',
      'sync',
      'syncIntervalMs',
      'segmentBytes',
      'keyHash',
      'colour',
    ]) {
      expect(message).toContain(name)
    }
  })

  test('store options: at the limits: taken; one beyond: refused', () => {
    for (const [name, row] of Object.entries(STORE_OPTIONS)) {
      if (row.type !== 'integer') continue
      for (const value of [row.min, row.max, row.default]) {
        expect(violationsOf({ ...storeOptions(), [name]: value })).toBe('')
      }
      for (const value of [row.min - 1, row.max + 1, Number.NaN, '1000']) {
        expect(violationsOf({ ...storeOptions(), [name]: value })).toContain(name)
      }
    }
  })

  test('store options: each has a doc', () => {
    for (const row of Object.values(STORE_OPTIONS)) expect(row.doc.length).toBeGreaterThan(20)
  })
})
