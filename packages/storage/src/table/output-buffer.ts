import type { DiskFile } from '@cassiopeia/env'

const CHUNK_BYTES = 256 * 1024

/**
 * Gathers what is to be appended to a file in chunks that are used again and again. A piece that is
 * larger than a chunk has a buffer of its own.
 */
export class OutputBuffer {
  /** Bytes in chunks that take no more, and wait for `drainTo`. */
  finishedBytes = 0
  private chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  private filled = 0
  private finished: Buffer[] = []
  private readonly spare: Buffer[] = []

  /** Room for the next `bytes` bytes, to be filled before the next call. */
  reserve(bytes: number): Buffer {
    if (this.filled + bytes > this.chunk.length) this.turnOver(bytes)
    const from = this.filled
    this.filled += bytes
    return this.chunk.subarray(from, this.filled)
  }

  push(bytes: Buffer): void {
    bytes.copy(this.reserve(bytes.length))
  }

  /** Appends the finished chunks. One at a time. */
  async drainTo(file: DiskFile): Promise<void> {
    const buffers = this.finished
    if (buffers.length === 0) return
    this.finished = []
    this.finishedBytes = 0
    await file.append(buffers)
    for (const buffer of buffers) {
      if (buffer.buffer.byteLength === CHUNK_BYTES) this.spare.push(Buffer.from(buffer.buffer))
    }
  }

  /** Appends everything. */
  flushTo(file: DiskFile): Promise<void> {
    this.turnOver(0)
    return this.drainTo(file)
  }

  private turnOver(bytes: number): void {
    if (this.filled > 0) {
      this.finished.push(this.chunk.subarray(0, this.filled))
      this.finishedBytes += this.filled
      const isLarge = bytes > CHUNK_BYTES
      const spare = isLarge ? undefined : this.spare.pop()
      this.chunk = spare ?? Buffer.allocUnsafeSlow(Math.max(bytes, CHUNK_BYTES))
    } else if (this.chunk.length < bytes) {
      this.chunk = Buffer.allocUnsafeSlow(bytes)
    }
    this.filled = 0
  }
}
