import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Outcome, ProcessPool } from './process-pool'

interface Task {
  readonly id: number
  readonly does: 'answer' | 'throw' | 'exit' | 'hang'
}

const SCRIPT = `
process.on('disconnect', () => process.exit())
process.on('message', ({ id, does }) => {
  if (does === 'exit') { console.error('out of memory, say'); process.exit(7) }
  if (does === 'hang') for (;;) {}
  process.send(does === 'throw' ? { error: 'no' } : { result: { id, pid: process.pid } })
})
`
const HANG_MS = 2_000
const directory = mkdtempSync(join(tmpdir(), 'cassio-pool-'))
const script = join(directory, 'child.js')

beforeAll(() => writeFileSync(script, SCRIPT))
afterAll(() => rmSync(directory, { recursive: true }))

async function outcomesOf(
  tasks: readonly Task[],
  { jobs = 2, tasksPerProcess = 100 } = {},
): Promise<Map<number, Outcome<{ id: number; pid: number }>>> {
  const waiting = [...tasks]
  const outcomes = new Map<number, Outcome<{ id: number; pid: number }>>()
  const pool = new ProcessPool<Task, { id: number; pid: number }>({
    script,
    jobs,
    tasksPerProcess,
    limitMs: ({ does }) => (does === 'hang' ? HANG_MS : 60_000),
    next: () => waiting.shift(),
    onOutcome: ({ id }, outcome) => {
      outcomes.set(id, outcome)
    },
  })
  await pool.run()
  return outcomes
}

function answers(count: number): Task[] {
  return Array.from({ length: count }, (_, id) => ({ id, does: 'answer' }))
}

test('process pool: tasks: each is answered once, by a process of the pool', async () => {
  const outcomes = await outcomesOf(answers(40))
  expect(outcomes.size).toBe(40)
  const pids = new Set<number>()
  for (const [id, outcome] of outcomes) {
    if (!('result' in outcome)) throw new Error(JSON.stringify(outcome))
    expect(outcome.result.id).toBe(id)
    pids.add(outcome.result.pid)
  }
  expect(pids.size).toBeLessThanOrEqual(2)
})

test('process pool: so many tasks a process: then another one goes on', async () => {
  const outcomes = await outcomesOf(answers(9), { jobs: 1, tasksPerProcess: 3 })
  const pids = [...outcomes.values()].map((each) => 'result' in each && each.result.pid)
  expect(new Set(pids).size).toBe(3)
})

test('process pool: a process that ends or hangs: its task is named, the others go on', async () => {
  const tasks: Task[] = [
    { id: 100, does: 'exit' },
    { id: 101, does: 'hang' },
    { id: 102, does: 'throw' },
    ...answers(6),
  ]
  const outcomes = await outcomesOf(tasks)
  expect(outcomes.size).toBe(9)
  expect(outcomes.get(100)).toEqual({ died: expect.stringMatching(/exit code 7\nout of memory/) })
  expect(outcomes.get(101)).toEqual({
    died: expect.stringMatching(/SIGKILL\n.*nothing was heard/s),
  })
  expect(outcomes.get(102)).toEqual({ error: 'no' })
  for (let id = 0; id < 6; id += 1) expect(outcomes.get(id)).toHaveProperty('result')
})

test('process pool: nothing to do: ends at once', async () => {
  expect((await outcomesOf([])).size).toBe(0)
})
