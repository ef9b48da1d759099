import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'

const TIMEOUT_MS = 300_000

/** Benchmarks of whole clusters run over the build; here only to see that they run. */
function run(...args: string[]): string {
  return execFileSync(process.execPath, args, {
    cwd: resolve(__dirname, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

test(
  'benchmarks: convergence, small: a node catches up by hints, and by comparing replicas',
  () => {
    const output = run('bench/convergence.js', '--writes', '100', '--value-bytes', '10', '--json')
    const results = JSON.parse(output) as {
      way: string
      writes: number
      convergenceMs: number
      cellsPerSecond: number
    }[]
    expect(results.map(({ way, writes }) => [way, writes])).toEqual([
      ['hints', 100],
      ['comparing replicas', 100],
    ])
    for (const { convergenceMs, cellsPerSecond } of results) {
      expect(convergenceMs).toBeGreaterThan(0)
      expect(cellsPerSecond).toBeGreaterThan(0)
    }
  },
  TIMEOUT_MS,
)
