import { Cleanup, PATIENCE_MS } from '../integration/world'
import { startScript } from './children'

/** A worker for flushes and one for compaction. */
const THREADS_MAX = 2
/** Merging moves the data in a thread: the first one has only to install what came out. */
const MAIN_SHARE_MAX = 0.4
/** Of one processor, by a store in which nothing happens. */
const IDLE_SHARE_MAX = 0.1
const IDLE_SECONDS = 2

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

interface Report {
  readonly started: number
  readonly ended: number
  readonly flushes: number
  readonly compactions: number
  readonly mainSeconds?: number
  readonly allSeconds?: number
}

/** Runs a process to its own end: one that does not come to it is killed, and fails the test. */
async function run(mode: string): Promise<Report> {
  const directory = `${await cleanup.directory()}/store`
  const child = startScript('threads-child.js', { directory, mode }, cleanup)
  const timer = setTimeout(() => void child.kill(), 2 * PATIENCE_MS)
  const { code, signal, stdout, stderr } = await child.exited
  clearTimeout(timer)
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  return JSON.parse(stdout) as Report
}

test('store: threads: a store that is opened and closed starts none', async () => {
  expect(await run('unused')).toMatchObject({ started: 0, ended: 0 })
})

test('store: threads: flushes and compactions run in two, which end with it', async () => {
  const report = await run('used')
  expect(report).toMatchObject({ started: THREADS_MAX, ended: THREADS_MAX })
  expect(report.flushes).toBeGreaterThan(0)
  expect(report.compactions).toBeGreaterThan(0)
})

test.each([
  'flush under way',
  'compaction under way',
  'verification and snapshot under way',
  'writes under way',
])('store: close with a %s: threads end, and the process by itself', async (mode) => {
  const { started, ended } = await run(mode)
  expect(ended).toBe(started)
  expect(started).toBeLessThanOrEqual(THREADS_MAX)
})

test('store: threads: compaction leaves the main thread free', async () => {
  const { mainSeconds, allSeconds } = await run('share')
  // Where the system does not tell of threads there is nothing to compare.
  if (mainSeconds === undefined || Number.isNaN(mainSeconds)) return
  process.stderr.write(`compaction: ${mainSeconds} s of ${allSeconds} s in the main thread\n`)
  expect(mainSeconds).toBeLessThan(allSeconds! * MAIN_SHARE_MAX)
})

test('store: open and idle: takes next to no processor time', async () => {
  const { allSeconds } = await run('idle')
  process.stderr.write(`idle: ${allSeconds} s in ${IDLE_SECONDS} s\n`)
  expect(allSeconds).toBeLessThan(IDLE_SECONDS * IDLE_SHARE_MAX)
})
