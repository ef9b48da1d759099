import { FAULT_KINDS } from './faults'
import type { Summary } from './summary'
import { range, runSwarm } from './swarm'

/** Together the test files run at least twice as many seeds. */
const SEEDS_MIN = 100
const SEEDS_MAX = 150
/** No further seed is begun after this; the minimum is run in any case. */
const LIMIT_MS = 60_000

/** One test file's share of the swarm: jest gives each file to a worker of its own. */
export async function runShare(share: number, shares: number): Promise<void> {
  const startMs = performance.now()
  let done = 0
  const isEnough = () => done >= SEEDS_MIN && performance.now() - startMs > LIMIT_MS
  function* seeds(): Generator<number> {
    for (const seed of range(share, SEEDS_MAX * shares, shares)) {
      if (isEnough()) return
      yield seed
    }
  }
  const { summary, failures } = await runSwarm({
    seeds: seeds(),
    onResult: () => {
      done += 1
    },
  })
  process.stderr.write(`\nsimulation, share ${share} of ${shares}: ${summary}\n`)
  if (failures.length > 0) throw new Error(failures.join('\n\n'))
  expect(done).toBeGreaterThanOrEqual(SEEDS_MIN)
  expectRarePaths(summary)
}

/** What the swarm never does it cannot judge. */
function expectRarePaths(summary: Summary): void {
  for (const counter of ['restamps', 'readRepairs', 'hedges', 'timeouts', 'expired']) {
    expect([counter, summary.counter(counter) > 0]).toEqual([counter, true])
  }
  for (const kind of FAULT_KINDS) expect([kind, summary.fired(kind) > 0]).toEqual([kind, true])
}
