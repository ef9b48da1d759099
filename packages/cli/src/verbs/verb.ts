import type { ConsistencyLevel } from '@cassiopeia/protocol'
import type { Style } from '../render/style'
import type { VerbClient } from './client'
import type { VerbInput } from './input'

/**
 * A verb is one thing that can be asked of the cluster: `get`, `set`, `scan`, … It is written once
 * and has two front ends: a line of the shell (`shell/`) and a command of its own
 * (`commands/verb.ts`). Both hand it a `VerbInput`, and it prints its answers through `VerbCall`.
 */
export interface Verb {
  readonly name: string
  /** One line, for lists of verbs. */
  readonly summary: string
  readonly operands: readonly Operand[]
  /** Besides those that all verbs have. */
  readonly options: readonly VerbOption[]
  /** As typed into the shell. */
  readonly examples: readonly string[]
  /** What else one should know, in whole sentences. */
  readonly notes?: string
  /** Whether `--consistency` means something to it. */
  readonly takesConsistency: boolean
  run(call: VerbCall): Promise<Finding>
}

export interface Operand {
  readonly name: string
  readonly optional?: boolean
  /** Only the last operand may be repeated. */
  readonly many?: boolean
}

export interface VerbOption {
  /** Without the dashes. */
  readonly name: string
  /** What stands for its value in help texts; absent when the option is a switch. */
  readonly value?: string
  readonly summary: string
  /** It may be given more than once, or once with several values; only for verbs without operands. */
  readonly many?: boolean
  /** Its values are keys: text or bytes. */
  readonly isData?: boolean
  /** The values that it may have, for completion and help. */
  readonly choices?: readonly string[]
}

/** 'missing': the answer is no; a command then exits with 1. */
export type Finding = 'found' | 'missing'

export interface VerbCall {
  /** Waits until the client has connected. Called once the input has been found to be sound. */
  connect(): Promise<VerbClient>
  /** Perhaps not connected yet. */
  readonly client: VerbClient
  readonly input: VerbInput
  readonly request: RequestOptions
  readonly style: Style
  /**
   * Says one thing: as text, or with `--json` as one line of JSON made by `toJson`. Resolves when
   * the reader can take more.
   */
  print(text: string, json: unknown): Promise<void>
  /** How far it is, for whoever waits. What is shown last goes when something is printed. */
  showProgress(text: string): void
  /** Bytes as they are, for `get --raw`. */
  printRaw(bytes: Buffer): Promise<void>
  /** Contents of a file, or of standard input for '-' where that is not the shell's own. */
  readFile(path: string): Promise<Buffer>
}

/** What every request of a call is sent with. */
export interface RequestOptions {
  readonly consistency?: ConsistencyLevel
  readonly timeoutMs?: number
  readonly signal: AbortSignal
}
