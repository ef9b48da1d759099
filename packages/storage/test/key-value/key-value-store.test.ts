import {
  CassioError,
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  compareStamps,
  EXPIRY_MS_MAX,
  isTombstone,
  STAMP_COUNTER_MAX,
  setCellExpiryMs,
  stampCounter,
  stampMs,
  VALUE_BYTES_MAX,
  ValueKind,
  writeCell,
  writeStamp,
} from '@cassiopeia/protocol'
import type { BatchOperation } from '../../src/key-value/arguments'
import { all, failureOf, NOW_MS, testSeeds, texts, world } from './support'

const utf8 = (text: string) => Buffer.from(text, 'utf8')
const refusal = new CassioError('CASSIO_DISK_FULL', 'the disk is full')
const storage = new CassioError('CASSIO_STORAGE', 'the disk has failed', { applied: 'unknown' })

describe('key-value store: one key', () => {
  test('key-value: set, get, has, del: as a map', async () => {
    const { store } = world()
    expect(await store.get('a')).toBeUndefined()
    expect(store.hasSync('a')).toBe(false)
    await store.set('a', 'one')
    expect(await store.get('a')).toEqual(utf8('one'))
    expect(store.getSync('a')).toEqual(utf8('one'))
    expect(await store.has('a')).toBe(true)
    await store.del('a')
    expect(await store.get('a')).toBeUndefined()
    expect(await store.has('a')).toBe(false)
    await store.del('never there')
  })

  test('key-value: not yet durable: not yet visible', async () => {
    const { store } = world()
    const written = store.set('a', 'one')
    expect(store.getSync('a')).toBeUndefined()
    await written
    expect(store.getSync('a')).toEqual(utf8('one'))
  })

  test.each([
    ['ASCII', 'plain', 'value'],
    ['text at the length where native code takes over', 'k'.repeat(21), 'v'.repeat(21)],
    ['text just below it', 'k'.repeat(20), 'v'.repeat(20)],
    ['two bytes', 'ключ', 'значение'],
    ['three and four bytes', '鍵🔑', '値💎'.repeat(40)],
    ['ASCII up to the last unit', `${'a'.repeat(19)}é`, `${'a'.repeat(99)}é`],
    ['an empty value', 'k', ''],
    ['a replacement character', '\ufffd', '\ufffd'],
    ['a NUL', '\0', '\0'],
    ['text whose bytes must be counted', 'é'.repeat(32_767), 'é'.repeat(100_000)],
  ])('key-value: text: is its UTF-8 bytes (%s)', async (_what, key, value) => {
    const { store } = world()
    await store.set(key, value)
    expect(store.getSync(utf8(key))).toEqual(utf8(value))
    expect(await store.get(key)).toEqual(utf8(value))
    expect(await all(store.keys())).toEqual([utf8(key)])
  })

  test('key-value: binary: any byte, any length, any Uint8Array', async () => {
    const { store } = world()
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    for (const length of [1, 31, 32, 33, 100, 256]) {
      const part = bytes.subarray(256 - length)
      await store.set(part, part)
      expect(store.getSync(part)).toEqual(Buffer.from(part))
    }
    const longest = Buffer.alloc(65_535, 0xff)
    await store.set(longest, new Uint8Array(0))
    expect(await store.get(longest)).toEqual(Buffer.alloc(0))
  })

  test('key-value: largest value: comes back; the scratch is small again afterwards', async () => {
    const { store } = world()
    const value = Buffer.alloc(VALUE_BYTES_MAX, 7)
    await store.set('large', value)
    expect((await store.get('large'))!.equals(value)).toBe(true)
    await store.set('large', 'v'.repeat(VALUE_BYTES_MAX))
    await store.set('small', 'small')
    expect(store.getSync('large')!.length).toBe(VALUE_BYTES_MAX)
    expect(store.getSync('small')).toEqual(utf8('small'))
  })

  test('key-value: buffers: copied in, and the caller owns what comes out', async () => {
    const { store } = world()
    const key = utf8('key')
    const value = utf8('value')
    const written = store.set(key, value)
    key.fill(0)
    value.fill(0)
    await written
    const mine = store.getSync('key')!
    expect(mine).toEqual(utf8('value'))
    mine.fill(0)
    expect(store.getSync('key')).toEqual(utf8('value'))
  })

  test('key-value: cell: laid out as writeCell does', async () => {
    const { store, cells } = world()
    await store.set('key', utf8('bytes'))
    await store.set('key', 'text', { ttlMs: 5 })
    await store.del('key')
    const expected = [
      [utf8('bytes'), 0, ValueKind.bytes],
      [utf8('text'), CellFlag.expires, ValueKind.text],
      [utf8(''), CellFlag.tombstone, ValueKind.bytes],
    ] as const
    for (const [i, [value, flags, kind]] of expected.entries()) {
      const cell = Buffer.alloc(cellBytes(3, value.length))
      writeCell(cell, 0, utf8('key'), value, flags, kind)
      writeStamp(cell, CELL_STAMP_AT, NOW_MS, i, Buffer.alloc(8))
      if (flags === CellFlag.expires) setCellExpiryMs(cell, 0, NOW_MS + 5)
      expect(cells.taken[i]).toEqual(cell)
    }
  })
})

