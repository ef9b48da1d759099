import { cellSize } from '@cassiopeia/protocol'
import { BATCH_HEADER_BYTES, encodeBatchHeader, HINT_HEADER_BYTES } from './hint-format'

/**
 * A batch of hints being gathered, in the bytes in which it will be written: keeping a hint costs a
 * copy of its cell. Pure.
 */
export class GatheredBatch {
  /** Bytes in use, the batch header included. */
  bytes = BATCH_HEADER_BYTES
  private hints = 0
  private readonly buffer: Buffer

  /** @param keptMs Wall-clock time of the first hint. */
  constructor(
    capacityBytes: number,
    readonly keptMs: number,
  ) {
    this.buffer = Buffer.allocUnsafe(BATCH_HEADER_BYTES + capacityBytes)
  }

  /** @param size Of the cell. */
  hasRoomFor(size: number): boolean {
    return this.bytes + HINT_HEADER_BYTES + size <= this.buffer.length
  }

  /** Copies a cell for which there is room. */
  add(partition: number, cell: Buffer, at: number, size: number): void {
    this.buffer.writeUInt32BE(partition, this.bytes)
    cell.copy(this.buffer, this.bytes + HINT_HEADER_BYTES, at, at + size)
    this.bytes += HINT_HEADER_BYTES + size
    this.hints += 1
  }

  /** The batch for its place in a file; a view. May be asked again for another place. */
  encode(seed: number, position: number): Buffer {
    const batch = this.buffer.subarray(0, this.bytes)
    encodeBatchHeader(batch, seed, position, this.hints, this.keptMs)
    return batch
  }

  /** Visits the partition of each hint. */
  forEach(visit: (partition: number) => void): void {
    for (let at = BATCH_HEADER_BYTES; at < this.bytes; ) {
      visit(this.buffer.readUInt32BE(at))
      at += HINT_HEADER_BYTES
      at += cellSize(this.buffer, at)
    }
  }
}
