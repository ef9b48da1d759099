import { CassioError } from '@cassiopeia/protocol'
import type { ConnectionPool } from './connection-pool'
import type { Operation } from './operation'

/** The errors that end a call without a node having said so. Pure. */

export function overloadedError(message: string): CassioError {
  return new CassioError('CASSIO_OVERLOADED', message)
}

export function abortedError(applied: 'none' | 'unknown', signal: AbortSignal): CassioError {
  const message = 'the call was aborted by its signal'
  return new CassioError('CASSIO_ABORTED', message, { applied }, { cause: signal.reason })
}

/** Time is up. */
export function expiredError(
  operation: Operation,
  { causes, ready }: Pick<ConnectionPool, 'causes' | 'ready'>,
): CassioError {
  const { timeout, sentCount, verb, waiting } = operation
  const timeoutMs = Math.round(operation.timeoutMs)
  if (timeout !== undefined) {
    return operation.failureFrom(timeout, `no success within ${timeoutMs} ms: ${timeout.message}`)
  }
  if (sentCount === 0 && waiting === 'map' && ready.length > 0) {
    const message = `no cluster map within ${timeoutMs} ms: the cluster has not formed`
    return operation.failure('CASSIO_UNAVAILABLE', message, { causes })
  }
  if (sentCount === 0) {
    const why = causes.map(({ message }) => message).join('; ')
    const message = `no node could be reached within ${timeoutMs} ms${why && `: ${why}`}`
    return operation.failure('CASSIO_CONNECTION', message, { causes })
  }
  for (let each = operation.newest; each !== undefined; each = each.older) {
    const silence = new CassioError('CASSIO_TIMEOUT', 'no answer')
    if (each.isSent) operation.note(each.node.address, silence)
  }
  return operation.failure('CASSIO_TIMEOUT', `no answer to ${verb} within ${timeoutMs} ms`)
}

/** Why no node can be asked, when waiting for one would not help. */
export function unroutableError(
  operation: Operation,
  { incurable, ready, causes }: Pick<ConnectionPool, 'incurable' | 'ready' | 'causes'>,
): CassioError | undefined {
  const { target, refusal } = operation
  if (incurable !== undefined) return operation.failureFrom(incurable)
  if (target !== undefined) {
    if (refusal !== undefined) return operation.failureFrom(refusal)
    const isLost = !target.isReady && target.lastError !== undefined
    return isLost ? operation.failureFrom(target.lastError!) : undefined
  }
  if (refusal !== undefined) {
    for (const { node, code, message } of causes) {
      operation.note(node, new CassioError(code, message))
    }
    return operation.failureFrom(refusal)
  }
  if (ready.length === 0) return undefined
  const message = 'the send buffers of all nodes are full (sendBufferMaxBytes)'
  return operation.failure('CASSIO_OVERLOADED', message)
}
