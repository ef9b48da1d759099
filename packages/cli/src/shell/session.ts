import type { ConsistencyLevel } from '@cassiopeia/protocol'
import { type Io, say, write } from '../io'
import { ProgressLine } from '../progress-line'
import { errorToJson, renderError } from '../render/error'
import { formatDuration } from '../units'
import { findVerb } from '../verbs'
import type { VerbClient } from '../verbs/client'
import { invalid, type VerbInput } from '../verbs/input'
import { runVerb, type VerbHost } from '../verbs/run'
import { readArguments } from './arguments'
import { BUILTINS, type Builtin, unknownVerb } from './builtins'
import { splitWords, type Word } from './parse'

export type LineOutcome = 'done' | 'failed' | 'quit'

export interface SessionOptions {
  readonly client: VerbClient
  /** Settles as the client's `connect` does. */
  readonly connected: Promise<void>
  readonly io: Io
  readonly consistency?: ConsistencyLevel
  readonly timeoutMs?: number
  /** Whether a person types: then each command's time is printed. */
  readonly interactive: boolean
  readonly monotonicMs: () => number
  readonly readFile: (path: string) => Promise<Buffer>
}

/**
 * Runs lines of the shell one after another, whoever sends them: `repl` from a terminal, `script`
 * from a pipe. Answers go to standard output, errors and times to standard error.
 */
export class Session {
  consistency: ConsistencyLevel | undefined
  timing: boolean
  readonly interactive: boolean

  private readonly progress: ProgressLine

  constructor(private readonly options: SessionOptions) {
    this.progress = new ProgressLine(options.io.errors, options.monotonicMs)
    this.consistency = options.consistency
    this.interactive = options.interactive
    this.timing = options.interactive
  }

  /** Never rejects: what goes wrong is printed, and the next line may be run. */
  async runLine(line: string, signal: AbortSignal): Promise<LineOutcome> {
    const fromMs = this.options.monotonicMs()
    let input: VerbInput | undefined
    let outcome: LineOutcome = 'done'
    try {
      const words = splitWords(line)
      if (words.length === 0) return 'done'
      const builtin = findBuiltin(words[0]!)
      if (builtin !== undefined) {
        return builtin.run(this, textWords(builtin, words)) ? 'quit' : 'done'
      }
      input = readVerb(words)
      await runVerb(input, this.host(), signal)
    } catch (error) {
      outcome = 'failed'
      this.printError(error, input?.flag('json') === true)
    }
    if (this.timing) this.printTime(this.options.monotonicMs() - fromMs)
    return outcome
  }

  write(bytes: string | Buffer): void {
    this.options.io.output.write(bytes)
  }

  private host(): VerbHost {
    const { client, connected, io, timeoutMs, readFile } = this.options
    return {
      client,
      connected,
      style: io.outputStyle,
      progress: this.progress,
      readFile,
      write: (bytes) => write(io, bytes),
      ...(this.consistency === undefined ? {} : { consistency: this.consistency }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    }
  }

  private printError(error: unknown, asJson: boolean): void {
    const { io } = this.options
    say(io, asJson ? errorToJson(error) : renderError(error, io.errorStyle))
  }

  private printTime(durationMs: number): void {
    const { io } = this.options
    say(io, io.errorStyle.dim(`(${formatDuration(durationMs)})`))
  }
}

function readVerb([first, ...rest]: readonly Word[]): VerbInput {
  const name = String(first!.value)
  const verb = findVerb(name.toLowerCase())
  if (verb === undefined) throw unknownVerb(name)
  return readArguments(verb, rest)
}

function findBuiltin(word: Word): Builtin | undefined {
  const name = String(word.value).toLowerCase()
  return BUILTINS.find((builtin) => builtin.name === name)
}

function textWords(builtin: Builtin, [, ...rest]: readonly Word[]): string[] {
  const allowed = builtin.usage.includes('[') ? 1 : 0
  if (rest.length > allowed) throw invalid(`usage: ${builtin.usage}`)
  return rest.map((word) => String(word.value))
}
