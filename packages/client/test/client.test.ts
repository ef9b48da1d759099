import {
  CassioError,
  CellFlag,
  ConsistencyLevel,
  cellExpiryMs,
  cellFlags,
  formatStamp,
  MessageType,
} from '@cassiopeia/protocol'
import type { CassioClient } from '../src'
import { World } from './world'

describe('client', () => {
  it('client: set, get, del: the value comes back as what it was', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(async () => {
      const receipt = await client.set('ryan', 'jiang')
      expect(receipt.stamp).toMatch(/^\d+-0-[0-9a-f]{16}$/)
      expect(receipt).toMatchObject({ acknowledged: 2, required: 2, superseded: false })
      expect(JSON.parse(JSON.stringify(receipt))).toEqual({
        stamp: receipt.stamp,
        acknowledged: 2,
        required: 2,
        superseded: false,
      })
      expect(await client.get('ryan')).toBe('jiang')
      expect(await client.has('ryan')).toBe(true)
      await client.del('ryan')
      expect(await client.get('ryan')).toBeUndefined()
      expect(await client.has('ryan')).toBe(false)
      expect(await client.getEntry('ryan')).toBeUndefined()
    })
    expect(world.all.flatMap((node) => node.ofType(MessageType.PUT))).toHaveLength(2)
  })

  it.each([
    ['empty text', ''],
    ['text', 'żółw 🐢'],
    ['bytes', Buffer.from([0, 255, 1])],
    ['no bytes', Buffer.alloc(0)],
    ['null', null],
    ['false', false],
    ['a number', -1.5],
    ['an object', { a: [1, { b: 'c' }], d: null }],
    ['a Date', new Date(1_700_000_000_000)],
    ['a large integer', 2 ** 53 - 1],
    ['a bigint', 2n ** 60n],
  ])('client: a value that is %s: comes back equal', async (_, value) => {
    const world = await World.make({ nodes: ['n1'] })
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    await world.run(client.set('k', value))
    expect(await world.run(client.get('k'))).toEqual(value)
  })

  it('client: keys as text and as bytes: one key when the bytes are the same', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client.set('ключ', 1))
    expect(await world.run(client.get(Buffer.from('ключ')))).toBe(1)
    expect(await world.run(client.get(new Uint8Array(Buffer.from('ключ'))))).toBe(1)
  })

  it('client: wrong arguments: rejected before anything is sent', async () => {
    const world = await World.make({ node: { maxValueBytes: 1000 } })
    const client = await world.connected()
    const before = world.all.flatMap((node) => node.requests).length
    const failing = async (call: (client: CassioClient) => Promise<unknown>) =>
      world.failure(call(client))
    expect(await failing((c) => c.get(''))).toMatchObject({ code: 'CASSIO_KEY_TOO_LARGE' })
    expect(await failing((c) => c.get('k'.repeat(65_536)))).toMatchObject({
      code: 'CASSIO_KEY_TOO_LARGE',
    })
    expect(await failing((c) => c.set('k', Buffer.alloc(1001)))).toMatchObject({
      code: 'CASSIO_VALUE_TOO_LARGE',
      applied: 'none',
    })
    expect(await failing((c) => c.set('k', Buffer.alloc(16 * 1024 * 1024 + 1)))).toMatchObject({
      code: 'CASSIO_VALUE_TOO_LARGE',
    })
    for (const call of [
      (c: CassioClient) => c.get(7 as never),
      (c: CassioClient) => c.get(undefined as never),
      (c: CassioClient) => c.get('\ud800'),
      (c: CassioClient) => c.set('k', undefined),
      (c: CassioClient) => c.set('k', () => {}),
      (c: CassioClient) => c.set('k', '\udfff'),
      (c: CassioClient) => c.set('k', 1, { tttlMs: 5 } as never),
      (c: CassioClient) => c.del('k', { ttlMs: 5 } as never),
    ]) {
      expect(await failing(call)).toBeInstanceOf(TypeError)
    }
    for (const call of [
      (c: CassioClient) => c.get('k', { timeoutMs: 0 }),
      (c: CassioClient) => c.get('k', { timeoutMs: 600_001 }),
      (c: CassioClient) => c.get('k', { consistency: 'MOST' as never }),
      (c: CassioClient) => c.set('k', 1, { ttlMs: 0 }),
      (c: CassioClient) => c.set('k', 1, { ttlMs: 1.5 }),
      (c: CassioClient) => c.set('k', 1, { timestamp: 'yesterday' }),
    ]) {
      expect(await failing(call)).toBeInstanceOf(RangeError)
    }
    expect(world.all.flatMap((node) => node.requests)).toHaveLength(before)
  })

  it('client: a Buffer changed after the call: what was passed is stored', async () => {
    const world = await World.make()
    const client = await world.connected()
    const key = Buffer.from('key')
    const value = Buffer.from('value')
    const writing = client.set(key, value)
    key.fill(0)
    value.fill(0)
    await world.run(writing)
    expect(await world.run(client.get('key'))).toEqual(Buffer.from('value'))
  })

  it('client: consistency: per client, for reads and writes, per call', async () => {
    const world = await World.make()
    const client = await world.connected({ consistency: 'ONE', writeConsistency: 'ALL' })
    await world.run(client.set('k', 1))
    await world.run(client.get('k'))
    await world.run(client.get('k', { consistency: 'TWO' }))
    const levels = world.all.flatMap((node) => node.requests).filter((each) => each.type < 18)
    const { ONE, TWO, ALL } = ConsistencyLevel
    expect(levels.map((each) => [each.type, each.level])).toEqual(
      expect.arrayContaining([
        [MessageType.PUT, ALL],
        [MessageType.GET, ONE],
        [MessageType.GET, TWO],
      ]),
    )
  })

  it('client: ttl: travels as milliseconds, comes back as what is left', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client.set('k', 1, { ttlMs: 60_000 }))
    const [put] = world.all.flatMap((node) => node.ofType(MessageType.PUT))
    expect(cellExpiryMs(put!.cell, 0)).toBe(60_000)
    await world.simulation.advance(10_000)
    const left = await world.run(client.ttl('k'))
    expect(left).toBeGreaterThan(49_900)
    expect(left).toBeLessThanOrEqual(50_000)
    await world.run(client.set('k', 1))
    expect(await world.run(client.ttl('k'))).toBe(Number.POSITIVE_INFINITY)
    expect(await world.run(client.ttl('none'))).toBeUndefined()
  })

  it('client: a timestamp: is the stamp of the cell, and says so', async () => {
    const world = await World.make()
    const client = await world.connected()
    const stamp = '1700000000000-7-00112233445566ff'
    await world.run(client.set('k', 1, { timestamp: stamp }))
    await world.run(client.del('l', { timestamp: 1_600_000_000_000 }))
    const cells = world.all.flatMap((node) => node.ofType(MessageType.PUT)).map((put) => put.cell)
    expect(cells.map((cell) => formatStamp(cell, 8)).sort()).toEqual([
      '1600000000000-0-0000000000000000',
      stamp,
    ])
    for (const cell of cells) expect(cellFlags(cell, 0) & CellFlag.clientStamp).toBeTruthy()
    expect(await world.run(client.getEntry('k'))).toEqual({ value: 1, stamp })
  })

  it('client: many calls in one turn: one write for each connection', async () => {
    const world = await World.make()
    const client = await world.connected()
    const before = world.all.map((node) => node.chunks)
    const work = Array.from({ length: 300 }, (_, n) => client.set(`key-${n}`, n))
    await world.run(Promise.all(work))
    expect(world.all.map((node, i) => node.chunks - before[i]!)).toEqual([1, 1, 1])
    expect(world.all.flatMap((node) => node.ofType(MessageType.PUT))).toHaveLength(300)
  })

  it('client: getMany, setMany, delMany: in order', async () => {
    const world = await World.make()
    const client = await world.connected({ maxInFlight: 50 })
    const keys = Array.from({ length: 500 }, (_, n) => `key-${n}`)
    await world.run(client.setMany(keys.map((key, n) => [key, n])))
    await world.run(client.delMany(keys.slice(0, 3)))
    const values = await world.run(client.getMany<number>(new Set(keys)))
    expect(values).toEqual(
      [undefined, undefined, undefined, ...keys.keys()]
        .slice(0, 3)
        .concat(Array.from({ length: 497 }, (_, n) => n + 3)),
    )
    expect(await world.run(client.getMany([]))).toEqual([])
  })

  it('client: setMany with a refusal: says how many, and that others may be applied', async () => {
    const world = await World.make()
    const client = await world.connected()
    for (const node of world.all) {
      node.script = (request) => {
        if (request.key !== 'bad') return false
        request.fault(new CassioError('CASSIO_STAMP_AHEAD', 'too far ahead'))
        return true
      }
    }
    const error = await world.failure(
      client.setMany([
        ['a', 1],
        ['bad', 2],
        ['c', 3],
      ]),
    )
    expect(error).toMatchObject({ code: 'CASSIO_STAMP_AHEAD', applied: 'unknown' })
    expect(error.message).toContain('1 of 3 calls failed, 2 succeeded')
    expect(await world.failure(client.delMany(['bad']))).toMatchObject({ applied: 'none' })
  })

  it('client: more calls than maxInFlight: CASSIO_OVERLOADED, nothing sent', async () => {
    const world = await World.make()
    const client = await world.connected({ maxInFlight: 10 })
    const work = Array.from({ length: 11 }, (_, n) => client.set(`key-${n}`, n))
    const settled = await world.run(Promise.allSettled(work))
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    expect(settled[10]).toMatchObject({ reason: { code: 'CASSIO_OVERLOADED', applied: 'none' } })
    await world.run(client.set('again', 1))
  })

  it('client: more than the send buffers take: CASSIO_OVERLOADED', async () => {
    const world = await World.make()
    const client = await world.connected({ sendBufferMaxBytes: 65_536 })
    const value = Buffer.alloc(30_000)
    const work = Array.from({ length: 10 }, (_, n) => client.set(`key-${n}`, value))
    const settled = await world.run(Promise.allSettled(work))
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(6)
    expect(settled[9]).toMatchObject({ reason: { code: 'CASSIO_OVERLOADED', applied: 'none' } })
  })

  it('client: status, explain, where, clusterMap: answered', async () => {
    const world = await World.make()
    const client = await world.connected()
    expect(await world.run(client.status())).toMatchObject({ nodeId: expect.any(String) })
    expect(await world.run(client.status('n2:9000'))).toMatchObject({ address: 'n2:9000' })
    expect(await world.run(client.status('n2'))).toMatchObject({ address: 'n2:9000' })
    expect(await world.failure(client.status('n9:9000'))).toMatchObject({ code: 'CASSIO_INVALID' })
    expect(await world.run(client.explain('k'))).toMatchObject({ outcome: 'none' })
    const where = client.where('k')
    expect(where.vector).toHaveLength(10)
    expect(where.replicas).toHaveLength(3)
    expect(where.partition).toBeLessThan(1024)
    expect(client.clusterMap().epoch).toBe(1)
  })

  it('client: before connect: says so', async () => {
    const world = await World.make()
    const client = world.client()
    expect(await world.failure(client.get('k'))).toMatchObject({ code: 'CASSIO_INVALID' })
    expect(() => client.where('k')).toThrow('await connect() first')
  })

  it('client: the same seed twice: the same history', async () => {
    const history = async () => {
      const world = await World.make({ seed: 7 })
      const client = await world.connected()
      world.process('n1').pause()
      await world.run(client.setMany(Array.from({ length: 100 }, (_, n) => [`key-${n}`, n])))
      await world.run(client.disconnect())
      return world.simulation.traceHash
    }
    expect(await history()).toBe(await history())
  })
})
