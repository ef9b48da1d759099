import { renderRepair, renderRepairProgress } from '../../src/render/repair'
import { plainStyle } from '../../src/render/style'
import { repairSummary } from '../samples'

describe('render repair: progress', () => {
  const report = (changes: object) =>
    renderRepairProgress({ ...repairSummary(), done: 0, waiting: [], ...changes })

  test.each<[object, string]>([
    [{ total: 8 }, '[------------------------]   0%  0 of 8 partitions'],
    [{ done: 4095 }, '[#######################-]  99%  4095 of 4096 partitions'],
    [{ total: 1, done: 1 }, '[########################] 100%  1 of 1 partition'],
    [
      { done: 2048, differed: 3, cells: 1, failures: [{ node: 'n', reason: 'r', partitions: 1 }] },
      '[############------------]  50%  2048 of 4096 partitions  3 differed  1 cell copied  ' +
        'not all verified',
    ],
    [
      { waiting: ['n1:9000', 'n2:9000'] },
      '[------------------------]   0%  0 of 4096 partitions  ' +
        'an earlier run on n1:9000, n2:9000 ends first',
    ],
  ])('%j', (changes, line) => {
    expect(report(changes)).toBe(line)
  })

  test('more done than there are: is full', () => {
    expect(report({ done: 5000 })).toContain('[########################] 100%')
  })
})

describe('render repair: summary', () => {
  test('everything equal: one line', () => {
    expect(renderRepair(repairSummary(), plainStyle)).toBe(
      '4096 of 4096 partitions verified; no difference was found',
    )
  })

  test('something copied: how much', () => {
    expect(renderRepair(repairSummary({ differed: 12, cells: 340, bytes: 1536 }), plainStyle)).toBe(
      '4096 of 4096 partitions verified; replicas differed in 12, 340 cells (1.5 KiB) were copied',
    )
    const one = repairSummary({ total: 1, verified: 1, differed: 1, cells: 1, bytes: 40 })
    expect(renderRepair(one, plainStyle)).toBe(
      '1 of 1 partition verified; replicas differed in 1, 1 cell (40 B) was copied',
    )
  })

  test('not everything verified: what that means, then why, by node and reason', () => {
    const failures = [
      { node: '127.0.0.1:10000', reason: 'it is not reached', partitions: 7 },
      { node: '127.0.0.1:9001', reason: 'a damaged block lies in the partition', partitions: 2 },
      { node: '127.0.0.1:9001', reason: 'it is not reached', partitions: 1300 },
      { node: '127.0.0.1:9001', reason: 'it refused', partitions: 0 },
    ]
    expect(renderRepair(repairSummary({ verified: 2787, failures }), plainStyle)).toBe(
      [
        '2787 of 4096 partitions verified; no difference was found',
        'A partition is verified when all its replicas took part and were found equal. The others are tried again by themselves.',
        '',
        'NODE             PARTITIONS  REASON',
        '127.0.0.1:9001         1300  it is not reached',
        '                          2  a damaged block lies in the partition',
        '                          -  it refused',
        '127.0.0.1:10000           7  it is not reached',
      ].join('\n'),
    )
  })
})
