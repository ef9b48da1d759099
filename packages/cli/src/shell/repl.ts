import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline'
import { type Io, say } from '../io'
import { complete } from './complete'
import { HISTORY_LINES_MAX, type History } from './history'
import type { Notices } from './notices'
import type { Session } from './session'

/**
 * The shell for a person at a terminal: a prompt, line editing, history, completion. Ctrl-C
 * interrupts the running command; at the prompt it drops what was typed, or says how to leave.
 */
export class Repl {
  private readonly readline: Interface
  /** Lines typed or pasted while a command runs. */
  private readonly waiting: string[] = []
  private running: AbortController | undefined
  private isOver = false

  constructor(
    private readonly session: Session,
    private readonly io: Io,
    private readonly history: History,
    private readonly notices: Notices,
  ) {
    this.readline = createInterface({
      input: io.input,
      output: io.output,
      terminal: true,
      history: history.load(),
      historySize: HISTORY_LINES_MAX,
      removeHistoryDuplicates: true,
      completer: complete,
    })
    this.readline.on('line', (line) => this.onLine(line))
    this.readline.on('SIGINT', () => this.onInterrupt())
  }

  /** Resolves when the person leaves, by `quit` or Ctrl-D, or when `signal` says so. */
  run(signal: AbortSignal): Promise<void> {
    const stop = () => this.readline.close()
    signal.addEventListener('abort', stop, { once: true })
    const giveBack = this.notices.takeOver((text) => this.showNotice(text))
    return new Promise((resolve) => {
      this.readline.on('close', () => {
        // Ctrl-D leaves the cursor behind the prompt.
        if (!this.isOver) this.io.output.write('\n')
        this.isOver = true
        this.running?.abort()
        signal.removeEventListener('abort', stop)
        giveBack()
        resolve()
      })
      this.prompt()
    })
  }

  private onLine(line: string): void {
    this.history.add(line)
    this.waiting.push(line)
    if (this.running === undefined) void this.runWaiting()
  }

  private async runWaiting(): Promise<void> {
    while (this.waiting.length > 0 && !this.isOver) {
      this.running = new AbortController()
      const outcome = await this.session.runLine(this.waiting.shift()!, this.running.signal)
      this.running = undefined
      if (outcome === 'quit') {
        this.isOver = true
        this.readline.close()
      }
    }
    if (!this.isOver) this.prompt()
  }

  private onInterrupt(): void {
    if (this.running !== undefined) {
      this.waiting.length = 0
      this.running.abort()
      return
    }
    const wasEmpty = this.readline.line === ''
    // Past the end, then all that is before it: an empty line.
    this.readline.write(null, { ctrl: true, name: 'e' })
    this.readline.write(null, { ctrl: true, name: 'u' })
    if (wasEmpty) this.showNotice('quit, exit or Ctrl-D leaves the shell; help lists the verbs')
  }

  private prompt(): void {
    const level = this.session.consistency
    this.readline.setPrompt(level === undefined ? 'cassio> ' : `cassio ${level}> `)
    this.readline.prompt()
  }

  private showNotice(text: string): void {
    cursorTo(this.io.output, 0)
    clearLine(this.io.output, 0)
    say(this.io, text)
    // What was typed so far is shown again.
    if (this.running === undefined) this.readline.prompt(true)
  }
}
