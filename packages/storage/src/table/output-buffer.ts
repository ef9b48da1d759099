import type { DiskFile } from '@cassiopeia/env'

const CHUNK_BYTES = 256 * 1024
const NO_CHUNK = Buffer.alloc(0)

/** Chunks for output buffers that follow one another; it keeps no more than were used at a time. */
export class OutputChunks {
  private readonly spare: Buffer[] = []

  /** At least `bytes` bytes: a chunk, or a buffer of that very size where a chunk is too small. */
  take(bytes: number): Buffer {
    if (bytes > CHUNK_BYTES) return Buffer.allocUnsafeSlow(bytes)
    return this.spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)
  }

  /** @param chunk One that was taken, or its beginning; nobody may look at it from now on. */
  give(chunk: Buffer): void {
    if (chunk.buffer.byteLength === CHUNK_BYTES) this.spare.push(Buffer.from(chunk.buffer))
  }
}

/**
 * Gathers what is to be appended to a file in chunks that are used again and again. A piece that is
 * larger than a chunk has a buffer of its own.
 */
export class OutputBuffer {
  /** Bytes in chunks that take no more, and wait for `drainTo`. */
  finishedBytes = 0
  private chunk: Buffer = NO_CHUNK
  private filled = 0
  private finished: Buffer[] = []

  constructor(private readonly chunks: OutputChunks) {}

  /** Room for the next `bytes` bytes, to be filled before the next call. */
  reserve(bytes: number): Buffer {
    if (this.filled + bytes > this.chunk.length) {
      this.endChunk()
      this.chunk = this.chunks.take(bytes)
    }
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
    // After an error they are the collector's.
    await file.append(buffers)
    for (const buffer of buffers) this.chunks.give(buffer)
  }

  /** Appends everything. */
  flushTo(file: DiskFile): Promise<void> {
    this.endChunk()
    return this.drainTo(file)
  }

  private endChunk(): void {
    if (this.filled === 0) return
    this.finished.push(this.chunk.subarray(0, this.filled))
    this.finishedBytes += this.filled
    this.chunk = NO_CHUNK
    this.filled = 0
  }
}
