/** A place in the order of a store: the partition first, then the bytes of the key. */
export interface Place {
  readonly partition: number
  readonly key: Buffer
}

/** @returns below 0, 0 or above 0, as `a` comes before, is, or comes after `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return a.partition - b.partition || Buffer.compare(a.key, b.key)
}

/**
 * A copy of the key `bytes[from..to)`, in memory of its own: what is sent to another thread takes
 * along all the memory that it lies in.
 */
export function copyKey(bytes: Buffer, from: number, to: number): Buffer {
  const key = Buffer.allocUnsafeSlow(to - from)
  bytes.copy(key, 0, from, to)
  return key
}
