import { CassioError } from '@cassiopeia/protocol'

/**
 * Waits for `running`, but no longer than until `signal`, whether or not what runs takes notice.
 * @throws CassioError CASSIO_ABORTED
 */
export function abortable<Value>(running: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      // What runs may end with an error of its own that knows more: that one comes first.
      setImmediate(reject, new CassioError('CASSIO_ABORTED', 'the command was interrupted'))
    }
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
