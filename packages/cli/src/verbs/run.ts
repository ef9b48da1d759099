import type { ConsistencyLevel } from '@cassiopeia/protocol'
import { abortable } from '../abortable'
import type { ProgressLine } from '../progress-line'
import { toCassioError } from '../render/error'
import type { Style } from '../render/style'
import type { VerbClient } from './client'
import type { VerbInput } from './input'
import type { Finding, RequestOptions, VerbCall } from './verb'

/** What a front end offers to the verbs that it runs. */
export interface VerbHost {
  readonly client: VerbClient
  readonly connected: Promise<void>
  readonly style: Style
  readonly progress: Pick<ProgressLine, 'show' | 'clear'>
  /** Levels and limits that hold where a call names none. */
  readonly consistency?: ConsistencyLevel
  readonly timeoutMs?: number
  /** Resolves when more can be written. */
  write(bytes: string | Buffer): Promise<void>
  readFile(path: string): Promise<Buffer>
}

/** The longest wait that the client takes: ten minutes. */
export const TIMEOUT_MS_MAX = 600_000

/**
 * Runs one verb. With an aborted `signal` it ends at once, whether or not what it waits for takes
 * notice.
 * @throws CassioError
 */
export async function runVerb(
  input: VerbInput,
  host: VerbHost,
  signal: AbortSignal,
): Promise<Finding> {
  const asJson = input.flag('json')
  try {
    const call: VerbCall = {
      client: host.client,
      connect: async () => {
        await host.connected
        return host.client
      },
      input,
      request: requestOptions(input, host, signal),
      style: host.style,
      print: async (text, json) => {
        host.progress.clear()
        if (!signal.aborted) await host.write(`${asJson ? JSON.stringify(json) : text}\n`)
      },
      showProgress: (text) => {
        // Whoever asks for JSON reads standard error by program too.
        if (!signal.aborted && !asJson) host.progress.show(text)
      },
      printRaw: (bytes) => host.write(bytes),
      readFile: (path) => host.readFile(path),
    }
    return await abortable(input.verb.run(call), signal)
  } catch (error) {
    throw toCassioError(error)
  } finally {
    host.progress.clear()
  }
}

function requestOptions(input: VerbInput, host: VerbHost, signal: AbortSignal): RequestOptions {
  const consistency = input.consistency() ?? host.consistency
  const timeoutMs = input.wholeNumber('timeout-ms', 1, TIMEOUT_MS_MAX) ?? host.timeoutMs
  return {
    signal,
    ...(consistency === undefined || !input.verb.takesConsistency ? {} : { consistency }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
}
