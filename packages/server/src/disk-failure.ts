import { CassioError } from '@cassiopeia/protocol'

/** What the disk has refused, as an error that callers know; other errors are themselves. */
export function asDiskFailure(error: unknown, what: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  const isSystemError = !(error instanceof CassioError) && /^E[A-Z0-9]+$/.test(String(code))
  if (!isSystemError) return error
  return new CassioError('CASSIO_STORAGE', `${what}: ${message}`, {}, { cause: error })
}
