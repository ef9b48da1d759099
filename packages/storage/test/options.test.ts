import type { CassioError } from '@cassiopeia/protocol'
import { PROVEN_ALONE, type StoreOptions } from '../src'
import { parseStoreOptions, STORE_OPTIONS } from '../src/options'
import { storeOptions } from './support'

const MIB = 1024 * 1024

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
      segmentBytes: 64 * MIB,
      memoryBytesMax: 256 * MIB,
      memtableBytes: 32 * MIB,
      pendingBytesMax: 16 * MIB,
      blockBytes: 4_096,
      filterBitsPerKey: 10,
      compression: 'none',
      compactionBytesPerSecondMax: 0,
      diskReserveBytes: 64 * MIB,
      proof: PROVEN_ALONE,
    })
    const alone = parseStoreOptions({ directory: '/data' })
    expect(alone.partitions).toBe(1)
    expect(alone.partitionOf(2 ** 51)).toBe(0)
  })

  test('store options: several violations: all in one error', () => {
    const message = violationsOf({
      ...storeOptions(),
      directory: '',
      sync: 'always',
      syncIntervalMs: 0,
      segmentBytes: 1.5,
      compression: 'zip',
      proof: 'all',
      colour: 'red',
    })
    for (const name of [
      'directory',
      'sync',
      'syncIntervalMs',
      'segmentBytes',
      'compression',
      'proof',
      'colour',
    ]) {
      expect(message).toContain(name)
    }
  })

  test('store options: at the limits: taken; one beyond: refused', () => {
    for (const [name, row] of Object.entries(STORE_OPTIONS)) {
      if (row.type !== 'integer') continue
      for (const value of [row.min, row.max, row.default]) {
        // All of the memory, so that nothing contradicts it.
        const memoryBytesMax = 1_024 * 1_024 * MIB
        expect(violationsOf({ ...storeOptions(), memoryBytesMax, [name]: value })).toBe('')
      }
      for (const value of [row.min - 1, row.max + 1, Number.NaN, '1000']) {
        expect(violationsOf({ ...storeOptions(), [name]: value })).toContain(name)
      }
    }
  })

  test('store options: a memtable that its memory has no room for: refused, with the numbers', () => {
    const memoryBytesMax = 8 * MIB
    for (const memtableBytes of [0, 4_096, MIB]) {
      expect(violationsOf({ ...storeOptions(), memoryBytesMax, memtableBytes })).toBe('')
    }
    for (const memtableBytes of [1, 4_095, MIB + 1]) {
      const message = violationsOf({ ...storeOptions(), memoryBytesMax, memtableBytes })
      expect(message).toContain(`an eighth of memoryBytesMax (${MIB}), not ${memtableBytes}`)
    }
  })

  test('store options: no memtableBytes: an eighth of the memory, up to 64 MiB', () => {
    for (const [memoryBytesMax, expected] of [
      [MIB, MIB / 8],
      [100 * MIB, 12.5 * MIB],
      [512 * MIB, 64 * MIB],
      [8_192 * MIB, 64 * MIB],
    ] as const) {
      const settings = parseStoreOptions({ ...storeOptions(), memoryBytesMax })
      expect(settings.memtableBytes).toBe(expected)
    }
  })

  test('store options: contradictions and wrong limits: all in one error', () => {
    const message = violationsOf({
      directory: '/data',
      partitions: 16,
      memoryBytesMax: MIB,
      memtableBytes: MIB,
      tableBytes: 1,
    })
    for (const name of ['partitionOf', 'memtableBytes', 'tableBytes']) {
      expect(message).toContain(name)
    }
    expect(violationsOf({ directory: '/data', partitions: 1 })).toBe('')
  })

  test('store options: each has a doc', () => {
    for (const row of Object.values(STORE_OPTIONS)) expect(row.doc.length).toBeGreaterThan(20)
  })
})
