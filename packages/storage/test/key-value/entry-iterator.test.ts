import { CassioError, keyHash } from '@cassiopeia/protocol'
import { type KeyRange, keyBelow } from '../../src/key-value/key-range'
import { all, failureOf, testSeeds, texts, world } from './support'

type Bound = string | undefined

const KEYS = ['\0', 'a', 'a\0', 'a\xff', 'a\xffb', 'ab', 'abc', 'b', 'ba', 'c', '\xff', '\xff\xff']
const BOUNDS: readonly Bound[] = [undefined, '', '\0', 'a', 'a\0', 'a\xff', 'aa', 'b', 'd', '\xff']
const PARTITIONS = 3

const bytes = (text: string) => Buffer.from(text, 'latin1')

function partitionOf(key: string): number {
  return keyHash(bytes(key), 0, key.length) % PARTITIONS
}

/** What a range says, in the plainest words. Keys are latin1 text, which sorts as its bytes do. */
function expectedKeys(range: { [Name in keyof KeyRange]: KeyRange[Name] }): string[] {
  const { partition, limit } = range
  const [gt, gte, lt, lte, prefix] = (['gt', 'gte', 'lt', 'lte', 'prefix'] as const).map((name) =>
    range[name] === undefined ? undefined : (range[name] as Buffer).toString('latin1'),
  )
  return KEYS.filter(
    (key) =>
      (partition === undefined || partitionOf(key) === partition) &&
      (gt === undefined || key > gt) &&
      (gte === undefined || key >= gte) &&
      (lt === undefined || key < lt) &&
      (lte === undefined || key <= lte) &&
      (prefix === undefined || key.startsWith(prefix)),
  )
    .sort((a, b) => partitionOf(a) - partitionOf(b) || (a < b ? -1 : 1))
    .slice(0, limit)
}

async function filled() {
  const made = world(PARTITIONS)
  for (const key of KEYS) await made.store.set(bytes(key), bytes(`value of ${key}`))
  return made
}

const toBytes = (bound: Bound) => (bound === undefined ? undefined : bytes(bound))

