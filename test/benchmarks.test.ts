import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'

/** Benchmarks run over the built packages, as users run them; here only to see that they run. */
function run(...args: string[]): string {
  return execFileSync(process.execPath, args, {
    cwd: resolve(__dirname, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

test('benchmarks: storage, small: prints every figure', () => {
  const output = run('bench/storage.js', '--small')
  for (const line of ["sync 'group'", "sync 'periodic'", "sync 'none'", 'read', 'recover']) {
    expect(output).toContain(line)
  }
})

test('benchmarks: SDK, small: one node and three give a rate of sets and gets', () => {
  const results = JSON.parse(run('bench/sdk.js', '--small', '--json')) as {
    nodes: number
    sets: number[]
    gets: number[]
  }[]
  expect(results.map(({ nodes }) => nodes)).toEqual([1, 3])
  for (const { sets, gets } of results) {
    for (const rate of [...sets, ...gets]) expect(rate).toBeGreaterThan(0)
  }
})

test('benchmarks: placement: prints the table of balance and movement', () => {
  const output = run('bench/placement-balance.js')
  expect(output).toContain('moved/minimum')
  expect(output).toContain('partitionOf')
})
