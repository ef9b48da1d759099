import type { StoreSettings } from '../options'

/** Memory beside memtables and caches: what workers sort and write with. */
const WORKER_SHARE = 1 / 16
/** What is held for a memtable is more than what is in use of its chunks and pages. */
const HELD_FACTOR = 1.25
/** However small it is to be, its index comes in pages. */
const MEMTABLE_BYTES_HELD_MIN = 176 * 1024
const CACHE_BYTES_MIN = 64 * 1024

/** What a memtable holds when it is full. */
export function memtableBytesHeld({ memtableBytes }: StoreSettings): number {
  return Math.max(memtableBytes * HELD_FACTOR, MEMTABLE_BYTES_HELD_MIN)
}

/** What of the budget is left for blocks, filters and indexes when memtables hold so much. */
export function cacheBytes({ memoryBytesMax }: StoreSettings, heldBytes: number): number {
  return Math.max(CACHE_BYTES_MIN, Math.floor(memoryBytesMax * (1 - WORKER_SHARE) - heldBytes))
}
