import { createInterface } from 'node:readline'
import { type Io, say } from '../io'
import { complete } from './complete'
import { HISTORY_LINES_MAX, type History } from './history'
import type { Session } from './session'

/**
 * The shell for a person at a terminal: a prompt, line editing, history, completion. Ctrl-C
 * interrupts the running command; at the prompt it drops what was typed, or says how to leave.
 *
 * @returns when the person leaves, by `quit` or Ctrl-D, or when `signal` says so.
 */
export function runRepl(
  session: Session,
  io: Io,
  history: History,
  signal: AbortSignal,
): Promise<void> {
  const readline = createInterface({
    input: io.input,
    output: io.output,
    terminal: true,
    history: history.load(),
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
    completer: complete,
  })
  /** Lines typed or pasted while a command runs. */
  const waiting: string[] = []
  let running: AbortController | undefined
  let isOver = false

  const prompt = () => {
    const level = session.consistency
    readline.setPrompt(level === undefined ? 'cassio> ' : `cassio ${level}> `)
    readline.prompt()
  }

  const runWaiting = async () => {
    while (waiting.length > 0 && !isOver) {
      running = new AbortController()
      const outcome = await session.runLine(waiting.shift()!, running.signal)
      running = undefined
      if (outcome === 'quit') {
        readline.close()
        return
      }
    }
    if (!isOver) prompt()
  }

  readline.on('line', (line) => {
    history.add(line)
    waiting.push(line)
    if (running === undefined) void runWaiting()
  })

  readline.on('SIGINT', () => {
    if (running !== undefined) {
      waiting.length = 0
      running.abort()
      return
    }
    const typed = readline.line
    // Ctrl-U and Ctrl-K in one: the line goes, the prompt stays.
    readline.write(null, { ctrl: true, name: 'e' })
    readline.write(null, { ctrl: true, name: 'u' })
    if (typed === '') {
      io.output.write('\n')
      say(io, 'quit, exit or Ctrl-D leaves the shell; help lists the verbs')
      prompt()
    }
  })

  return new Promise((resolve) => {
    const stop = () => readline.close()
    signal.addEventListener('abort', stop, { once: true })
    readline.on('close', () => {
      isOver = true
      running?.abort()
      signal.removeEventListener('abort', stop)
      resolve()
    })
    prompt()
  })
}
