import { PassThrough } from 'node:stream'
import { type Io, makeIo } from '../src/io'

export interface FakeIo extends Io {
  /** What has been written to standard output and to standard error. */
  out(): string
  err(): string
}

/** Streams in memory: no terminal, so no colours and no prompt. */
export function fakeIo(
  input: string | Buffer = '',
  environment: Record<string, string | undefined> = {},
): FakeIo {
  const streams = { input: new PassThrough(), output: new PassThrough(), errors: new PassThrough() }
  streams.input.end(input)
  const written = { output: '', errors: '' }
  streams.output.on('data', (chunk: Buffer) => {
    written.output += chunk.toString('latin1')
  })
  streams.errors.on('data', (chunk: Buffer) => {
    written.errors += chunk.toString('latin1')
  })
  const decode = (latin1: string) => Buffer.from(latin1, 'latin1').toString('utf8')
  return {
    ...makeIo({ ...streams, environment }),
    out: () => decode(written.output),
    err: () => decode(written.errors),
  }
}
