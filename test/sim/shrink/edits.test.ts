import type { FaultAction, PlannedFault } from '../faults'
import type { History, OperationRecord } from '../history'
import { makePlan, type Plan, type PlannedOperation } from '../plan'
import {
  callsWithin,
  fancyOptions,
  keepCalls,
  sizeOf,
  withNodes,
  withoutClient,
  withoutKind,
  withoutLead,
  withPlainOptions,
} from './edits'

function call(waitMs: number): PlannedOperation {
  return { waitMs, verb: 'get', key: 'key-0', level: 'QUORUM', padBytes: 0 }
}

function fault(action: FaultAction, atMs = 100): PlannedFault {
  return { kind: action.type === 'kill' ? 'kill' : 'partition', atMs, forMs: 50, action }
}

function planOf(parts: Partial<Plan>): Plan {
  return { ...makePlan(1), nodes: 5, ...parts }
}

/** One client's calls: when each was asked and answered. */
function historyOf(client: number, times: readonly (readonly [number, number])[]): History {
  const records = times.map(
    ([invokeMs, completeMs]) =>
      ({ client, phase: 'chaos', invokeMs, completeMs }) as OperationRecord,
  )
  return { records } as unknown as History
}

test('edits: a call is taken out: the next one is asked when it was asked before', () => {
  const plan = planOf({ operations: [[call(10), call(20), call(30), call(40)]] })
  const history = historyOf(0, [
    [10, 15],
    [35, 42],
    [72, 80],
    [120, Number.POSITIVE_INFINITY],
  ])
  const waits = (kept: readonly number[]) => {
    const places = kept.map((index) => [0, index] as const)
    return keepCalls(plan, places, history).operations[0]!.map(({ waitMs }) => waitMs)
  }
  expect(waits([0, 1, 2, 3])).toEqual([10, 20, 30, 40])
  expect(waits([0, 2])).toEqual([10, 20 + 7 + 30])
  expect(waits([3])).toEqual([10 + 5 + 20 + 7 + 30 + 8 + 40])
  expect(waits([])).toEqual([])
})

test('edits: calls within a time: by when they were asked', () => {
  const plan = planOf({ operations: [[], [call(10), call(20), call(30)]] })
  const history = historyOf(1, [
    [10, 15],
    [35, 42],
    [72, 80],
  ])
  expect(callsWithin(plan, history, 12, 72)).toEqual([
    [1, 1],
    [1, 2],
  ])
})

test('edits: a client is taken out: those behind it move up, faults that name it go', () => {
  const plan = planOf({
    operations: [[call(1)], [call(2)], [call(3)]],
    faults: [
      fault({ type: 'reset', between: ['node-0', 'client-1'] }),
      fault({ type: 'reset', between: ['client-2', 'node-0'] }),
      fault({ type: 'partition', groups: [['node-0', 'client-1'], ['client-2']] }),
    ],
  })
  const { operations, faults } = withoutClient(plan, 1)
  expect(operations).toEqual([[call(1)], [call(3)]])
  expect(faults.map(({ action }) => action)).toEqual([
    { type: 'reset', between: ['client-1', 'node-0'] },
    { type: 'partition', groups: [['node-0'], ['client-1']] },
  ])
})

test('edits: nodes are taken out: with the faults that happen to them', () => {
  const plan = planOf({
    faults: [
      fault({ type: 'kill', node: 2 }),
      fault({ type: 'kill', node: 3 }),
      fault({ type: 'links', options: { dropProbability: 0.1 }, only: ['node-4', 'node-0'] }),
      fault({ type: 'links', options: { dropProbability: 0.2 } }),
    ],
  })
  const { nodes, faults } = withNodes(plan, 3)
  expect(nodes).toBe(3)
  expect(faults.map(({ action }) => action)).toEqual([
    { type: 'kill', node: 2 },
    { type: 'links', options: { dropProbability: 0.2 } },
  ])
})

test('edits: a kind of fault is taken out', () => {
  const kinds = ['kill', 'partition'] as const
  const faults = [fault({ type: 'kill', node: 0 }), fault({ type: 'partition', groups: [] })]
  const plan = withoutKind(planOf({ kinds, faults }), 'kill')
  expect(plan.kinds).toEqual(['partition'])
  expect(plan.faults).toHaveLength(1)
  expect(sizeOf(plan).faults).toBe(1)
})

test('edits: everything earlier: by what passes before the first call or fault', () => {
  const faults = [fault({ type: 'kill', node: 0 }, 300)]
  const plan = planOf({ chaosMs: 1_000, operations: [[call(250), call(5)], []], faults })
  const earlier = withoutLead(plan)!
  expect(earlier.operations).toEqual([[call(0), call(5)], []])
  expect([earlier.chaosMs, earlier.faults[0]!.atMs]).toEqual([750, 50])
  expect(withoutLead(earlier)).toBeUndefined()
})

test('edits: plain options: all at once, and then nothing is left to do', () => {
  const plan = planOf({})
  expect(fancyOptions(plan).length).toBeGreaterThan(1)
  const [all, ...others] = withPlainOptions(plan)
  expect(fancyOptions(all!)).toEqual([])
  expect(others).toHaveLength(fancyOptions(plan).length)
})
