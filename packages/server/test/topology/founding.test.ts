import { KeyedRandom } from '@cassiopeia/env'
import { encodeClusterMap, pack, unpack } from '@cassiopeia/protocol'
import { foundCluster } from '../../src/topology/found-cluster'
import { decodeFounder, encodeFounder, FoundingCore } from '../../src/topology/founding-core'

const ADDRESSES = ['a:1', 'b:1', 'c:1', 'd:1']
const OPTIONS = { replicationFactor: 3, partitionBits: 10 }

function founder(name: string, life = 1) {
  const id = `${name.charCodeAt(0).toString(16).repeat(4)}-${life}000-4000-8000-000000000000`
  return { id, rack: 'r', datacenter: 'd', weight: 1 }
}

function makeCore(address: string, life = 1): FoundingCore {
  return new FoundingCore(ADDRESSES, address, founder(address, life))
}

/** All that the map is computed from, in one order. */
function foundersOf(core: FoundingCore): string {
  return JSON.stringify(Object.entries(core.view()).sort())
}

function wire<T>(value: T): T {
  return unpack(pack(value)) as T
}

describe('founding core', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'founding core: views in any order, lost and repeated: all who form, form the same (seed %d)',
    (seed) => {
      const random = new KeyedRandom(seed, 'founding')
      const cores = ADDRESSES.map((address) => makeCore(address))
      const inbox: { from: number; to: number; view: unknown }[] = []
      const tellAll = (from: number): void => {
        cores.forEach((_, to) => {
          if (to !== from) inbox.push({ from, to, view: wire(cores[from]!.view()) })
        })
      }
      const maps = new Map<number, string>()
      for (let step = 0; maps.size < cores.length; step += 1) {
        if (step > 5_000) throw new Error(`seed ${seed}: no agreement`)
        if (inbox.length === 0 || random.chance(0.05)) tellAll(random.below(cores.length))
        const at = random.below(inbox.length)
        const message = inbox[at]!
        if (!random.chance(0.2)) inbox.splice(at, 1)
        if (random.chance(0.3)) continue
        const core = cores[message.to]!
        if (core.onView(ADDRESSES[message.from]!, message.view)) tellAll(message.to)
        if (core.agreed() && !maps.has(message.to)) {
          maps.set(message.to, foundersOf(core))
        }
      }
      expect(new Set(maps.values()).size).toBe(1)
    },
  )

  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'founding core: founders restarted and wiped at any time: never two different maps (seed %d)',
    (seed) => {
      const random = new KeyedRandom(seed, 'founding-wipe')
      const lives = ADDRESSES.map(() => 1)
      const cores = ADDRESSES.map((address) => makeCore(address))
      // One that has formed keeps its map on its disk and speaks of nothing else.
      const maps = new Map<number, string>()
      const inbox: { from: number; to: number; view: unknown }[] = []
      for (let step = 0; step < 600; step += 1) {
        const one = random.below(cores.length)
        if (random.chance(0.03)) {
          const isWiped = random.chance(0.5)
          if (isWiped) {
            lives[one]! += 1
            maps.delete(one)
          }
          cores[one] = makeCore(ADDRESSES[one]!, lives[one])
          // Connections end with the process; what was under way to it is lost.
          for (let i = inbox.length - 1; i >= 0; i -= 1)
            if (inbox[i]!.to === one) inbox.splice(i, 1)
        }
        if (!maps.has(one)) {
          cores.forEach((_, to) => {
            if (to !== one) inbox.push({ from: one, to, view: wire(cores[one]!.view()) })
          })
        }
        const [message] = inbox.splice(random.below(inbox.length), 1)
        if (message === undefined || maps.has(message.to)) continue
        const core = cores[message.to]!
        core.onView(ADDRESSES[message.from]!, message.view)
        if (core.agreed()) {
          maps.set(message.to, foundersOf(core))
        }
      }
      const alive = new Set(maps.values())
      expect(alive.size).toBeLessThanOrEqual(1)
    },
  )

  it('founding core: a view that is complete: never changes, a wiped founder is a stranger', () => {
    const core = makeCore('a:1')
    for (const address of ADDRESSES.slice(1)) {
      expect(core.onView(address, { [address]: encodeFounder(founder(address)) })).toBe(true)
    }
    expect([core.missing(), core.undecided()]).toEqual([[], ['b:1', 'c:1', 'd:1']])
    const before = core.view()
    expect(core.onView('b:1', { 'b:1': encodeFounder(founder('b:1', 2)) })).toBe(false)
    expect(core.view()).toEqual(before)
    for (const address of ADDRESSES.slice(1)) core.onView(address, before)
    expect(core.agreed()).toBe(true)
    core.onView('b:1', { ...before, 'b:1': encodeFounder(founder('b:1', 2)) })
    expect([core.agreed(), core.undecided()]).toEqual([false, ['b:1']])
  })

  it('founding core: what a founder says of others: is no introduction of theirs', () => {
    const core = makeCore('a:1')
    const view = Object.fromEntries(ADDRESSES.map((each) => [each, encodeFounder(founder(each))]))
    core.onView('b:1', view)
    expect(core.missing()).toEqual(['c:1', 'd:1'])
  })

  it.each<[string, string, unknown]>([
    ['nothing', 'b:1', null],
    ['text', 'b:1', 'x'],
    ['no word of itself', 'b:1', {}],
    ['a number for itself', 'b:1', { 'b:1': 5 }],
    ['no JSON', 'b:1', { 'b:1': '{' }],
    ['JSON of nobody', 'b:1', { 'b:1': '[]' }],
    ['null', 'b:1', { 'b:1': 'null' }],
    ['a weight of 0', 'b:1', { 'b:1': '["id","r","d",0]' }],
    ['a stranger', 'x:1', { 'x:1': encodeFounder(founder('x:1')) }],
    ['this node itself', 'a:1', { 'a:1': encodeFounder(founder('x:1')) }],
  ])('founding core: a view with %s: changes nothing', (_what, from, view) => {
    const core = makeCore('a:1')
    expect(core.onView(from, view)).toBe(false)
    expect(core.missing()).toEqual(['b:1', 'c:1', 'd:1'])
    expect(core.agreed()).toBe(false)
  })

  it('founding core: alone: agreed at once', () => {
    const core = new FoundingCore(['a:1'], 'a:1', founder('a:1'))
    expect(core.agreed()).toBe(true)
    const map = foundCluster(core.view(), { ...OPTIONS, replicationFactor: 1 })
    expect([map.epoch, map.members.length]).toEqual([1, 1])
  })

  it('founding: one data directory copied to another: CASSIO_IDENTITY names both', () => {
    const view = { 'a:1': encodeFounder(founder('a:1')), 'b:1': encodeFounder(founder('a:1')) }
    expect(() => foundCluster(view, OPTIONS)).toThrow(
      expect.objectContaining({
        code: 'CASSIO_IDENTITY',
        message: expect.stringMatching(/a:1 and b:1 have the same node id/),
      }),
    )
  })

  it('founding: one view, in whatever order it was gathered: the same map, byte for byte', () => {
    const entries = ADDRESSES.map((each) => [each, encodeFounder(founder(each))] as const)
    const maps = [entries, entries.toReversed()].map((view) =>
      encodeClusterMap(foundCluster(Object.fromEntries(view), OPTIONS)),
    )
    expect(maps[0]!.equals(maps[1]!)).toBe(true)
  })

  it('founding: other facts: another cluster id', () => {
    const view = Object.fromEntries(ADDRESSES.map((each) => [each, encodeFounder(founder(each))]))
    const ids = [
      foundCluster(view, OPTIONS),
      foundCluster(view, { ...OPTIONS, replicationFactor: 2 }),
      foundCluster(view, { ...OPTIONS, partitionBits: 11 }),
      foundCluster({ ...view, 'a:1': encodeFounder(founder('a:1', 2)) }, OPTIONS),
    ].map((map) => map.clusterId)
    expect(new Set(ids).size).toBe(4)
    expect(decodeFounder(view['a:1']!)).toEqual(founder('a:1'))
  })
})
