export const READ_AHEAD_BYTES_MAX = 256 * 1024
const NO_MEMORY = Buffer.alloc(0)

/**
 * How far reading ahead goes. 'doubling': one block at first, then twice as much each time, for who
 * may soon stop; 'full': as much as allowed at once, for who reads everything.
 */
export type ReadAheadGrowth = 'doubling' | 'full'

/**
 * Memory that a table's cursor reads ahead into, and how far it reads. Cursors that follow one another
 * share it, and go on as the one before has ended: it is for one of them at a time.
 */
export class ReadAhead {
  private memory: Buffer = NO_MEMORY
  private lastBytes = 0

  /** @param bytesMax A larger block is still read whole. */
  constructor(
    private readonly bytesMax: number = READ_AHEAD_BYTES_MAX,
    private readonly growth: ReadAheadGrowth = 'doubling',
  ) {}

  /** How many bytes should be read next: in whole blocks no more than that, but at least one. */
  get wantedBytes(): number {
    if (this.growth === 'full') return this.bytesMax
    return Math.min(this.lastBytes * 2, this.bytesMax)
  }

  /** Reading begins elsewhere. */
  restart(): void {
    this.lastBytes = 0
  }

  /** Memory for reading so many bytes now; what it held before is lost. */
  take(bytes: number): Buffer {
    const { bytesMax, wantedBytes } = this
    const { length } = this.memory
    // One large block does not keep its room for ever.
    if (length < bytes || length > Math.max(bytes, bytesMax)) {
      this.memory = Buffer.allocUnsafeSlow(Math.max(bytes, wantedBytes))
    }
    // Less is read at a table's end, which says nothing of the next one.
    this.lastBytes = Math.max(bytes, wantedBytes)
    return this.memory.subarray(0, bytes)
  }

  /** Lets go of the memory. */
  free(): void {
    this.memory = NO_MEMORY
  }
}
