import { Values, Workload } from './caller'
import { CHAOS_KINDS, type ChaosFault } from './faults'
import { flagsOf, makeChaosPlan } from './plan'

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed)

describe('chaos plan', () => {
  test('one seed: one plan, and the same calls', () => {
    const plan = makeChaosPlan(7, 2, 5)
    expect(makeChaosPlan(7, 2, 5)).toEqual(plan)
    expect(makeChaosPlan(8, 2, 5)).not.toEqual(plan)
    const calls = new Workload(plan).operations(3, 2)
    expect(new Workload(makeChaosPlan(7, 2, 5)).operations(3, 2)).toEqual(calls)
  })

  test('a longer run: begins with the same faults', () => {
    const short = makeChaosPlan(7, 1, 5).faults.filter(({ atMs }) => atMs < 50_000)
    const long = makeChaosPlan(7, 3, 5).faults.slice(0, short.length)
    const shape = ({ kind, atMs, action }: ChaosFault) => ({ kind, atMs, action })
    expect(long.map(shape)).toEqual(short.map(shape))
  })

  test('many seeds: every kind of fault comes, within its time, and damages one node at most', () => {
    const seen = new Set<string>()
    for (const plan of SEEDS.map((seed) => makeChaosPlan(seed, 2, 5))) {
      const damaged = new Set<number>()
      for (const { kind, action, atMs, forMs } of plan.faults) {
        seen.add(kind)
        expect(atMs + forMs).toBeLessThanOrEqual(plan.chaosMs)
        if (action.type === 'rot') damaged.add(action.node)
      }
      expect(damaged.size).toBeLessThanOrEqual(1)
    }
    expect([...seen].sort()).toEqual([...CHAOS_KINDS].sort())
  })

  test('flags: the options by the names that the command has', () => {
    const flags = flagsOf(makeChaosPlan(7, 2, 5))
    for (const flag of ['--rf', '--memtable-bytes', '--repair-interval-ms', '--hint-age-max-ms']) {
      expect(flags).toContain(flag)
    }
  })

  test('values: no two are equal, and one that is not whole has no name', () => {
    const values = new Values()
    const [first, second] = [values.next(3, 0), values.next(3, 40)]
    expect(first.name).not.toBe(second.name)
    expect(second.text.length).toBe(second.name.length + 40)
    for (const { name, text } of [first, second]) expect(values.nameOf(text)).toBe(name)
    const damaged = [second.text.slice(1), second.text.slice(0, -1), `${second.text.slice(0, -1)}!`]
    for (const text of [...damaged, '3:9|', '']) expect(values.nameOf(text)).toContain('not whole')
  })
})
