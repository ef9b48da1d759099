import { CassioError } from '@cassiopeia/protocol'

/**
 * Stops the operation when something that must always hold does not. On in production too: a store
 * that has lost track of its own state must not go on answering.
 *
 * @throws CassioError CASSIO_INTERNAL
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CassioError('CASSIO_INTERNAL', `broken invariant: ${message}`)
}
