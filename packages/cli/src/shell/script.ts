import { type Io, say } from '../io'
import { renderError } from '../render/error'
import { invalid } from '../verbs/input'
import { readLines } from './lines'
import { textOrBytes } from './parse'
import type { Session } from './session'

const NOT_TEXT = 'a line is not UTF-8; write such bytes as \\xNN'

/**
 * Runs the lines that come in on standard input, to its end or to `quit`. Only answers go to
 * standard output; a line that fails does not stop those behind it.
 *
 * @param signal Interrupts the running line and skips the rest.
 * @returns how many lines failed.
 */
export async function runScript(session: Session, io: Io, signal: AbortSignal): Promise<number> {
  let failed = 0
  if (signal.aborted) return failed
  const onAbort = () => io.input.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for await (const line of readLines(io.input)) {
      const text = textOrBytes(line)
      if (typeof text !== 'string') {
        failed += 1
        say(io, renderError(invalid(NOT_TEXT), io.errorStyle))
        continue
      }
      const outcome = await session.runLine(text, signal)
      if (outcome === 'failed') failed += 1
      if (outcome === 'quit' || signal.aborted) break
    }
  } catch (error) {
    // A stream that was destroyed to stop the script ends in an error of its own.
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return failed
}
