import { PassThrough } from 'node:stream'
import { makeIo } from '../../src/io'
import { History } from '../../src/shell/history'
import { Notices } from '../../src/shell/notices'
import { Repl } from '../../src/shell/repl'
import { Session } from '../../src/shell/session'
import { FakeClient } from '../fake-client'

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'

/** A person at a terminal in memory: types, and waits for what must appear on the screen. */
class Person {
  readonly client = new FakeClient()
  readonly notices = new Notices((text) => this.streams.errors.write(`${text}\n`))
  readonly stop = new AbortController()
  readonly done: Promise<void>
  /** Both outputs, as they would mix on a screen, without the codes that move the cursor. */
  screen = ''
  private seen = 0
  private whenChanged = () => {}
  private readonly streams = {
    input: new PassThrough(),
    output: new PassThrough(),
    errors: new PassThrough(),
  }

  constructor() {
    const io = makeIo({ ...this.streams, environment: {} })
    for (const stream of [this.streams.output, this.streams.errors]) {
      stream.on('data', (chunk: Buffer) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
        this.screen += chunk.toString().replace(/\u001b\[[0-9;]*[A-Za-z]/g, '')
        this.whenChanged()
      })
    }
    const session = new Session({
      client: this.client,
      connected: Promise.resolve(),
      io,
      interactive: true,
      monotonicMs: () => 0,
      readFile: async () => Buffer.alloc(0),
    })
    const repl = new Repl(session, io, new History(undefined), this.notices)
    this.done = repl.run(this.stop.signal)
  }

  type(keys: string): void {
    this.streams.input.write(keys)
  }

  /** Resolves when `text` stands on the screen, behind what was last seen. */
  async sees(text: string): Promise<void> {
    for (;;) {
      const at = this.screen.indexOf(text, this.seen)
      if (at !== -1) {
        this.seen = at + text.length
        return
      }
      await new Promise<void>((resolve) => {
        this.whenChanged = resolve
      })
    }
  }
}

describe('repl: a person at a terminal', () => {
  test('commands: are answered, with their time, and the prompt comes back', async () => {
    const person = new Person()
    await person.sees('cassio> ')
    person.type('set ryan jiang\r')
    await person.sees('OK\n')
    await person.sees('(0ms)\n')
    await person.sees('cassio> ')
    person.type('consistency one\r')
    await person.sees('cassio ONE> ')
    person.type('quit\r')
    await person.done
  })

  test('lines pasted together: are run one after the other', async () => {
    const person = new Person()
    person.type('set a 1\rget a\rquit\rget a\r')
    await person.done
    expect(person.screen).toContain('OK')
    expect(person.client.calls.map(([name]) => name)).toEqual(['set', 'getEntry'])
  })

  test('Tab: completes', async () => {
    const person = new Person()
    for (const key of 'exis\tryan\r') person.type(key)
    await person.sees('exists ryan')
    await person.sees('false\n')
    person.type(CTRL_D)
    await person.done
  })

  test('Ctrl-C while a command runs: ends the command and drops the lines that wait', async () => {
    const person = new Person()
    person.client.isSilent = true
    person.type('get a\r')
    person.type('get b\r')
    await person.sees('get b')
    person.type(CTRL_C)
    await person.sees('CASSIO_ABORTED')
    await person.sees('cassio> ')
    expect(person.client.calls).toHaveLength(1)
    person.type(CTRL_D)
    await person.done
  })

  test('Ctrl-C at the prompt: drops what was typed, and on an empty line says how to leave', async () => {
    const person = new Person()
    person.type('set half')
    await person.sees('set half')
    person.type(CTRL_C)
    person.type('exists a\r')
    await person.sees('false\n')
    await person.sees('cassio> ')
    person.type(CTRL_C)
    await person.sees('quit, exit or Ctrl-D leaves the shell')
    await person.sees('cassio> ')
    person.type(CTRL_D)
    await person.done
    expect(person.client.calls.map(([name]) => name)).toEqual(['has'])
  })

  test('a notice: is shown, and what was typed so far stays', async () => {
    const person = new Person()
    person.type('exists ')
    await person.sees('exists ')
    person.notices.tell('node 1 died')
    await person.sees('node 1 died\n')
    await person.sees('cassio> exists ')
    person.type('a\r')
    await person.sees('false\n')
    person.type(CTRL_D)
    await person.done
  })

  test('a signal from outside: ends the shell, and the running command with it', async () => {
    const person = new Person()
    person.client.isSilent = true
    person.type('get a\r')
    await person.sees('get a')
    person.stop.abort()
    await person.done
    await person.sees('CASSIO_ABORTED')
  })
})
