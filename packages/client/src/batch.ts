import { CassioError, type NodeCause } from '@cassiopeia/protocol'

/** What became of one item. */
type Settled<T> = { readonly value: T } | { readonly error: unknown }

/**
 * Runs `call` for each item, at most `window` at once.
 *
 * After a failure no further item is begun; those under way are waited for, so that the error can
 * say what is known of all of them.
 *
 * @returns the answers in the order of the items.
 * @throws what a single failed item threw when it was the only item; else a CassioError with the
 *   first failure's code, counting what failed and what was not begun.
 */
export async function runAll<I, T>(
  items: readonly I[],
  window: number,
  call: (item: I) => Promise<T>,
): Promise<T[]> {
  const settled: Settled<T>[] = new Array(items.length)
  let next = 0
  let hasFailed = false
  const work = async (): Promise<void> => {
    while (next < items.length && !hasFailed) {
      const index = next++
      try {
        settled[index] = { value: await call(items[index]!) }
      } catch (error) {
        settled[index] = { error }
        hasFailed = true
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(window, items.length) }, work))
  if (hasFailed) throw batchError(settled, items.length)
  return settled.map((each) => (each as { value: T }).value)
}

function batchError(settled: readonly Settled<unknown>[], count: number): unknown {
  const failures: unknown[] = []
  let begun = 0
  for (const each of settled) {
    if (each === undefined) continue
    begun += 1
    if ('error' in each) failures.push(each.error)
  }
  const first = failures[0]
  if (!(first instanceof CassioError) || count === 1) return first
  const causes: NodeCause[] = []
  let isUnknown = begun > failures.length
  for (const failure of failures) {
    if (!(failure instanceof CassioError)) continue
    isUnknown ||= failure.applied === 'unknown'
    causes.push(...failure.causes)
  }
  const message =
    `${failures.length} of ${count} calls failed, ${begun - failures.length} succeeded, ` +
    `${count - begun} were not begun; the first failure: ${first.message}`
  const applied = isUnknown ? 'unknown' : 'none'
  const details = { applied, causes: causes.slice(0, 16) } as const
  return new CassioError(first.code, message, details, { cause: first })
}
