import { KeyedRandom } from '@cassiopeia/env'
import { RequestTable } from '../src/request-table'

describe('request table', () => {
  it('request table: an id: finds its entry once', () => {
    const table = new RequestTable<string>()
    const a = table.add('a')
    const b = table.add('b')
    expect(a).not.toBe(b)
    expect(table.take(a)).toBe('a')
    expect(table.take(a)).toBeUndefined()
    expect(table.size).toBe(1)
    expect(table.take(b)).toBe('b')
  })

  it('request table: an id of an earlier tenant of the slot: finds nothing', () => {
    const table = new RequestTable<number>()
    const old = table.add(0)
    table.take(old)
    // Slots are ids modulo a power of two.
    let id = table.add(1)
    while ((id & 63) !== (old & 63)) {
      table.take(id)
      id = table.add(1)
    }
    expect(table.take(old)).toBeUndefined()
    expect(table.take(id)).toBe(1)
  })

  it('request table: ids: wrap after 2^32', () => {
    const table = new RequestTable<number>(2 ** 32 - 3)
    const ids = [0, 1, 2, 3].map((entry) => table.add(entry))
    expect(ids).toEqual([2 ** 32 - 2, 2 ** 32 - 1, 0, 1])
    expect(ids.map((id) => table.take(id))).toEqual([0, 1, 2, 3])
  })

  it('request table: takeAll: empties it', () => {
    const table = new RequestTable<number>()
    const ids = Array.from({ length: 100 }, (_, n) => table.add(n))
    expect(table.takeAll().sort((a, b) => a - b)).toEqual([...ids.keys()])
    expect(table.size).toBe(0)
    expect(table.take(ids[5]!)).toBeUndefined()
  })

  it('request table: against a Map, in lockstep (20,000 operations)', () => {
    const random = new KeyedRandom(1, 'table')
    const table = new RequestTable<number>(2 ** 32 - 5_000)
    const model = new Map<number, number>()
    for (let step = 0; step < 20_000; step += 1) {
      if (random.chance(step < 10_000 ? 0.6 : 0.4)) {
        const id = table.add(step)
        expect(model.has(id)).toBe(false)
        model.set(id, step)
      } else {
        const ids = [...model.keys()].slice(0, 50)
        const id = ids.length > 0 && random.chance(0.9) ? ids[random.below(ids.length)]! : step
        expect(table.take(id)).toBe(model.get(id))
        model.delete(id)
      }
      expect(table.size).toBe(model.size)
    }
  })
})
