/** Pieces come in multiples of this, so that they fit again. */
const STEP_BYTES = 16 * 1024

/**
 * Memory that both the event loop and the flush's worker see: a memtable is copied here for its
 * flush. The same pieces serve flush after flush; what the last one did not use is let go of.
 */
export class Staging {
  /** Memory held. */
  bytes = 0
  private free: Uint8Array[] = []
  private taken: Uint8Array[] = []

  /** @param allocate Memory that passes to jobs as it is. */
  constructor(private readonly allocate: (bytes: number) => Uint8Array) {}

  /** The first `bytes` bytes of a piece, the caller's until `reset`. */
  take(bytes: number): Uint8Array {
    let best = -1
    for (let i = 0; i < this.free.length; i += 1) {
      const { length } = this.free[i]!
      if (length >= bytes && (best < 0 || length < this.free[best]!.length)) best = i
    }
    const piece = best < 0 ? this.make(bytes) : this.free.splice(best, 1)[0]!
    this.taken.push(piece)
    return piece.subarray(0, bytes)
  }

  /** All pieces can be taken again. */
  reset(): void {
    for (const { length } of this.free) this.bytes -= length
    this.free = this.taken
    this.taken = []
  }

  private make(bytes: number): Uint8Array {
    const piece = this.allocate(Math.max(1, Math.ceil(bytes / STEP_BYTES)) * STEP_BYTES)
    this.bytes += piece.length
    return piece
  }
}
