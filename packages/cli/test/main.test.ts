import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExitCode } from '../src/exit-codes'
import { main } from '../src/main'
import { VERBS } from '../src/verbs'
import { fakeIo } from './fake-io'

async function run(...args: string[]) {
  const io = fakeIo()
  const code = await main(args, io)
  return { code, out: io.out(), err: io.err() }
}

describe('main: help', () => {
  test('--help: lists commands and verbs, on standard output', async () => {
    const { code, out, err } = await run('--help')
    expect([code, err]).toEqual([ExitCode.ok, ''])
    for (const name of ['node', 'cluster', 'shell', ...VERBS.map((verb) => verb.name)]) {
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
    }
  })

  test.each(VERBS.map((verb) => verb.name))('%s --help: has examples and options', async (name) => {
    const { code, out } = await run(name, '--help')
    expect(code).toBe(ExitCode.ok)
    expect(out).toContain(`cassio ${name}`)
    expect(out).toContain('CASSIO_CONTACT')
    expect(out).toContain('--json')
  })

  test.each(['start', 'status', 'stop'])('cluster %s --help: is there', async (name) => {
    expect((await run('cluster', name, '--help')).out).toContain('--data <DIR>')
  })

  test('--version: is that of the package', async () => {
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('main: wrong use', () => {
  test.each<[string[], RegExp]>([
    [[], /Usage: cassio/],
    [['gte', 'a'], /Did you mean get\?/],
    [['get'], /missing required argument 'KEY'/],
    [['get', 'a', 'b'], /too many arguments/],
    [['get', 'a', '--no-such'], /unknown option/],
    [['set', 'a'], /set needs a VALUE or --file PATH/],
    [['repair', '--partition', '7', 'x'], /--partition is a whole number from 0 .*"x"/],
    [['repair', '--key', 'a', '\\xZZ', '--escapes'], /\\x/],
    [['repair', '7'], /too many arguments/],
    [['get', 'a', '--contact', 'nowhere'], /--contact: not an address/],
    [['cluster'], /Usage: cassio cluster/],
    [['cluster', 'start', '--detach', '--shell'], /exclude each other/],
  ])('%j: exits with 2 and says why on standard error', async (args, message) => {
    const { code, out, err } = await run(...args)
    expect([code, out]).toEqual([ExitCode.error, ''])
    expect(err).toMatch(message)
  })

  test('with --json: the error is JSON', async () => {
    const { code, err } = await run('get', '', '--json', '--contact', 'x')
    expect(code).toBe(ExitCode.error)
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'CASSIO_CONFIG' } })
  })
})

describe('main: a cluster that is not there', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cassio-main-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('status: the answer is no', async () => {
    const { code, err } = await run('cluster', 'status', '--data', directory)
    expect(code).toBe(ExitCode.no)
    expect(err).toContain(`no cluster has been started in ${directory}`)
    const json = await run('cluster', 'status', '--data', directory, '--json')
    expect(JSON.parse(json.out)).toEqual({ directory, nodes: [], status: null })
  })

  test('stop: is no error, and makes no directory', async () => {
    const missing = join(directory, 'missing')
    expect(await run('cluster', 'stop', '--data', missing)).toMatchObject({ code: ExitCode.ok })
    const { code, out } = await run('cluster', 'stop', '--data', directory, '--json')
    expect([code, JSON.parse(out)]).toEqual([ExitCode.ok, { directory, stopped: 0 }])
  })
})
