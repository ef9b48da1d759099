import { plainData } from '../src/plain-data'

class Point {
  readonly x = 1
  length(): number {
    return this.x
  }
}

describe('plain data', () => {
  it.each([undefined, null, 1, 'text', 2n, true, [], {}, [1, [2]], { a: { b: [null] } }])(
    'plain data: %p: as it is',
    (value) => {
      expect(plainData(value)).toStrictEqual(value)
    },
  )

  it('plain data: a Buffer: a Uint8Array over the same memory', () => {
    const buffer = Buffer.from('abc')
    const { bytes } = plainData({ bytes: buffer }) as { bytes: Uint8Array }
    expect(Buffer.isBuffer(bytes)).toBe(false)
    buffer[0] = 120
    expect([...bytes]).toEqual([120, 98, 99])
  })

  it('plain data: an instance: its own fields, without its class', () => {
    const copy = plainData(new Point())
    expect(copy).toStrictEqual({ x: 1 })
  })

  it('plain data: shared and cyclic references: stay so', () => {
    const shared = { name: 'shared' }
    const value: Record<string, unknown> = { one: shared, two: shared }
    value.self = value
    const copy = plainData(value) as Record<string, unknown>
    expect(copy).not.toBe(value)
    expect(copy.self).toBe(copy)
    expect(copy.one).toBe(copy.two)
    expect(copy.one).toEqual(shared)
  })

  it.each([() => {}, Symbol('s')])('plain data: %p: DataCloneError, however deep', (value) => {
    expect(() => plainData([{ value }])).toThrow(
      expect.objectContaining({ name: 'DataCloneError' }) as Error,
    )
  })
})
