import { readFile } from 'node:fs/promises'
import { ExitCode } from '../exit-codes'
import { type Io, write } from '../io'
import { ProgressLine } from '../progress-line'
import { readEscapes } from '../shell/parse'
import { StopRequest } from '../signals'
import { type OptionValue, optionsOf, VerbInput } from '../verbs/input'
import { runVerb } from '../verbs/run'
import type { Verb } from '../verbs/verb'
import { type ConnectFlags, openClient, readConnectFlags } from './connect'
import { attributeName } from './node-flags'

export interface VerbFlags extends ConnectFlags {
  readonly escapes?: boolean
}

/**
 * A verb as a command of its own: `cassio get ryan`. Operands are taken as the system's shell gives
 * them, unless --escapes asks for \xNN and \n to be read.
 */
export async function runVerbCommand(
  verb: Verb,
  words: readonly string[],
  flags: VerbFlags,
  io: Io,
): Promise<number> {
  const operands = flags.escapes ? words.map(readEscapes) : words
  const input = new VerbInput(verb, operands, verbOptions(verb, flags))
  const { client, connected } = openClient(readConnectFlags(flags, io.environment))
  const stop = new StopRequest(['SIGINT', 'SIGTERM'])
  const host = {
    client,
    connected,
    style: io.outputStyle,
    progress: new ProgressLine(io.errors, () => performance.now()),
    write: (bytes: string | Buffer) => write(io, bytes),
    readFile: (path: string) => (path === '-' ? readAll(io) : readFile(path)),
  }
  try {
    const signal = AbortSignal.any([stop.signal, io.readerGone])
    const finding = await runVerb(input, host, signal)
    return finding === 'found' ? ExitCode.ok : ExitCode.no
  } catch (error) {
    if (stop.signal.aborted) return stop.exitCode(ExitCode.error)
    // Nobody wants the rest.
    if (io.readerGone.aborted) return ExitCode.ok
    throw error
  } finally {
    stop.forget()
    await client.disconnect()
  }
}

function verbOptions(verb: Verb, flags: VerbFlags): Map<string, OptionValue> {
  const given = flags as Readonly<Record<string, string | true | string[] | undefined>>
  const options = new Map<string, OptionValue>()
  for (const { name, isData } of optionsOf(verb)) {
    const value = given[attributeName(name)]
    if (value === undefined) continue
    const isEscaped = isData && flags.escapes && Array.isArray(value)
    options.set(name, isEscaped ? value.map(readEscapes) : value)
  }
  return options
}

async function readAll(io: Io): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of io.input) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}