describe('key-value store: time', () => {
  test('key-value: ttl: gone from the millisecond on, everywhere', async () => {
    const { store, clock } = world()
    await store.set('a', 'one', { ttlMs: 10 })
    await store.set('b', 'two', { ttlMs: undefined })
    clock.ms += 9
    expect(store.getSync('a')).toEqual(utf8('one'))
    expect(texts(await all(store.keys()))).toEqual(['a', 'b'])
    clock.ms += 1
    expect(store.getSync('a')).toBeUndefined()
    expect(store.hasSync('a')).toBe(false)
    expect(await store.has('a')).toBe(false)
    expect(await store.getMany(['a', 'b'])).toEqual([undefined, utf8('two')])
    expect(texts(await all(store.keys()))).toEqual(['b'])
    await store.set('a', 'again')
    expect(store.getSync('a')).toEqual(utf8('again'))
  })

  test('key-value: ttl: counted from the clock, not from a stamp that is ahead', async () => {
    const { store, clock } = world()
    await store.set('a', 'one')
    clock.ms -= 1_000_000
    await store.set('a', 'two', { ttlMs: 10 })
    clock.ms += 10
    expect(store.getSync('a')).toBeUndefined()
  })

  test('key-value: stamps: rise with the clock set back, in one millisecond, after reopening', async () => {
    const { store, cells, clock, reopen } = world()
    await store.set('a', '1')
    await store.set('a', '2')
    clock.ms -= 60_000
    await store.set('a', '3')
    const again = reopen()
    await again.set('a', '4')
    clock.ms += 120_000
    await again.set('a', '5')
    expect(again.getSync('a')).toEqual(utf8('5'))
    const { taken } = cells
    for (let i = 1; i < taken.length; i += 1) {
      expect(compareStamps(taken[i]!, CELL_STAMP_AT, taken[i - 1]!, CELL_STAMP_AT)).toBeGreaterThan(
        0,
      )
    }
    expect(taken.map((cell) => stampMs(cell, CELL_STAMP_AT) - NOW_MS)).toEqual([0, 0, 0, 0, 60_000])
  })

  test('key-value: stamps: a full counter carries into the milliseconds', async () => {
    const { cells, reopen } = world()
    const cell = Buffer.alloc(cellBytes(1, 0))
    writeCell(cell, 0, utf8('z'), utf8(''), 0, 0)
    writeStamp(cell, CELL_STAMP_AT, NOW_MS + 5, STAMP_COUNTER_MAX - 1, Buffer.alloc(8, 0xff))
    cells.plant(cell)
    const store = reopen()
    await store.set('z', '1')
    await store.set('z', '2')
    await store.set('z', '3')
    const stamps = cells.taken.map((taken) => [
      stampMs(taken, CELL_STAMP_AT) - NOW_MS,
      stampCounter(taken, CELL_STAMP_AT),
    ])
    expect(stamps).toEqual([
      [5, STAMP_COUNTER_MAX],
      [6, 0],
      [6, 1],
    ])
    expect(store.getSync('z')).toEqual(utf8('3'))
  })

  test('key-value: another writer with a newer stamp: the loss is told', async () => {
    const { store, cells } = world()
    const cell = Buffer.alloc(cellBytes(1, 0))
    writeCell(cell, 0, utf8('z'), utf8(''), 0, 0)
    writeStamp(cell, CELL_STAMP_AT, NOW_MS + 5, 0, Buffer.alloc(8))
    cells.plant(cell)
    expect(await failureOf(store.set('z', '1'))).toMatchObject({ code: 'CASSIO_INTERNAL' })
  })
})

