import { type CassioError, MessageType, type ScanParams } from '@cassiopeia/protocol'
import { World } from './world'

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

async function filled(
  count: number,
): Promise<{ world: World; client: Awaited<ReturnType<World['connected']>> }> {
  const world = await World.make()
  const client = await world.connected()
  const entries = Array.from(
    { length: count },
    (_, n) => [`k${String(n).padStart(3, '0')}`, n] as const,
  )
  await world.run(client.setMany(entries))
  return { world, client }
}

function scans(world: World): ScanParams[] {
  return world.all
    .flatMap((node) => node.ofType(MessageType.CALL))
    .filter(({ call }) => call.method === 'scan')
    .map(({ call }) => call.params as ScanParams)
}

describe('client: scans', () => {
  it('client: keys: all of them, each once, page by page', async () => {
    const { world, client } = await filled(95)
    const keys = await world.run(collect(client.keys({ pageSize: 10 })))
    expect(keys).toEqual(Array.from({ length: 95 }, (_, n) => `k${String(n).padStart(3, '0')}`))
    expect(scans(world)).toHaveLength(10)
    expect(scans(world).every(({ keysOnly, limit }) => keysOnly && limit === 10)).toBe(true)
  })

  it('client: scan: with values and stamps; the prefix and level travel', async () => {
    const { world, client } = await filled(30)
    const entries = await world.run(
      collect(client.scan<number>({ prefix: 'k02', consistency: 'ALL' })),
    )
    expect(entries).toHaveLength(10)
    expect(entries[3]).toEqual({ key: 'k023', value: 23, stamp: expect.stringMatching(/^\d+-0-/) })
    expect(scans(world)).toEqual([expect.objectContaining({ level: 'ALL', keysOnly: false })])
  })

  it('client: a page that is asked for only when it is needed: leaving early asks for no more', async () => {
    const { world, client } = await filled(50)
    const first = async () => {
      for await (const key of client.keys({ pageSize: 10 })) return key
      return undefined
    }
    expect(await world.run(first)).toBe('k000')
    expect(scans(world)).toHaveLength(1)
  })

  it('client: keys that are no text: Buffers on request, an error otherwise', async () => {
    const world = await World.make()
    const client = await world.connected()
    const odd = Buffer.from([0xff, 0xfe])
    await world.run(client.set(odd, 1))
    await world.run(client.set('\ufffd', 2))
    expect(await world.run(collect(client.keys({ keyEncoding: 'buffer' })))).toEqual([
      Buffer.from('\ufffd'),
      odd,
    ])
    const error = await world.failure(collect(client.keys()))
    expect(error).toMatchObject({ code: 'CASSIO_INVALID' })
    expect(error.message).toContain('fffe')
    expect(await world.run(collect(client.keys({ prefix: '\ufffd' })))).toEqual(['\ufffd'])
  })

  it('client: wrong options: thrown at once', async () => {
    const world = await World.make()
    const client = await world.connected()
    expect(() => client.keys({ pageSize: 0 })).toThrow(RangeError)
    expect(() => client.keys({ pageSize: 10_001 })).toThrow(RangeError)
    expect(() => client.keys({ keyEncoding: 'latin1' as never })).toThrow(RangeError)
    expect(() => client.scan({ prefx: 'k' } as never)).toThrow(TypeError)
  })

  it('client: the node lost between pages: another one goes on', async () => {
    const { world, client } = await filled(60)
    const keys: string[] = []
    const walk = async () => {
      for await (const key of client.keys({ pageSize: 10 })) {
        keys.push(key)
        if (keys.length === 25) world.process('n1').kill()
        if (keys.length === 35) world.process('n2').pause()
      }
    }
    const { ms } = await world.timed(walk)
    expect(new Set(keys).size).toBe(60)
    expect(keys).toHaveLength(60)
    expect(ms).toBeLessThan(200)
  })

  it.each<[string, unknown]>([
    ['no page', null],
    ['no cells', { cells: 7 }],
    ['a cell of text', { cells: ['cell'] }],
    ['a damaged cell', { cells: [Buffer.alloc(40)] }],
    ['a next without a place', { cells: [], next: {} }],
    ['a next that is where we are', { cells: [], next: { partition: 0 } }],
    ['a next that goes back', { cells: [], next: { partition: -1 } }],
    ['a next with a key of text', { cells: [], next: { partition: 0, afterKey: 'k' } }],
  ])('client: a page with %s: CASSIO_PROTOCOL', async (_, page) => {
    const { world, client } = await filled(1)
    for (const node of world.all) {
      node.script = (request) => {
        if (request.type === MessageType.CALL) request.result(page)
        return request.type === MessageType.CALL
      }
    }
    const error = (await world.failure(collect(client.scan()))) as CassioError
    expect(error).toMatchObject({ code: 'CASSIO_PROTOCOL' })
  })

  it('client: an empty page that leads onward: is not the end', async () => {
    const { world, client } = await filled(3)
    for (const node of world.all) {
      node.script = (request) => {
        const { partition } = (
          request.type === MessageType.CALL ? request.call.params : {}
        ) as ScanParams
        if (partition !== 0) return false
        request.result({ cells: [], next: { partition: 7 } })
        return true
      }
    }
    expect(await world.run(collect(client.keys()))).toEqual(['k000', 'k001', 'k002'])
  })
})