describe('entries: ranges', () => {
  test('entries: every pair of gt/gte and lt/lte: the keys between', async () => {
    const { store } = await filled()
    for (const lowName of ['gt', 'gte'] as const) {
      for (const highName of ['lt', 'lte'] as const) {
        for (const low of BOUNDS) {
          for (const high of BOUNDS) {
            const range = { [lowName]: toBytes(low), [highName]: toBytes(high) }
            const found = texts(await all(store.keys(range)))
            expect([lowName, low, highName, high, found]).toEqual([
              lowName,
              low,
              highName,
              high,
              expectedKeys(range),
            ])
          }
        }
      }
    }
  })

  testSeeds('entries: all conditions at once: all must hold', 10, async (random) => {
    const { store } = await filled()
    for (let i = 0; i < 150; i += 1) {
      const bound = () =>
        random.chance(0.5) ? toBytes(BOUNDS[random.below(BOUNDS.length)]) : undefined
      const range: KeyRange = {
        partition: random.chance(0.3) ? random.below(PARTITIONS) : undefined,
        limit: random.chance(0.3) ? random.below(6) : undefined,
        gt: bound(),
        gte: bound(),
        lt: bound(),
        lte: bound(),
        prefix: random.chance(0.3)
          ? bytes(['', 'a', 'a\xff', '\xff', 'x'][random.below(5)]!)
          : undefined,
      }
      const expected = expectedKeys(range)
      expect(texts(await all(store.keys(range)))).toEqual(expected)
      expect(texts(await all(store.values(range)))).toEqual(
        expected.map((key) => `value of ${key}`),
      )
      const entries = await all(store.entries(range))
      expect(entries).toEqual(
        expected.map((key) => ({
          key: bytes(key),
          value: bytes(`value of ${key}`),
          partition: partitionOf(key),
        })),
      )
    }
  })

  test('entries: text bounds: UTF-8', async () => {
    const { store } = world()
    for (const key of ['z', 'é', '鍵', '🔑a', '🔑b']) await store.set(key, '')
    const keys = async (range: KeyRange) =>
      (await all(store.keys(range))).map((key) => key.toString('utf8'))
    expect(await keys({ prefix: '🔑' })).toEqual(['🔑a', '🔑b'])
    expect(await keys({ gte: 'é', lt: '🔑' })).toEqual(['é', '鍵'])
  })

  test('entries: bound of the longest key: found', async () => {
    const { store } = world()
    const longest = Buffer.alloc(65_535, 0xff)
    await store.set(longest, 'v')
    expect((await all(store.keys({ gte: longest }))).length).toBe(1)
    expect((await all(store.keys({ gt: longest }))).length).toBe(0)
    expect((await all(store.keys({ lte: longest, prefix: longest }))).length).toBe(1)
  })

  test('entries: key below a bound: below it, and above all that come before', () => {
    expect(keyBelow(bytes(''))).toBeUndefined()
    expect(keyBelow(bytes('\0'))).toBeUndefined()
    expect(keyBelow(bytes('a\0'))).toEqual(bytes('a'))
    const below = keyBelow(bytes('user:1'))!
    expect(below.compare(bytes('user:1'))).toBeLessThan(0)
    expect(below.compare(bytes('user:0\xff\xff'))).toBeGreaterThan(0)
    expect(keyBelow(Buffer.alloc(65_535, 0xff))!.length).toBe(65_535)
  })

  test.each([
    [null, 'TypeError'],
    [{ from: 'a' }, 'TypeError'],
    [{ gt: 5 }, 'TypeError'],
    [{ prefix: null }, 'TypeError'],
    [{ lt: '\ud800' }, 'TypeError'],
    [{ partition: PARTITIONS }, 'RangeError'],
    [{ partition: -1 }, 'RangeError'],
    [{ partition: 'a' }, 'RangeError'],
    [{ limit: -1 }, 'RangeError'],
    [{ limit: 1.5 }, 'RangeError'],
    [{ gte: 'k'.repeat(65_536) }, 'CassioError'],
  ])('entries: wrong range: %j: thrown at once', async (range, name) => {
    const { store } = world(PARTITIONS)
    expect(await failureOf((async () => store.entries(range as never))())).toMatchObject({ name })
  })

  test('entries: nothing can match: the store is not asked', async () => {
    const { store, cells } = await filled()
    for (const range of [{ limit: 0 }, { gt: 'b', lt: 'b' }, { lt: '' }, { gte: 'b', lt: 'a' }]) {
      expect(await all(store.entries(range))).toEqual([])
    }
    expect(cells.scans).toBe(0)
  })
})

