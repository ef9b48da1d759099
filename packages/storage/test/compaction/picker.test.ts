import {
  type DataRun,
  type DeleteTable,
  PICKER_DEFAULTS,
  type PickerInput,
  pickCompaction,
} from '../../src/compaction/picker'
import { amplification, uniform, zipfian } from './amplification'

const MIB = 1024 * 1024

/** Runs are numbered from 1 on, as are tables within them: run 2 has 20, 21, … */
function runs(...sizesMib: readonly (number | readonly number[])[]): DataRun[] {
  return sizesMib.map((size, i) => {
    const tables = [size].flat().map((each, j) => ({ info: info((i + 1) * 10 + j, each * MIB) }))
    return { run: i + 1, tables, damaged: false }
  })
}

function info(number: number, bytes: number, span = 'az', halfExpiredMs = 0) {
  const [first, last] = [...span].map((key) => ({ partition: 0, key: Buffer.from(key) }))
  return { number, bytes, cells: bytes / 100, first: first!, last: last!, halfExpiredMs }
}

function deletes(
  count: number,
  { bytes = 1000, ...fields }: Partial<DeleteTable> & { bytes?: number } = {},
): DeleteTable[] {
  return Array.from({ length: count }, (_, i) => {
    return { info: info(900 + i, bytes), applied: false, tried: false, damaged: false, ...fields }
  })
}

function appliedDelete(number: number, bytes: number): DeleteTable {
  return { info: info(number, bytes), applied: true, tried: true, damaged: false }
}

function expiring(run: DataRun, halfExpiredMs: number, table = 0): DataRun {
  const tables = run.tables.map((each, i) =>
    i === table ? { info: { ...each.info, halfExpiredMs } } : each,
  )
  return { ...run, tables }
}

function input(fields: Partial<PickerInput>): PickerInput {
  const nothing = { runs: [], deletes: [], nowMs: 1_000, proofsPossible: true }
  return { ...nothing, options: PICKER_DEFAULTS, ...fields }
}

interface Case {
  readonly name: string
  readonly given: Partial<PickerInput>
  readonly picked: object | undefined
}

function merge(inputs: number[], outputRun: number | 'new', full: boolean): object {
  return { type: 'merge', inputs, outputRun, full }
}