describe('key-value store: batch', () => {
  test('key-value: batch: given in one turn; the last operation on a key wins', async () => {
    const { store, cells } = world()
    await store.set('gone', 'x')
    await store.batch([
      { type: 'set', key: 'a', value: '1' },
      { type: 'set', key: 'a', value: '2' },
      { type: 'set', key: 'b', value: '1' },
      { type: 'del', key: 'b' },
      { type: 'del', key: 'c' },
      { type: 'set', key: 'c', value: utf8('3'), ttlMs: 100 },
      { type: 'del', key: 'gone' },
    ])
    expect(cells.turns).toEqual([1, 7])
    expect(await store.getMany(['a', 'b', 'c', 'gone'])).toEqual([
      utf8('2'),
      undefined,
      utf8('3'),
      undefined,
    ])
  })

  test('key-value: batch: larger than the scratch', async () => {
    const { store } = world()
    const operations = Array.from({ length: 2_000 }, (_, i) => {
      return { type: 'set', key: `key ${i}`, value: Buffer.alloc(i, i) } as const
    })
    await store.batch(operations)
    for (const { key, value } of operations) expect(store.getSync(key)!.equals(value)).toBe(true)
  })

  test('key-value: batch: empty: resolves and writes nothing', async () => {
    const { store, cells } = world()
    await store.batch([])
    expect(cells.taken).toEqual([])
    await store.close()
    expect(await failureOf(store.batch([]))).toMatchObject({ code: 'CASSIO_CLOSED' })
  })

  test('key-value: batch: refused up front: nothing is given', async () => {
    const { store, cells } = world()
    cells.refusal = refusal
    expect(await failureOf(store.batch([{ type: 'set', key: 'a', value: '1' }]))).toBe(refusal)
    expect(cells.taken).toEqual([])
  })

  test('key-value: batch: one wrong operation: nothing is given', async () => {
    const { store, cells } = world()
    const good: BatchOperation = { type: 'set', key: 'a', value: '1' }
    const wrong = { type: 'set', key: '', value: '1' } as const
    expect(await failureOf(store.batch([good, wrong]))).toMatchObject({
      code: 'CASSIO_KEY_TOO_LARGE',
    })
    expect(cells.taken).toEqual([])
    await store.batch([good])
    expect(cells.taken.length).toBe(1)
  })

  test('key-value: batch: fails in part: rejects once, as unknown', async () => {
    const { store, cells } = world()
    cells.failure = { error: refusal, from: 1 }
    const operations = ['a', 'b', 'c'].map((key) => ({ type: 'set', key, value: '1' }) as const)
    expect(await failureOf(store.batch(operations))).toMatchObject({
      code: 'CASSIO_DISK_FULL',
      applied: 'unknown',
      cause: refusal,
    })
    cells.failure = { error: refusal, from: 0 }
    expect(await failureOf(store.batch(operations))).toBe(refusal)
  })
})

