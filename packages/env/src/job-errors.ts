import { plainData } from './plain-data'

/** An error as plain data: what of it comes across from one thread to another. */
export interface ErrorDescription {
  readonly message: string
  readonly name: string
  readonly stack: string | undefined
  /** Its own enumerable fields, as far as they are plain data. */
  readonly fields: Readonly<Record<string, unknown>>
}

export function describeError(error: unknown): ErrorDescription {
  // By its shape: an error of another realm is no instance of our Error.
  if (typeof error !== 'object' || error === null || !('message' in error)) {
    return { message: String(error), name: 'Error', stack: undefined, fields: {} }
  }
  const { message, name, stack } = error as Error
  const fields: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(error)) {
    try {
      fields[key] = plainData(value)
    } catch {
      // A field that cannot travel stays behind; the error itself must not.
    }
  }
  return { message: String(message), name: String(name), stack, fields }
}

export function restoreError({ message, name, stack, fields }: ErrorDescription): Error {
  const error = Object.assign(new Error(message), fields)
  if (error.name !== name) {
    Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  }
  if (stack !== undefined) error.stack = stack
  return error
}

/** For a job that was dropped before it began. */
export function canceledError(): Error {
  const error = new Error('ECANCELED: the job was cancelled before it began')
  return Object.assign(error, { code: 'ECANCELED' })
}

/** For a job whose thread has died, or could not be started. */
export function workerError(reason: string, cause?: unknown): Error {
  const error = new Error(`EWORKER: ${reason}`, cause === undefined ? {} : { cause })
  return Object.assign(error, { code: 'EWORKER' })
}
