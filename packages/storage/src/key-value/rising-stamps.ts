import {
  CELL_STAMP_AT,
  STAMP_COUNTER_MAX,
  STAMP_MS_MAX,
  stampCounter,
  stampMs,
} from '@cassiopeia/protocol'
import { invariant } from '../invariant'

const HIGH_WORD = 2 ** 32

/**
 * Stamps of one store's own writes: each is above all before it and above `newest`, whatever the
 * clock does, so that the later write always wins. While the clock stands or is behind, the counter
 * rises, and when that is full, the milliseconds.
 */
export class RisingStamps {
  private ms: number
  private counter: number
  /** `ms` as the two words that are written. */
  private high = 0
  private low = 0

  /** @param newest The largest stamp held already; read only now. */
  constructor(newest: Buffer | undefined) {
    this.ms = newest === undefined ? 0 : stampMs(newest, 0)
    this.counter = newest === undefined ? 0 : stampCounter(newest, 0)
    this.moveTo(this.ms, this.counter)
  }

  /** Writes the next stamp into the cell at `cell[at]`, with a node tag of zeros. */
  writeNext(cell: Buffer, at: number, wallMs: number): void {
    if (wallMs > this.ms) this.moveTo(wallMs, 0)
    else if (this.counter < STAMP_COUNTER_MAX) this.counter += 1
    else this.moveTo(this.ms + 1, 0)
    const from = at + CELL_STAMP_AT
    cell.writeUInt16BE(this.high, from)
    cell.writeUInt32BE(this.low, from + 2)
    cell.writeUInt16BE(this.counter, from + 6)
    cell.writeUInt32BE(0, from + 8)
    cell.writeUInt32BE(0, from + 12)
  }

  private moveTo(ms: number, counter: number): void {
    invariant(ms <= STAMP_MS_MAX, 'no stamp is left above the newest one')
    this.ms = ms
    this.counter = counter
    this.high = Math.floor(ms / HIGH_WORD)
    this.low = ms % HIGH_WORD
  }
}
