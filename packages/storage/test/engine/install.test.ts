import { installFlush, installMerge, mayJoin, replaceDeletes } from '../../src/engine/install'
import type { ManifestState, ManifestTable } from '../../src/manifest/format'
import type { Place } from '../../src/table/place'
import { type TableInfo, TableKind } from '../../src/table/table-info'

function place(partition: number, key: string): Place {
  return { partition, key: Buffer.from(key) }
}

function info(
  number: number,
  first: string,
  last: string,
  kind: TableKind = TableKind.data,
): TableInfo {
  return {
    number,
    kind,
    bytes: 1_000,
    blocks: 1,
    cells: 10,
    cellBytes: 900,
    first: place(1, first),
    last: place(1, last),
    minStamp: Buffer.alloc(16, 1),
    maxStamp: Buffer.alloc(16, 2),
    halfExpiredMs: 0,
    footerCrc: number,
  }
}

function entry(made: TableInfo, run: number, more: Partial<ManifestTable> = {}): ManifestTable {
  return { info: made, run, after: undefined, applied: false, ...more }
}

function state(...tables: ManifestTable[]): ManifestState {
  return { nextNumber: 100, nextRun: 100, logFirst: 5, partitions: 16, tables }
}

/** Gives runs from 50 on. */
function runs(): () => number {
  let next = 50
  return () => next++
}

/** Number, run, whether it is applied, and from which key on it counts. */
function summary({ tables }: ManifestState): string[] {
  return tables.map(({ info: { number }, run, applied, after }) => {
    const words = [`${number} in ${run}`]
    if (applied) words.push('applied')
    if (after !== undefined) words.push(`after ${after.partition}/${after.key.toString()}`)
    return words.join(', ')
  })
}

const TARGET = { run: 9, inputs: new Set([1, 2, 3]), full: false, applied: undefined }

describe('install', () => {
  test('install: a flush: each table a run of its own, the log is needed from later on', () => {
    const before = state(entry(info(1, 'a', 'm'), 1))
    const infos = [info(7, 'a', 'z'), info(8, 'a', 'z', TableKind.tombstones)]
    const after = installFlush(before, infos, 12, runs())
    expect(summary(after)).toEqual(['1 in 1', '7 in 50', '8 in 51'])
    expect(after.logFirst).toBe(12)
    expect(summary(before)).toEqual(['1 in 1'])
    expect(summary(installFlush(before, [], 6, runs()))).toEqual(['1 in 1'])
  })

  test('install: a merge on its way: dead inputs go, the one it is in counts from there on', () => {
    const before = state(
      entry(info(1, 'a', 'f'), 1),
      entry(info(2, 'g', 'p'), 1),
      entry(info(3, 'q', 'z'), 2),
      entry(info(4, 'a', 'z'), 3),
    )
    const after = installMerge(before, [info(20, 'a', 'k')], place(1, 'k'), TARGET, runs())
    expect(summary(after)).toEqual(['2 in 1, after 1/k', '3 in 2', '4 in 3', '20 in 9'])
    // An input whose last cell is there is dead; one that begins there is not untouched.
    const edge = installMerge(before, [], place(1, 'p'), TARGET, runs())
    expect(summary(edge)).toEqual(['3 in 2', '4 in 3'])
    const start = installMerge(before, [], place(1, 'g'), TARGET, runs())
    expect(summary(start)).toEqual(['2 in 1, after 1/g', '3 in 2', '4 in 3'])
    const end = installMerge(after, [info(21, 'l', 'z')], undefined, TARGET, runs())
    expect(summary(end)).toEqual(['4 in 3', '20 in 9', '21 in 9'])
  })

  test('install: a merge of what a crash cut short: what is dead never comes to life', () => {
    const before = state(entry(info(1, 'a', 'z'), 1, { after: place(1, 'm') }))
    const after = (key: string) => summary(installMerge(before, [], place(1, key), TARGET, runs()))
    expect(after('c')).toEqual(['1 in 1, after 1/m'])
    expect(after('m')).toEqual(['1 in 1, after 1/m'])
    expect(after('p')).toEqual(['1 in 1, after 1/p'])
  })

  test('install: expired cells become delete tables, applied only by a merge of everything', () => {
    const before = state(
      entry(info(1, 'a', 'f'), 1),
      entry(info(5, 'a', 'z', TableKind.tombstones), 4),
      entry(info(6, 'a', 'z', TableKind.tombstones), 5),
    )
    const infos = [info(20, 'a', 'f'), info(21, 'b', 'b', TableKind.tombstones)]
    for (const full of [true, false]) {
      const applied = full ? new Set([5]) : undefined
      const target = { ...TARGET, full, applied }
      const mark = full ? ', applied' : ''
      expect(summary(installMerge(before, infos, undefined, target, runs()))).toEqual([
        `5 in 4${mark}`,
        '6 in 5',
        '20 in 9',
        `21 in 50${mark}`,
      ])
    }
  })

  test('install: joining a run: unless one of its tables lies between those that are merged', () => {
    const tables = [info(1, 'a', 'c'), info(2, 'e', 'g'), info(3, 'i', 'k'), info(4, 'm', 'p')]
    const before = state(...tables.map((each) => entry(each, 1)), entry(info(5, 'a', 'z'), 2))
    const cases: [number[], boolean][] = [
      [[1], true],
      [[2, 3], true],
      [[1, 2, 3, 4], true],
      [[1, 3], false],
      [[2, 4], false],
      [[1, 5], false],
      [[1, 2, 3, 4, 5], true],
    ]
    for (const [inputs, joins] of cases) {
      expect([inputs, mayJoin(before, 1, inputs)]).toEqual([inputs, joins])
    }
    // Of the larger table only what is behind the others counts.
    const rest = state(
      ...before.tables.slice(0, 4),
      entry(info(6, 'a', 'z'), 1, { after: place(1, 'p') }),
    )
    expect(mayJoin(rest, 1, [6])).toBe(false)
    expect(mayJoin(rest, 1, [4, 6])).toBe(true)
    expect(mayJoin(rest, 1, [1, 2])).toBe(true)
  })

  test('install: delete tables replaced: one run, applied when all were', () => {
    const before = state(
      entry(info(4, 'a', 'z'), 3),
      entry(info(5, 'a', 'z', TableKind.tombstones), 4, { applied: true }),
      entry(info(6, 'a', 'z', TableKind.tombstones), 5),
    )
    const infos = [info(7, 'a', 'k', TableKind.tombstones), info(8, 'l', 'z', TableKind.tombstones)]
    const inputs = new Set([5, 6])
    expect(summary(replaceDeletes(before, inputs, infos, 30, true))).toEqual([
      '4 in 3',
      '7 in 30, applied',
      '8 in 30, applied',
    ])
    expect(summary(replaceDeletes(before, inputs, [], 30, false))).toEqual(['4 in 3'])
  })
})
