/**
 * Memory of memtables that are gone, for those that come. The collector learns late how much memory
 * hangs on small objects; with a pool what a store holds stays what it counts. Pure.
 */
export class ChunkPool {
  /** Bytes that wait to be used again. */
  bytes = 0
  private readonly free = new Map<number, ArrayBuffer[]>()

  /** @param bytesMax What would be more is left to the collector. */
  constructor(private readonly bytesMax: number) {}

  /** Memory with whatever was in it before. */
  take(bytes: number): ArrayBuffer {
    const found = this.free.get(bytes)?.pop()
    if (found === undefined) return new ArrayBuffer(bytes)
    this.bytes -= bytes
    return found
  }

  /** Nobody may look at the memory from now on. */
  give(memory: ArrayBuffer): void {
    const bytes = memory.byteLength
    if (this.bytes + bytes > this.bytesMax) return
    const list = this.free.get(bytes)
    if (list === undefined) this.free.set(bytes, [memory])
    else list.push(memory)
    this.bytes += bytes
  }
}
