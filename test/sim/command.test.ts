import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseOptions } from './options'

const SCRIPT = join(__dirname, 'simulate.js')
const TIMEOUT_MS = 300_000
const directory = mkdtempSync(join(tmpdir(), 'cassio-simulate-'))

afterAll(() => rmSync(directory, { recursive: true }))

function simulate(...args: string[]) {
  return spawnSync(process.execPath, [SCRIPT, '--out', directory, ...args], { encoding: 'utf8' })
}

test(
  'simulate: seeds that fail: exit code 1, the seeds as JSON, the rule and a replay in words',
  () => {
    const bug = 'a read is content with one vote less'
    const { status, stdout, stderr } = simulate(
      ...['--seeds', '500000..500002', '--jobs', '2', '--double', '1'],
      ...['--plant', bug, '--no-shrink', '--json'],
    )
    expect([status, stderr]).toEqual([1, expect.stringContaining('failed')])
    const { failures, effort, doubled, rules } = JSON.parse(stdout)
    expect(failures.length).toBeGreaterThan(0)
    expect([effort.seeds, doubled]).toEqual([3, 3])
    expect(Object.keys(rules).length).toBeGreaterThan(0)
    expect(stderr).toContain(`npm run simulate -- --seed ${failures[0].seed} --trace`)
    expect(readdirSync(directory)).toEqual([])
  },
  TIMEOUT_MS,
)

test(
  'simulate: one plan: exit code 0, its history as JSON lines',
  () => {
    const repro = join(__dirname, 'regressions/partition-and-restart.json')
    const path = join(directory, 'history.jsonl')
    const { status, stdout } = simulate('--repro', repro, '--history', path, '--trace')
    expect([status, stdout]).toEqual([0, expect.stringContaining('no violations')])
    const lines = readFileSync(path, 'utf8').trim().split('\n')
    const types = lines.map((line) => JSON.parse(line).type)
    expect([types[0], types.at(-1)]).toEqual(['plan', 'end'])
    for (const type of ['operation', 'fault', 'votes']) expect(types).toContain(type)
  },
  TIMEOUT_MS,
)

test.each([
  [['--seeds', '5..1'], /A..B/],
  [['--seeds', 'all'], /whole number/],
  [['--seed', '1', '--seeds', '1..2'], /run once/],
  [['--trace'], /one run/],
  [['--double', '2'], /share/],
  [['--jobs', '-1'], /jobs/],
  [['--minutes', 'x'], /number/],
  [['--bogus'], /bogus/],
])('simulate: %j: refused in words', (args, message) => {
  expect(() => parseOptions(args)).toThrow(message)
})

test('simulate: options: what they mean', () => {
  expect(parseOptions([])).toMatchObject({ seeds: [1, 200], jobs: 1, double: 0.1, shrink: true })
  expect(parseOptions(['--seeds', '7']).seeds).toEqual([7, 7])
  expect(parseOptions(['--seeds', '7..']).seeds).toEqual([7, Number.MAX_SAFE_INTEGER])
  const timed = parseOptions(['--minutes', '2'])
  expect(timed.seeds[1]).toBe(Number.MAX_SAFE_INTEGER)
})