describe('key-value store: failures', () => {
  test('key-value: write fails: rejects with that error, and later ones are not mixed up', async () => {
    const { store, cells } = world()
    cells.failure = { error: storage, from: 1 }
    const [first, second, third] = ['a', 'b', 'c'].map((key) => store.set(key, key))
    expect(await failureOf(second!)).toBe(storage)
    expect(await failureOf(third!)).toBe(storage)
    await first
    cells.failure = undefined
    await store.set('d', 'd')
    expect(texts(await all(store.keys()))).toEqual(['a', 'd'])
  })

  test.each([false, true])('key-value: read fails: rejects (later: %s)', async (later) => {
    const { store, cells } = world()
    await store.set('a', 'one')
    cells.answersLater = later
    cells.readFailure = new CassioError('CASSIO_CORRUPT', 'damaged')
    expect(await failureOf(store.get('a'))).toBe(cells.readFailure)
    expect(await failureOf(store.has('a'))).toBe(cells.readFailure)
    expect(await failureOf(store.getMany(['a', 'b']))).toBe(cells.readFailure)
    expect(() => store.getSync('a')).toThrow(cells.readFailure)
    expect(() => store.hasSync('a')).toThrow(cells.readFailure)
    cells.readFailure = undefined
    expect(await store.get('a')).toEqual(utf8('one'))
    expect(store.getSync('a')).toEqual(utf8('one'))
  })

  test('key-value: reads answered later: each gets its own answer', async () => {
    const { store, cells } = world()
    const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`)
    await Promise.all(keys.map((key) => store.set(key, key)))
    cells.answersLater = true
    const gets = keys.map((key) => store.get(key))
    expect(store.getSync('key 7')).toEqual(utf8('key 7'))
    expect(await Promise.all(gets)).toEqual(keys.map(utf8))
    cells.readsWaitingMost = 0
    expect(await store.getMany(keys)).toEqual(keys.map(utf8))
    expect(cells.readsWaitingMost).toBe(64)
  })

  test('key-value: closed: every call says so', async () => {
    const { store } = world()
    await store.close()
    const closed = { code: 'CASSIO_CLOSED' }
    expect(await failureOf(store.set('a', '1'))).toMatchObject(closed)
    expect(await failureOf(store.get('a'))).toMatchObject(closed)
    expect(await failureOf(all(store.entries()))).toMatchObject(closed)
    expect(() => store.getSync('a')).toThrow(CassioError)
  })

  test('key-value: the rest: passed on', async () => {
    const { store, cells } = world()
    await store.set('a', '1')
    await store.flush()
    await store.compact()
    await store.snapshot('copy')
    expect(await store.verify()).toEqual({ bytes: 0, damages: [] })
    expect(store.stats().cells).toBe(1)
    await store[Symbol.asyncDispose]()
    expect(cells.calls).toEqual(['flush', 'compact', 'snapshot copy', 'verify', 'close'])
  })
})

describe('key-value store: wrong arguments', () => {
  const large = 'CASSIO_KEY_TOO_LARGE'
  test.each([
    ['an empty text', '', { code: large, message: /has 0 bytes; keys have 1 to 65535/ }],
    ['no bytes', Buffer.alloc(0), { code: large }],
    ['a long text', 'k'.repeat(65_536), { code: large, message: /65536 bytes/ }],
    ['long bytes', Buffer.alloc(65_536), { code: large }],
    ['text whose UTF-8 is long', 'é'.repeat(32_768), { code: large, message: /65536 bytes/ }],
    ['a lone surrogate', 'a\ud800', { name: 'TypeError', message: /key has a lone surrogate/ }],
    ['a number', 5, { name: 'TypeError', message: /key must be a string.*not number/ }],
    ['null', null, { name: 'TypeError', message: /not null/ }],
    ['nothing', undefined, { name: 'TypeError', message: /not undefined/ }],
    ['an array', [1], { name: 'TypeError', message: /not object/ }],
  ])('key-value: key: %s: refused by every call', async (_what, given, expected) => {
    const { store, cells } = world()
    const key = given as string
    const { message, ...rest } = { message: /./, ...expected }
    const like = { ...rest, message: expect.stringMatching(message) }
    const calls = [
      store.set(key, 'v'),
      store.del(key),
      store.get(key),
      store.has(key),
      store.getMany(['a', key]),
      store.batch([{ type: 'del', key }]),
    ]
    for (const call of calls) expect(await failureOf(call)).toMatchObject(like)
    for (const call of [() => store.getSync(key), () => store.hasSync(key)]) {
      expect(await failureOf((async () => call())())).toMatchObject(like)
    }
    expect([cells.taken.length, cells.reads]).toEqual([0, 0])
  })

  test.each([
    ['long bytes', Buffer.alloc(VALUE_BYTES_MAX + 1), { code: 'CASSIO_VALUE_TOO_LARGE' }],
    ['a long text', 'v'.repeat(VALUE_BYTES_MAX + 1), { code: 'CASSIO_VALUE_TOO_LARGE' }],
    ['long UTF-8', 'é'.repeat(VALUE_BYTES_MAX / 2 + 1), { code: 'CASSIO_VALUE_TOO_LARGE' }],
    ['a lone surrogate', '\udc00', { name: 'TypeError' }],
    ['a number', 5, { name: 'TypeError' }],
    ['nothing', undefined, { name: 'TypeError' }],
    ['an object', {}, { name: 'TypeError' }],
  ])('key-value: value: %s: refused', async (_what, value, expected) => {
    const { store, cells } = world()
    expect(await failureOf(store.set('a', value as string))).toMatchObject(expected)
    expect(cells.taken).toEqual([])
  })

  test.each([
    [{ ttlMs: 0 }, 'RangeError'],
    [{ ttlMs: -1 }, 'RangeError'],
    [{ ttlMs: 1.5 }, 'RangeError'],
    [{ ttlMs: Number.NaN }, 'RangeError'],
    [{ ttlMs: '5' }, 'RangeError'],
    [{ ttlMs: null }, 'RangeError'],
    [{ ttlMs: EXPIRY_MS_MAX - NOW_MS + 1 }, 'RangeError'],
    [{ ttl: 5 }, 'TypeError'],
    [null, 'TypeError'],
    [5, 'TypeError'],
  ])('key-value: options of set: %j: %s', async (options, name) => {
    const { store, cells } = world()
    expect(await failureOf(store.set('a', '1', options as never))).toMatchObject({ name })
    expect(cells.taken).toEqual([])
  })

  test('key-value: ttl: the longest that fits is taken', async () => {
    const { store } = world()
    await store.set('a', '1', { ttlMs: EXPIRY_MS_MAX - NOW_MS })
    expect(store.getSync('a')).toEqual(utf8('1'))
  })

  test.each([
    [undefined],
    ['a'],
    [[undefined]],
    [[null]],
    [[{}]],
    [[{ type: 'put', key: 'a', value: '1' }]],
    [[{ type: 'set', key: 'a' }]],
    [[{ type: 'set', key: 'a', value: '1', ttl: 5 }]],
    [[{ type: 'del', key: 'a', value: '1' }]],
  ])('key-value: batch: %j: TypeError', async (operations) => {
    const { store } = world()
    expect(await failureOf(store.batch(operations as never))).toMatchObject({ name: 'TypeError' })
  })

  test('key-value: getMany: a text is no list of keys', async () => {
    const { store } = world()
    expect(await failureOf(store.getMany('abc' as never))).toMatchObject({ name: 'TypeError' })
    expect(await store.getMany([])).toEqual([])
  })
})

testSeeds('key-value: random operations: as a Map does', 8, async (random) => {
  const { store, cells, clock, reopen } = world(1 + random.below(3))
  const model = new Map<string, { value: Buffer; expiryMs: number }>()
  const key = () => `key ${'x'.repeat(random.below(3) * 20)}${random.below(40)}`
  const value = () => random.bytes(random.below(80))
  const live = (name: string) => {
    const entry = model.get(name)
    return entry !== undefined && entry.expiryMs > clock.ms ? entry.value : undefined
  }
  let current = store
  for (let step = 0; step < 400; step += 1) {
    cells.answersLater = random.chance(0.3)
    const given: Promise<void>[] = []
    const put = (): BatchOperation => {
      const name = key()
      if (random.chance(0.3)) {
        model.delete(name)
        return { type: 'del', key: name }
      }
      const bytes = value()
      const ttlMs = random.chance(0.3) ? 1 + random.below(50) : undefined
      model.set(name, { value: bytes, expiryMs: clock.ms + (ttlMs ?? Number.POSITIVE_INFINITY) })
      return { type: 'set', key: name, value: bytes, ttlMs }
    }
    for (let i = random.below(4); i > 0; i -= 1) {
      const operation = put()
      if (random.chance(0.3)) given.push(current.batch([operation, put(), put()]))
      else if (operation.type === 'del') given.push(current.del(operation.key))
      else given.push(current.set(operation.key, operation.value, { ttlMs: operation.ttlMs }))
    }
    await Promise.all(given)
    // Forth and back; what has expired by the model's clock may come to life again in both.
    clock.ms += random.below(30) - 10
    if (random.chance(0.05)) current = reopen()
    const name = key()
    expect(await current.get(name)).toEqual(live(name))
    expect(current.hasSync(name)).toBe(live(name) !== undefined)
    const names = [key(), key(), key()]
    expect(await current.getMany(names)).toEqual(names.map(live))
  }
  const expected = [...model.keys()].filter((name) => live(name) !== undefined).sort()
  const entries = await all(current.entries())
  expect(texts(entries.map((entry) => entry.key)).sort()).toEqual(expected)
  for (const entry of entries) expect(entry.value).toEqual(live(entry.key.toString()))
  expect(cells.taken.some((cell) => isTombstone(cell, 0))).toBe(true)
})
