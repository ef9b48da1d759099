import { runScript } from '../../src/shell/script'
import { Session } from '../../src/shell/session'
import { FakeClient, unavailable } from '../fake-client'
import { fakeIo } from '../fake-io'

const never = new AbortController().signal

/** Runs a script and tells what it printed. */
async function run(
  script: string | Buffer,
  { client = new FakeClient(), interactive = false, signal = never } = {},
) {
  const io = fakeIo(script)
  let nowMs = 0
  const session = new Session({
    client,
    connected: Promise.resolve(),
    io,
    interactive,
    monotonicMs: () => {
      nowMs += 1.25
      return nowMs
    },
    readFile: async (path) => Buffer.from(`contents of ${path}`),
  })
  const failed = await runScript(session, io, signal)
  return { out: io.out(), err: io.err(), failed, client, session }
}

describe('session: a script', () => {
  test('set, get, del, get: prints one answer a line and nothing else', async () => {
    const { out, err, failed } = await run('set ryan jiang\nget ryan\ndel ryan\nget ryan\n')
    expect(out).toBe('OK\n"jiang"\nOK\n(not found)\n')
    expect(err).toBe('')
    expect(failed).toBe(0)
  })

  test('last line without an end: is run', async () => {
    expect((await run('set a 1\nget a')).out).toBe('OK\n"1"\n')
  })

  test.each(['', '\n\n', '# nothing but a comment\n'])('%j: prints nothing', async (script) => {
    const { out, err, failed } = await run(script)
    expect([out, err, failed]).toEqual(['', '', 0])
  })

  test('quit: leaves the rest unread', async () => {
    expect((await run('set a 1\nquit\nget a\n')).out).toBe('OK\n')
    expect((await run('EXIT\nget a\n')).out).toBe('')
  })

  test('a line that fails: is told on standard error, and the next is run', async () => {
    const { out, err, failed } = await run('gte a\nset a\nset a 1\n')
    expect(out).toBe('OK\n')
    expect(err).toContain('error CASSIO_INVALID: unknown verb "gte"; did you mean get?')
    expect(err).toContain('set needs a VALUE or --file PATH')
    expect(failed).toBe(2)
  })

  test('an error of the cluster: shows code, advice and causes', async () => {
    const client = new FakeClient()
    client.failWith = unavailable()
    const { out, err } = await run('get a\n', { client })
    expect(out).toBe('')
    expect(err).toBe(
      'error CASSIO_UNAVAILABLE: 1 of 2 replicas is live\n' +
        '  what to do: Too few live replicas; start or reach the nodes named, or ask for fewer.\n' +
        '  127.0.0.1:9001: CASSIO_CONNECTION: refused\n',
    )
  })

  test('with --json: answers and errors are lines of JSON', async () => {
    const { out, err } = await run('set a 1 --json\nget a --json\nget b --json\nset a --json\n')
    const answers = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(answers).toMatchObject([
      { key: 'a', required: 2, superseded: false },
      { key: 'a', found: true, value: '1' },
      { key: 'b', found: false },
    ])
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'CASSIO_INVALID' } })
  })

  test('a line that is not UTF-8: is refused, not changed', async () => {
    const { err, failed } = await run(Buffer.from('set a \xff\n', 'latin1'))
    expect(err).toContain('a line is not UTF-8')
    expect(failed).toBe(1)
  })

  test('bytes as escapes: are stored and shown as bytes', async () => {
    const { out } = await run('set b"\\xff\\x00" "\\xfe"\nget b"\\xff\\x00"\nscan --keys\n')
    expect(out).toBe('OK\nb"\\xfe"\nb"\\xff\\x00"\n')
  })

  test('verbs in capitals: are verbs', async () => {
    expect((await run('SET a 1\nGeT a\n')).out).toBe('OK\n"1"\n')
  })

  test('a signal while a line runs: ends the line and the script', async () => {
    const client = new FakeClient()
    client.isSilent = true
    const stop = new AbortController()
    const running = run('get a\nget b\n', { client, signal: stop.signal })
    setImmediate(() => stop.abort())
    const { err, failed } = await running
    expect(err).toContain('CASSIO_ABORTED')
    expect(failed).toBe(1)
    expect(client.calls).toHaveLength(1)
  })
})

describe('session: the shell’s own words', () => {
  test('consistency: holds for the lines that follow', async () => {
    const { out, client } = await run(
      'consistency\nconsistency one\nget a\nget a --consistency ALL\n',
    )
    expect(out).toBe('QUORUM\nONE\n(not found)\n(not found)\n')
    const levels = client.calls.map(
      ([, options]) => (options as { consistency: string }).consistency,
    )
    expect(levels).toEqual(['ONE', 'ALL'])
  })

  test('consistency: an unknown level is refused and changes nothing', async () => {
    const { err, session } = await run('consistency most\n')
    expect(err).toContain('unknown consistency level "most"')
    expect(session.consistency).toBeUndefined()
  })

  test('help: lists all verbs; help VERB tells more', async () => {
    const { out } = await run('help\nhelp set\nhelp timing\n')
    expect(out).toContain('scan [PREFIX]')
    expect(out).toContain('usage: set KEY [VALUE] [--ttl DURATION]')
    expect(out).toContain('usage: timing [on|off]')
  })

  test('help of nothing known: suggests', async () => {
    expect((await run('help gte\n')).err).toContain('did you mean get?')
  })

  test('surplus words: are refused with the usage', async () => {
    expect((await run('quit now\n')).err).toContain('usage: quit')
    expect((await run('timing on off\n')).err).toContain('usage: timing [on|off]')
    expect((await run('timing maybe\n')).err).toContain('timing is on or off')
  })

  test('timing: on for people, off in scripts, and never on standard output', async () => {
    expect((await run('get a\n')).err).toBe('')
    expect((await run('get a\n', { interactive: true })).err).toBe('(1.3ms)\n')
    const { out, err } = await run('timing on\nget a\ntiming off\nget a\n')
    expect(out).toBe('on\n(not found)\noff\n(not found)\n')
    expect(err).toBe('(1.3ms)\n')
  })

  test('clear: does nothing where no person looks', async () => {
    expect((await run('clear\n')).out).toBe('')
    expect((await run('clear\n', { interactive: true })).out).toBe('\u001b[H\u001b[2J')
  })
})
