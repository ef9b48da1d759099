import { withGuards } from '@cassiopeia/env'
import { runSeed } from './run'

/** Further on, so that they are not the seeds of the swarm. */
const SEEDS = [90_001, 90_002, 90_003, 90_004]
const TIMEOUT_MS = 600_000

test(
  'simulation: the same seed replays the same events and the same history',
  async () => {
    const hashes = new Set<number>()
    for (const seed of SEEDS) {
      const first = await withGuards(() => runSeed(seed))
      const second = await runSeed(seed)
      expect([seed, second.traceHash, second.historyHash]).toEqual([
        seed,
        first.traceHash,
        first.historyHash,
      ])
      hashes.add(first.traceHash)
    }
    expect(hashes.size).toBe(SEEDS.length)
  },
  TIMEOUT_MS,
)
