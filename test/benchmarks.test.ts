import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'

const STORAGE_TIMEOUT_MS = 300_000

/** Benchmarks run over the built packages, as users run them; here only to see that they run. */
function run(...args: string[]): string {
  return execFileSync(process.execPath, args, {
    cwd: resolve(__dirname, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

interface StorageResults {
  readonly stores: Readonly<Record<string, { version: string; settings: string }>>
  readonly figures: readonly { figure: string; values: Readonly<Record<string, number[]>> }[]
  readonly ratios: readonly { figure: string; over: Readonly<Record<string, number>> }[]
  readonly verdicts: readonly { figure: string; aim: string; met: boolean }[]
  readonly failures: readonly unknown[]
}

const ALL = 'ours, classic-level, lmdb'
const PROMISES = 'ours, classic-level'

/** The figures of the storage benchmark, and the stores that have them. */
const STORAGE_FIGURES: Readonly<Record<string, string>> = {
  'put.load': ALL,
  'put.uniform': ALL,
  'put.zipfian': ALL,
  batch: ALL,
  durable: ALL,
  'get.memory': ALL,
  'get.uniform': ALL,
  'get.zipfian': ALL,
  'get.blocks': 'ours',
  'get.uniform.cache': 'ours',
  'get.zipfian.cache': 'ours',
  'get.cache': 'ours',
  'get.async.uniform': PROMISES,
  'get.async.zipfian': PROMISES,
  'missing.async': PROMISES,
  missing: ALL,
  deleted: ALL,
  'deleted.compacted': ALL,
  scan: ALL,
  'scan.iterator': 'classic-level',
  'scan.nextv': 'classic-level',
  'memory.key': 'ours',
  'memory.rss': ALL,
  open: ALL,
  'open.disk': ALL,
  'open.replayed': 'ours',
  'open.rss': ALL,
  recovery: 'ours',
  'recovery.bytes': 'ours',
  ...amplification('uniform'),
  ...amplification('zipfian'),
  'stall.puts': ALL,
  'stall.p50': ALL,
  'stall.p99': ALL,
  'stall.p999': ALL,
  'stall.max': ALL,
  'stall.flushes': 'ours',
  'stall.compactions': 'ours',
  'stall.throttled': 'ours',
  'filter.hash.ours': 'ours',
  'filter.has.ours': 'ours',
  'filter.add.ours': 'ours',
  'filter.wrong.ours': 'ours',
  'filter.has.library': 'ours',
  'filter.add.library': 'ours',
  'filter.wrong.library': 'ours',
}

function amplification(choice: string): Record<string, string> {
  const figures: Record<string, string> = { write: 'ours', flushes: 'ours' }
  // Linux alone counts what a process writes.
  if (process.platform === 'linux') figures.kernel = ALL
  for (const when of ['max', 'mean', 'end']) {
    figures[`space.${when}`] = 'ours'
    figures[`space.log.${when}`] = 'ours'
    figures[`disk.${when}`] = ALL
  }
  return Object.fromEntries(
    Object.entries(figures).map(([name, stores]) => [`amplification.${choice}.${name}`, stores]),
  )
}

test(
  'benchmarks: storage, small: has every figure of every store, ratios and verdicts',
  () => {
    const output = run('bench/storage.js', '--small', '--json')
    const { stores, figures, ratios, verdicts, failures } = JSON.parse(output) as StorageResults
    expect(failures).toEqual([])
    expect(Object.keys(stores)).toEqual(['ours', 'classic-level', 'lmdb'])

    const measured = figures.map(({ figure, values }) => [figure, namesIn(values, ALL)])
    expect(Object.fromEntries(measured)).toEqual(STORAGE_FIGURES)
    for (const { values } of figures) {
      for (const figure of Object.values(values).flat()) {
        expect(figure).toEqual(expect.any(Number))
        expect(figure).toBeGreaterThanOrEqual(0)
      }
    }
    const puts = ratios.find(({ figure }) => figure === 'put.load')
    expect(Object.keys(puts?.over ?? {})).toEqual(['classic-level', 'lmdb'])
    const judged = new Set(verdicts.map(({ figure }) => figure))
    for (const figure of ['put.load', 'get.memory', 'missing', 'deleted', 'scan', 'open']) {
      expect(judged).toContain(figure)
    }
  },
  STORAGE_TIMEOUT_MS,
)

function namesIn(values: Readonly<Record<string, unknown>>, order: string): string {
  return order
    .split(', ')
    .filter((name) => values[name] !== undefined)
    .join(', ')
}

test(
  'benchmarks: storage: prints the figures of the chosen stores as a table',
  () => {
    const output = run(
      ...['bench/storage.js', '--small', '--only', 'batch,missing,scan'],
      ...['--stores', 'classic-level,lmdb'],
    )
    for (const title of ['in batches of 1,000', 'get of missing keys', 'ordered scan']) {
      expect(output).toContain(title)
    }
    expect(output).toMatch(/\| classic-level \| +lmdb \|/)
  },
  STORAGE_TIMEOUT_MS,
)

test('benchmarks: storage: --help tells of every flag, and a wrong one is refused', () => {
  expect(run('bench/storage.js', '--help')).toContain('--only')
  expect(() =>
    execFileSync(process.execPath, ['bench/storage.js', '--only', 'everything'], {
      cwd: resolve(__dirname, '..'),
      encoding: 'utf8',
      stdio: 'pipe',
    }),
  ).toThrow('--only knows put, batch, durable, get-memory, get')
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
