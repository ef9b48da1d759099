import type { WriteSink } from '../store'
import type { Generation } from './generation'

const CAPACITY_MIN = 256
/** A batch that grew beyond this gives its memory back once it is settled. */
const CAPACITY_KEPT = 65_536

/**
 * The writes of one batch in parallel arrays: for each, where its cell lies in the arena and whom
 * to tell. Reused from batch to batch, so that a write costs no object.
 */
export class Batch {
  /** Whose memtable its cells go to; fixed by its first cell. */
  generation: Generation | undefined
  count = 0
  /** Bytes of its cells. */
  bytes = 0
  /** How many of its writes have been answered, from the first on. */
  settled = 0
  chunks = new Uint32Array(CAPACITY_MIN)
  offsets = new Uint32Array(CAPACITY_MIN)
  partitions = new Uint32Array(CAPACITY_MIN)
  hashes = new Float64Array(CAPACITY_MIN)
  tokens = new Float64Array(CAPACITY_MIN)
  readonly sinks: (WriteSink | undefined)[] = []

  add(
    chunk: number,
    offset: number,
    size: number,
    partition: number,
    hash: number,
    sink: WriteSink,
    token: number,
  ): void {
    const index = this.count
    if (index === this.chunks.length) this.resize(index * 2)
    this.chunks[index] = chunk
    this.offsets[index] = offset
    this.partitions[index] = partition
    this.hashes[index] = hash
    this.tokens[index] = token
    this.sinks[index] = sink
    this.count = index + 1
    this.bytes += size
  }

  clear(): void {
    if (this.chunks.length > CAPACITY_KEPT) {
      this.resize(CAPACITY_MIN)
      this.sinks.length = 0
    } else {
      // Keep no sink alive that nobody waits for any more.
      this.sinks.fill(undefined, 0, this.count)
    }
    this.count = 0
    this.bytes = 0
    this.generation = undefined
    this.settled = 0
  }

  private resize(capacity: number): void {
    this.chunks = resized(this.chunks, new Uint32Array(capacity))
    this.offsets = resized(this.offsets, new Uint32Array(capacity))
    this.partitions = resized(this.partitions, new Uint32Array(capacity))
    this.hashes = resized(this.hashes, new Float64Array(capacity))
    this.tokens = resized(this.tokens, new Float64Array(capacity))
  }
}

function resized<Words extends Uint32Array | Float64Array>(from: Words, to: Words): Words {
  to.set(from.length <= to.length ? from : from.subarray(0, to.length))
  return to
}
