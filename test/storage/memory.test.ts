import { Cleanup } from '../integration/world'
import { startScript } from './children'
import type { MemoryPlan, MemoryReport } from './memory-plan'

const MIB = 1024 * 1024
const BUDGET_BYTES = 16 * MIB
const LOAD_BYTES = 20 * BUDGET_BYTES
const KEYS = 400_000

/**
 * What a process takes beside the budget, whatever it holds. Measured with Node 20 on Linux: 40 MiB
 * for two threads that idle, 30 MiB for a young generation that has grown, and in each of the three
 * heaps up to 64 MiB of buffers that nobody uses any more and V8 has not yet collected (its limit
 * for memory outside of the heap), of which 100 to 150 MiB in all are met.
 */
const BESIDE_BYTES = 256 * MIB
/** Loading ten times the budget again may add so much: a leak would add all of it. */
const DRIFT_BYTES = 96 * MIB

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

test('store: loaded with 20 times its memory budget: stays within it, and has all data', async () => {
  const plan: MemoryPlan = {
    directory: `${await cleanup.directory()}/store`,
    memoryBytesMax: BUDGET_BYTES,
    loadBytes: LOAD_BYTES,
    keys: KEYS,
    seed: '1',
  }
  const child = startScript('memory-child.js', plan, cleanup)
  const { code, stdout, stderr } = await child.exited
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const report = JSON.parse(stdout) as MemoryReport
  const { base, half, max, storeMax, samples, store } = report
  const inMib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`
  process.stderr.write(
    `rss ${inMib(base.rss)}, ${inMib(half.rss)} half-way, at most ${inMib(max.rss)}; ` +
      `the store's own account at most ${inMib(storeMax.memoryBytes!)}; ` +
      `${Math.round(report.loadMs)} ms\n`,
  )
  expect(report.given).toBeGreaterThanOrEqual(LOAD_BYTES)
  expect(samples).toBeGreaterThan(100)
  expect(report.scanned).toBeGreaterThan(0)
  expect(store.flushes).toBeGreaterThan(20)
  expect(store.compactions).toBeGreaterThan(2)

  expect(report.wrong).toBe(0)
  expect(report.found).toBe(report.expected)
  expect({ overBudget: report.overBudget, storeMax }).toEqual({ overBudget: 0, storeMax })
  expect(max.rss - base.rss).toBeLessThan(BUDGET_BYTES + BESIDE_BYTES)
  expect(max.rss - half.rss).toBeLessThan(DRIFT_BYTES)
}, 300_000)