const [first, second] = runs(100, 10) as [DataRun, DataRun]
const CASES: readonly Case[] = [
  { name: 'nothing there', given: {}, picked: undefined },
  { name: 'one run', given: { runs: runs(100) }, picked: undefined },
  { name: 'upper runs within the share', given: { runs: runs(100, 25) }, picked: undefined },
  {
    name: 'upper runs over the share',
    given: { runs: runs(100, 16, 16) },
    picked: merge([10, 20, 30], 1, true),
  },
  {
    name: 'the bottom is the largest, not the first',
    given: { runs: runs(20, [50, 50], 20) },
    picked: merge([20, 21, 10, 30], 2, true),
  },
  {
    name: 'a damaged run takes no part, nor counts',
    given: { runs: [...runs(100, 10), { ...runs(1, 1, 80)[2]!, damaged: true }] },
    picked: undefined,
  },
  {
    name: 'four upper runs of similar size',
    given: { runs: runs(1000, 10, 20, 10, 25, 90) },
    picked: merge([20, 40, 30, 50], 'new', false),
  },
  {
    name: 'smaller runs come along',
    given: { runs: runs(1000, 10, 20, 10, 25, 1) },
    picked: merge([60, 20, 40, 30, 50], 'new', false),
  },
  {
    name: 'three similar, the others far apart',
    given: { runs: runs(9000, 1, 4, 13, 14, 15, 50, 170, 600) },
    picked: undefined,
  },
  {
    name: 'more than eight upper runs, none similar',
    given: { runs: runs(90_000, 1, 4, 13, 40, 130, 400, 1300, 4000, 13_000) },
    picked: merge([20, 30, 40, 50], 'new', false),
  },
  {
    name: 'all is being merged: tiers among the others',
    given: {
      runs: runs(100, 90, 10, 10, 10, 10).map((run) => ({ ...run, busy: run.run < 3 })),
    },
    picked: merge([30, 40, 50, 60], 'new', false),
  },
  {
    name: 'all is being merged: nothing else',
    given: {
      runs: runs(100, 90, 10).map((run) => ({ ...run, busy: run.run < 3 })),
      deletes: deletes(9, { bytes: 50 * MIB, applied: true }),
    },
    picked: undefined,
  },
  {
    name: 'tombstones over a fifth of the cells',
    given: { runs: runs(100, 10), deletes: deletes(1, { bytes: 23 * MIB }) },
    picked: merge([10, 20], 1, true),
  },
  {
    name: 'tombstones under a fifth',
    given: { runs: runs(100, 10), deletes: deletes(1, { bytes: 21 * MIB }) },
    picked: undefined,
  },
  {
    name: 'many tombstones, but applied and tried',
    given: {
      runs: runs(100, 10),
      deletes: deletes(1, { bytes: 90 * MIB, applied: true, tried: true }),
    },
    picked: undefined,
  },
  {
    name: 'few tombstones, but all is small',
    given: { runs: runs(0.01), deletes: deletes(1, { bytes: 3_000 }) },
    picked: merge([10], 1, true),
  },
  {
    name: 'half expired in a table of the bottom',
    given: { runs: [expiring(runs([50, 50])[0]!, 1_000, 1), second] },
    picked: merge([11], 1, false),
  },
  {
    name: 'half expired in an upper run',
    given: { runs: [first, expiring(second, 999)] },
    picked: merge([20], 2, false),
  },
  { name: 'half expired later', given: { runs: [expiring(first, 1_001)] }, picked: undefined },
  {
    name: 'half expired in all there is',
    given: { runs: [expiring(first, 1)] },
    picked: merge([10], 1, true),
  },
  {
    name: 'an applied delete table',
    given: { runs: runs(100), deletes: [...deletes(1, { applied: true }), ...deletes(2)] },
    picked: { type: 'forget', inputs: [900] },
  },
  {
    name: 'an applied delete table, nothing provable',
    given: { runs: runs(100), deletes: deletes(1, { applied: true }), proofsPossible: false },
    picked: undefined,
  },
  {
    name: 'a delete table without any data',
    given: { deletes: deletes(1) },
    picked: { type: 'forget', inputs: [900] },
  },
  {
    name: 'a damaged delete table',
    given: { deletes: deletes(1, { damaged: true }) },
    picked: undefined,
  },
  {
    name: 'four delete tables',
    given: { runs: runs(100), deletes: deletes(4), proofsPossible: false },
    picked: { type: 'forget', inputs: [900, 901, 902, 903] },
  },
  {
    name: 'three delete tables and a large one',
    given: {
      runs: runs(100),
      deletes: [...deletes(3), { ...deletes(1)[0]!, info: info(800, 9_000) }],
    },
    picked: undefined,
  },
  {
    name: 'four delete tables, one of them applied',
    given: {
      runs: runs(100),
      deletes: [...deletes(3), appliedDelete(800, 1_000)],
      proofsPossible: false,
    },
    picked: undefined,
  },
  {
    name: 'five delete tables applied, four not, all of similar size',
    given: {
      runs: runs(100),
      deletes: [
        ...deletes(4, { bytes: 1_500 }),
        ...[1, 2, 3, 4, 5].map((i) => appliedDelete(i, 1_000)),
      ],
      proofsPossible: false,
    },
    picked: { type: 'forget', inputs: [1, 2, 3, 4, 5] },
  },
  {
    name: 'more than eight delete tables, none similar: the smallest of the more frequent kind',
    given: {
      runs: runs(100_000),
      deletes: [1, 4, 16, 64, 256, 1_024]
        .map((kilobytes, i) => appliedDelete(i, kilobytes * 1_000))
        .concat(
          [1, 4, 16].map((kilobytes, i) => ({
            ...appliedDelete(900 + i, kilobytes * 1_000),
            applied: false,
          })),
        ),
      proofsPossible: false,
    },
    picked: { type: 'forget', inputs: [0, 1, 2, 3] },
  },
  {
    name: 'four delete tables that do not overlap',
    given: {
      runs: runs(100),
      deletes: ['ad', 'eh', 'il', 'mp'].map((span, i) => {
        return { ...deletes(1)[0]!, info: info(900 + i, 1_000, span) }
      }),
    },
    picked: undefined,
  },
]

describe('picker', () => {
  test.each(CASES)('picker: $name', ({ given, picked }) => {
    const found = pickCompaction(input(given))
    if (picked === undefined) expect(found).toBeUndefined()
    else expect(found).toMatchObject(picked)
  })

  test('picker: what a forget job leaves: is not picked again at once', () => {
    const left = deletes(1, { applied: true, tried: true })
    expect(pickCompaction(input({ runs: runs(100), deletes: left }))).toBeUndefined()
    expect(pickCompaction(input({ runs: [], deletes: left }))).toBeUndefined()
  })

  // Compaction that reads and writes 20 bytes while one is taken keeps up at every ratio.
  for (const ratio of [4, 10, 30, 100]) {
    for (const [name, workload] of [
      ['uniform', uniform(ratio * 1_000)],
      ['zipfian', zipfian(ratio * 1_000, 0.99)],
    ] as const) {
      test(`picker: ${name} overwrites, data/memtable ${ratio}: amplification is bounded`, () => {
        const flushes = Math.max(100, ratio * 5)
        const quick = amplification(workload, 1_000, flushes, 1e9)
        expect(quick.write).toBeLessThan(7)
        expect(quick.spaceMax).toBeLessThan(1.55)
        expect(quick.runsMax).toBeLessThanOrEqual(10)
        const slow = amplification(workload, 1_000, flushes, 20, 2)
        expect(slow.write).toBeLessThan(7)
        expect(slow.spaceMax).toBeLessThan(1.6)
        expect(slow.runsMax).toBeLessThanOrEqual(ratio > 30 ? 16 : 10)
      })
    }
  }
})
