/**
 * Every code that a caller may meet, what it means and what to do. Codes are stable; messages may
 * improve. `docs/ERRORS.md` is held equal to this table by a test.
 */
export const ERROR_CODES = Object.freeze({
  CASSIO_UNAVAILABLE: 'Too few live replicas; start or reach the nodes named, or ask for fewer.',
  CASSIO_TIMEOUT:
    'Too few replicas answered in time; a write may have been applied: see the stamp.',
  CASSIO_FAILED: 'Replicas refused; see the causes. A write may have been applied on others.',
  CASSIO_OVERLOADED: 'The node refused new work before doing any; try again after a pause.',
  CASSIO_INVALID: 'The request cannot be carried out as written; correct it.',
  CASSIO_KEY_TOO_LARGE: 'Keys are 1 to 65,535 bytes; use a shorter key.',
  CASSIO_VALUE_TOO_LARGE: 'The value is over the limit; split it, or raise --max-value-bytes.',
  CASSIO_STAMP_AHEAD: 'The stamp is too far in the future; set the clocks right, or omit it.',
  CASSIO_STAMP_OLD:
    'The stamp is older than what all replicas have agreed on; use a newer one, or omit it.',
  CASSIO_STALE_MAP: 'The sender knows another epoch of the cluster map; fetch the map, try again.',
  CASSIO_UNAUTHORIZED:
    'Both sides need the same shared secret, or none: --secret-file, CASSIO_SECRET.',
  CASSIO_PROTOCOL:
    'The peer speaks another protocol or sent damaged bytes; check port and version.',
  CASSIO_CONNECTION: 'No node could be reached; check the addresses and that the nodes run.',
  CASSIO_CLOSED: 'The client or node has been closed; make a new one.',
  CASSIO_ABORTED: 'The caller aborted the request through its signal; a write may be applied.',
  CASSIO_CONFIG: 'An option is wrong; the message names each one and what is allowed.',
  CASSIO_ADDRESS_IN_USE: 'The port is taken; stop its owner or choose another port.',
  CASSIO_FOUNDING_MISMATCH:
    'The settings are not those that this data was founded with; use those.',
  CASSIO_IDENTITY: 'This node is not the one the cluster knows here; use its own data directory.',
  CASSIO_LOCKED: 'Another process uses the data directory; stop it or choose another directory.',
  CASSIO_DISK_FULL: 'The disk is full: writes are refused, reads go on; free some space.',
  CASSIO_CORRUPT: 'Stored bytes fail their checksum; restore the file or rebuild the node.',
  CASSIO_STORAGE: 'The disk refused an operation; the node stops rather than guess.',
  CASSIO_INTERNAL: 'An invariant is broken; please report it with the log.',
} as const)

export type ErrorCode = keyof typeof ERROR_CODES

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(ERROR_CODES, text)
}

/** What one node had to say about a request that failed. */
export interface NodeCause {
  /** The node's address, or its id where no address is known. */
  readonly node: string
  readonly code: ErrorCode
  readonly message: string
}

/** What an error carries besides its code and message; all of it survives the wire. */
export interface ErrorDetails {
  /**
   * 'none': no replica applied the write and none will. 'unknown': some may have; the same write
   * can be repeated with `stamp`. Reads are always 'none'.
   */
  readonly applied?: 'none' | 'unknown'
  /** Replicas that answered, and how many the level needs. */
  readonly received?: number
  readonly required?: number
  /** The write's stamp as text, where one had been given out. */
  readonly stamp?: string
  readonly causes?: readonly NodeCause[]
}

/** A failure that the caller can act on. Wrong arguments throw TypeError or RangeError instead. */
export class CassioError extends Error {
  override readonly name = 'CassioError'
  readonly applied: 'none' | 'unknown'
  readonly received: number | undefined
  readonly required: number | undefined
  readonly stamp: string | undefined
  readonly causes: readonly NodeCause[]

  constructor(
    readonly code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.applied = details.applied ?? 'none'
    this.received = details.received
    this.required = details.required
    this.stamp = details.stamp
    this.causes = details.causes ?? []
  }

  /** What the reader of this error can do about it. */
  get advice(): string {
    return ERROR_CODES[this.code]
  }
}

/** The error as plain data, for the wire and for `--json`. */
export interface WireError extends ErrorDetails {
  readonly code: ErrorCode
  readonly message: string
}

export function errorToWire(error: CassioError): WireError {
  const { code, message, applied, received, required, stamp, causes } = error
  return {
    code,
    message,
    applied,
    ...(received === undefined ? {} : { received }),
    ...(required === undefined ? {} : { required }),
    ...(stamp === undefined ? {} : { stamp }),
    ...(causes.length === 0 ? {} : { causes }),
  }
}

/** Reads a foreign error; anything malformed becomes a CASSIO_PROTOCOL that says so. */
export function errorFromWire(wire: unknown): CassioError {
  const error = (wire ?? {}) as Partial<WireError>
  if (!isErrorCode(error.code) || typeof error.message !== 'string') {
    return new CassioError('CASSIO_PROTOCOL', 'the node sent an error that cannot be read')
  }
  const causes = Array.isArray(error.causes) ? error.causes : []
  return new CassioError(error.code, error.message, {
    applied: error.applied === 'unknown' ? 'unknown' : 'none',
    ...(typeof error.received === 'number' ? { received: error.received } : {}),
    ...(typeof error.required === 'number' ? { required: error.required } : {}),
    ...(typeof error.stamp === 'string' ? { stamp: error.stamp } : {}),
    causes: causes.filter(isCause),
  })
}

function isCause(cause: Partial<NodeCause> | null): boolean {
  const texts = [cause?.node, cause?.message]
  return isErrorCode(cause?.code) && texts.every((text) => typeof text === 'string')
}