describe('entries: pages', () => {
  test('entries: many of all sizes: in order, whole', async () => {
    const { store } = world()
    const model = new Map<string, Buffer>()
    const operations = Array.from({ length: 3_000 }, (_, i) => {
      const key = `key ${String((i * 7_919) % 3_000).padStart(5, '0')}`
      const value = Buffer.alloc(i % 500 === 0 ? 300_000 : i % 200, i)
      model.set(key, value)
      return { type: 'set', key, value } as const
    })
    await store.batch(operations)
    const names = [...model.keys()].sort()
    expect(texts(await all(store.keys()))).toEqual(names)
    let i = 0
    for await (const { key, value } of store.entries()) {
      expect(key.toString('latin1')).toBe(names[i])
      expect(value.equals(model.get(names[i]!)!)).toBe(true)
      i += 1
    }
    expect(i).toBe(names.length)
    expect((await all(store.values({ limit: 17 }))).length).toBe(17)
  })

  test('entries: short: one scan that ends at the limit', async () => {
    const { store, cells } = world()
    for (let i = 0; i < 100; i += 1) await store.set(`key ${i}`, 'v')
    expect((await all(store.entries({ limit: 3 }))).length).toBe(3)
    expect(cells.scans).toBe(1)
  })

  test('entries: tombstones and expired cells: skipped, however many', async () => {
    const { store, clock } = world(2)
    for (let i = 0; i < 200; i += 1) {
      const key = `key ${String(i).padStart(3, '0')}`
      await store.set(key, 'v', i % 3 === 0 ? { ttlMs: 5 } : undefined)
      if (i % 3 === 1) await store.del(key)
    }
    clock.ms += 5
    const found = texts(await all(store.keys())).sort()
    expect(found.length).toBe(66)
    expect(found.slice(0, 2)).toEqual(['key 002', 'key 005'])
  })

  test('entries: what was given: stays as it is while the iteration goes on', async () => {
    const { store } = world()
    for (let i = 100; i < 400; i += 1) await store.set(`${i}`, `value of ${i}`)
    const kept = await all(store.entries())
    await all(store.entries())
    for (const [i, { key, value }] of kept.entries()) {
      expect([`${key}`, `${value}`]).toEqual([`${i + 100}`, `value of ${i + 100}`])
    }
  })

  testSeeds('entries: writes meanwhile: the others are seen once, in order', 5, async (random) => {
    const { store } = world()
    const name = (i: number) => `key ${String(i).padStart(4, '0')}`
    // Even keys stay; odd ones come and go.
    for (let i = 0; i < 1_000; i += 2) await store.set(name(i), 'old')
    const found: string[] = []
    const pending: Promise<void>[] = []
    for await (const { key, value } of store.entries()) {
      found.push(`${key}`)
      expect(['old', 'new']).toContain(`${value}`)
      const odd = name(random.below(500) * 2 + 1)
      const even = name(random.below(500) * 2)
      pending.push(random.chance(0.7) ? store.set(odd, 'new') : store.del(odd))
      pending.push(store.set(even, 'new'))
      if (random.chance(0.1)) await Promise.all(pending.splice(0))
    }
    await Promise.all(pending)
    expect(found).toEqual([...new Set(found)].sort())
    const evens = found.filter((key) => Number(key.slice(4)) % 2 === 0)
    expect(evens).toEqual(Array.from({ length: 500 }, (_, i) => name(i * 2)))
  })
})

describe('entries: protocol of iterators', () => {
  test('entries: left early: ends, also when a page is on its way', async () => {
    const { store, cells } = world()
    for (let i = 0; i < 100; i += 1) await store.set(`key ${i}`, 'v')
    const iterator = store.entries()
    for await (const _ of iterator) break
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(cells.scans).toBe(1)
    const other = store.entries()
    const pending = other.next()
    expect(await other.return()).toEqual({ done: true, value: undefined })
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(await other.next()).toEqual({ done: true, value: undefined })
  })

  test('entries: several nexts at once: in order', async () => {
    const { store } = world()
    for (let i = 10; i < 60; i += 1) await store.set(`${i}`, 'v')
    const iterator = store.keys()
    const results = await Promise.all(Array.from({ length: 55 }, () => iterator.next()))
    expect(results.map(({ done, value }) => (done ? 'done' : `${value}`))).toEqual([
      ...Array.from({ length: 50 }, (_, i) => `${i + 10}`),
      ...Array.from({ length: 5 }, () => 'done'),
    ])
  })

  test('entries: a scan fails: rejects once, then is at its end', async () => {
    const { store, cells } = world()
    for (let i = 10; i < 60; i += 1) await store.set(`${i}`, 'v')
    const iterator = store.keys()
    await iterator.next()
    cells.scanFailure = new CassioError('CASSIO_CORRUPT', 'damaged')
    const given: string[] = []
    const error = await failureOf(
      (async () => {
        for await (const key of iterator) given.push(`${key}`)
      })(),
    )
    expect(error).toBe(cells.scanFailure)
    expect(given).toEqual(Array.from({ length: 15 }, (_, i) => `${i + 11}`))
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })
})
