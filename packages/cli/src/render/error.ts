import { CassioError, type ErrorCode, errorToWire } from '@cassiopeia/protocol'
import { ShellSyntaxError } from '../shell/parse'
import type { Style } from './style'

/**
 * Any thrown value as the CassioError to be shown. Wrong arguments throw TypeError or RangeError in
 * the SDK: for a user of the command these are CASSIO_INVALID. What the system refuses to the command
 * itself, such as writing its files, is CASSIO_STORAGE. Pure.
 */
export function toCassioError(error: unknown): CassioError {
  if (error instanceof CassioError) return error
  const text = error instanceof Error ? error.message : String(error)
  const message = error instanceof ShellSyntaxError ? `${text} (character ${error.at + 1})` : text
  return new CassioError(codeFor(error), message, {}, { cause: error })
}

function codeFor(error: unknown): ErrorCode {
  const isArgument = error instanceof TypeError || error instanceof RangeError
  if (isArgument || error instanceof ShellSyntaxError) return 'CASSIO_INVALID'
  const isSystem = error instanceof Error && 'syscall' in error
  return isSystem ? 'CASSIO_STORAGE' : 'CASSIO_INTERNAL'
}

/**
 * `error CODE: message`, then what to do, what each node said, and how to repeat a write that may
 * have been applied.
 */
export function renderError(thrown: unknown, style: Style): string {
  const error = toCassioError(thrown)
  const lines = [
    `${style.red(`error ${error.code}`)}: ${error.message}`,
    `  what to do: ${error.advice}`,
  ]
  for (const cause of error.causes) lines.push(`  ${cause.node}: ${cause.code}: ${cause.message}`)
  if (error.applied === 'unknown') {
    const repeat =
      error.stamp === undefined
        ? 'read the key to see'
        : `repeat it with --timestamp ${error.stamp}, which cannot apply it twice`
    lines.push(`  the write may have been applied: ${repeat}`)
  }
  return lines.join('\n')
}

/** The error as one line of JSON, for `--json`. */
export function errorToJson(thrown: unknown): string {
  const error = toCassioError(thrown)
  return JSON.stringify({ error: { ...errorToWire(error), advice: error.advice } })
}
