import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { ExitCode } from './exit-codes'
import { type Style, styleFor } from './render/style'

/** The three streams and the environment: the process's own in `main`, others in tests. */
export interface Io {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly errors: Writable & { readonly isTTY?: boolean }
  readonly environment: Readonly<Record<string, string | undefined>>
  /** How to write to `output` and `errors`. */
  readonly outputStyle: Style
  readonly errorStyle: Style
}

export function makeIo(streams: Pick<Io, 'input' | 'output' | 'errors' | 'environment'>): Io {
  return {
    ...streams,
    outputStyle: styleFor(streams.output, streams.environment),
    errorStyle: styleFor(streams.errors, streams.environment),
  }
}

/** The process's own streams. A reader of ours that goes away, as `head` does, ends us in peace. */
export function processIo(): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.ok)
    throw error
  })
  // Whoever closed standard error does not want to be told.
  process.stderr.on('error', () => {})
  return makeIo({
    input: process.stdin,
    output: process.stdout,
    errors: process.stderr,
    environment: process.env,
  })
}

/**
 * Writes, and waits while the reader is slower than we are, so that a long scan into a pipe is never
 * held in memory as a whole.
 */
export async function write(stream: Writable, bytes: string | Buffer): Promise<void> {
  if (!stream.write(bytes) && !stream.destroyed) await once(stream, 'drain')
}

/** Resolves when everything written has left the process: pipes take it piece by piece. */
export function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}

/** Whether a person sits at both ends. */
export function isInteractive(io: Io): boolean {
  return io.input.isTTY === true && io.output.isTTY === true
}

/** One line on standard error: progress, advice, failures. Answers go to standard output. */
export function say(io: Io, line: string): void {
  io.errors.write(`${line}\n`)
}
