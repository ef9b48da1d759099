/** Buffers that are kept for the next reading. */
const KEPT_MAX = 16
/** Beside a payload of the usual size: the frame's header, and some room. */
const EXTRA_BYTES = 64

/** Lends memory for reading frames of the usual size; for larger ones it makes new memory. */
export class ScratchPool {
  private readonly pooledBytes: number
  private readonly kept: Buffer[] = []

  constructor(usualBytes: number) {
    this.pooledBytes = usualBytes + EXTRA_BYTES
  }

  take(bytes: number): Buffer {
    if (bytes > this.pooledBytes) return Buffer.allocUnsafeSlow(bytes)
    const kept = this.kept.pop() ?? Buffer.allocUnsafeSlow(this.pooledBytes)
    return kept.subarray(0, bytes)
  }

  /** Whether the memory will be lent again: else whoever took it may keep it. */
  isPooled(buffer: Buffer): boolean {
    return buffer.buffer.byteLength === this.pooledBytes
  }

  give(buffer: Buffer): void {
    if (this.isPooled(buffer) && this.kept.length < KEPT_MAX) {
      this.kept.push(Buffer.from(buffer.buffer))
    }
  }
}
