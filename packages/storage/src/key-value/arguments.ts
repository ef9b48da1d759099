import { CassioError, EXPIRY_MS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX } from '@cassiopeia/protocol'

/** Text stands for its UTF-8 bytes: `'a'` and `Buffer.from('a')` are one key. */
export type Bytes = string | Uint8Array

export interface SetOptions {
  /** Milliseconds until the value expires, 1 or more. Default: never. */
  readonly ttlMs?: number | undefined
}

/** One step of a batch. */
export type BatchOperation = SetOperation | DelOperation

export interface SetOperation extends SetOptions {
  readonly type: 'set'
  readonly key: Bytes
  readonly value: Bytes
}

export interface DelOperation {
  readonly type: 'del'
  readonly key: Bytes
}

const SET_OPTION_NAMES: ReadonlySet<string> = new Set(['ttlMs'])
const SET_OPERATION_NAMES: ReadonlySet<string> = new Set(['type', 'key', 'value', 'ttlMs'])
const DEL_OPERATION_NAMES: ReadonlySet<string> = new Set(['type', 'key'])

/** @throws TypeError for what is no object, and for a name that is no option. */
export function checkSetOptions(options: SetOptions): void {
  checkNames(options, SET_OPTION_NAMES, 'options')
}

/** @throws TypeError for what is no operation, and for a name that it does not have. */
export function checkOperation(operation: BatchOperation): void {
  const type: unknown = operation?.type
  if (type === 'set') checkNames(operation, SET_OPERATION_NAMES, 'a set operation')
  else if (type === 'del') checkNames(operation, DEL_OPERATION_NAMES, 'a del operation')
  else throw new TypeError("an operation must be an object of type 'set' or 'del'")
}

/** @throws TypeError for a name that is not in `names`: a misspelt `ttlMs` must not get lost. */
export function checkNames(options: object, names: ReadonlySet<string>, what: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${what} must be an object`)
  }
  for (const name in options) {
    if (!names.has(name)) {
      throw new TypeError(`${name}: no such name in ${what}; known: ${[...names].join(', ')}`)
    }
  }
}

/** @returns when it expires. @throws RangeError when `ttlMs` is no lifetime that a cell can hold. */
export function expiryMsOf(ttlMs: number, wallMs: number): number {
  const max = EXPIRY_MS_MAX - wallMs
  if (Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= max) return wallMs + ttlMs
  throw new RangeError(`ttlMs must be a whole number from 1 to ${max}, not ${String(ttlMs)}`)
}

export function notBytes(what: string, given: unknown): TypeError {
  const type = given === null ? 'null' : typeof given
  return new TypeError(`the ${what} must be a string, Buffer or Uint8Array, not ${type}`)
}

export function keyTooLarge(bytes: number): CassioError {
  const message = `the key has ${bytes} bytes; keys have 1 to ${KEY_BYTES_MAX}`
  return new CassioError('CASSIO_KEY_TOO_LARGE', message)
}

export function valueTooLarge(bytes: number): CassioError {
  const message = `the value has ${bytes} bytes; values have at most ${VALUE_BYTES_MAX}`
  return new CassioError('CASSIO_VALUE_TOO_LARGE', message)
}
