import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { type Style, styleFor } from './render/style'

/** The three streams and the environment: the process's own in `main`, others in tests. */
export interface Io {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly errors: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted when whoever read standard output has gone, as `head` does when it has enough. */
  readonly readerGone: AbortSignal
  /** How to write to `output` and `errors`. */
  readonly outputStyle: Style
  readonly errorStyle: Style
}

export function makeIo(streams: Pick<Io, 'input' | 'output' | 'errors' | 'environment'>): Io {
  const readerGone = new AbortController()
  streams.output.on('error', () => readerGone.abort())
  // Whoever closed standard error does not want to be told.
  streams.errors.on('error', () => {})
  return {
    ...streams,
    readerGone: readerGone.signal,
    outputStyle: styleFor(streams.output, streams.environment),
    errorStyle: styleFor(streams.errors, streams.environment),
  }
}

/** The process's own. */
export function processIo(): Io {
  return makeIo({
    input: process.stdin,
    output: process.stdout,
    errors: process.stderr,
    environment: process.env,
  })
}

/**
 * Writes to standard output, and waits while the reader is slower than we are, so that a long scan
 * into a pipe is never held in memory as a whole.
 */
export async function write(io: Io, bytes: string | Buffer): Promise<void> {
  if (io.readerGone.aborted || io.output.write(bytes)) return
  // Rejects when the reader goes, which `readerGone` tells of.
  await once(io.output, 'drain', { signal: io.readerGone }).catch(() => {})
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
