import { CassioClient } from '../src'

/** Nobody listens: whatever is refused here is refused before anything is sent. */
function client(): CassioClient {
  const client = new CassioClient({ contactPoints: ['127.0.0.1:1'], connectTimeoutMs: 60_000 })
  client.connect().catch(() => {})
  return client
}

const BAD = [
  ['a signal that is none', { signal: {} }],
  ['options that are none', 5],
  ['options that are null', null],
  ['a level from the prototype', { consistency: 'toString' }],
] as const

describe('client: arguments', () => {
  it.each(BAD)(
    'client: %s: refused, and nothing is left that disconnect() waits for',
    async (_, options) => {
      const one = client()
      await expect(one.get('key', options as never)).rejects.toThrow(
        /must be an object|AbortSignal|level/,
      )
      await expect(one.set('key', 1, options as never)).rejects.toThrow(
        /must be an object|AbortSignal|level/,
      )
      await one.disconnect()
    },
  )

  it('client: one key where a list belongs: refused', async () => {
    const one = client()
    await expect(one.delMany('ab')).rejects.toThrow(TypeError)
    await expect(one.getMany(Buffer.from('ab') as never)).rejects.toThrow(TypeError)
    await one.disconnect()
  })

  it.each([
    ['a key __proto__', JSON.parse('{"__proto__":1}')],
    ['a nested lone surrogate', { a: ['\ud800'] }],
    ['a nested function', { f() {} }],
    [
      'a cycle',
      (() => {
        const cycle: unknown[] = []
        cycle.push(cycle)
        return cycle
      })(),
    ],
  ])('client: a value with %s: refused', async (_, value) => {
    const one = client()
    await expect(one.set('key', value)).rejects.toThrow(TypeError)
    await one.disconnect()
  })
})
