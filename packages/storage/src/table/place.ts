/** A place in the order of a store: the partition first, then the bytes of the key. */
export interface Place {
  readonly partition: number
  readonly key: Buffer
}

/** @returns below 0, 0 or above 0, as `a` comes before, is, or comes after `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return a.partition - b.partition || Buffer.compare(a.key, b.key)
}
