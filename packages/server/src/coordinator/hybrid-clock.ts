import {
  STAMP_COUNTER_MAX,
  STAMP_MS_MAX,
  stampCounter,
  stampMs,
  writeStamp,
} from '@cassiopeia/protocol'

/**
 * Issues stamps that rise for ever on this node, whatever its wall clock does, and above every stamp
 * it has seen. Pure.
 *
 * It issues nothing beyond a reserved time. The owner persists a reservation ahead of granting it, and
 * a restarted node begins above the last one: so no stamp is issued twice, even if the clock was set
 * back meanwhile.
 *
 * @see Kulkarni et al., "Logical Physical Clocks", OPODIS 2014; the reservation as in Percolator's
 * timestamp oracle (Peng and Dabek, OSDI 2010).
 */
export class HybridClock {
  private lastMs: number
  private lastCounter = STAMP_COUNTER_MAX

  /**
   * @param tag The node's tag, 8 bytes.
   * @param reservedMs What had been persisted: no stamp at or below it is issued again.
   * @param aheadMaxMs How far beyond the wall clock a foreign stamp may be.
   */
  constructor(
    private readonly tag: Buffer,
    private reservedMs: number,
    private readonly aheadMaxMs: number,
  ) {
    this.lastMs = reservedMs
  }

  /** Writes the next stamp to `target[at]`. @returns false when the reservation is used up. */
  next(wallMs: number, target: Buffer, at: number): boolean {
    let ms = Math.min(wallMs, this.reservedMs)
    let counter = 0
    if (ms <= this.lastMs) {
      ms = this.lastMs
      counter = this.lastCounter + 1
      if (counter > STAMP_COUNTER_MAX) {
        ms += 1
        counter = 0
      }
    }
    if (ms > this.reservedMs) return false
    this.lastMs = ms
    this.lastCounter = counter
    writeStamp(target, at, ms, counter, this.tag)
    return true
  }

  /** Whether a foreign stamp is too far ahead of the wall clock to be believed. */
  isTooFarAhead(stamps: Buffer, at: number, wallMs: number): boolean {
    return stampMs(stamps, at) > Math.min(wallMs + this.aheadMaxMs, STAMP_MS_MAX - 1)
  }

  /** A stamp was seen: later ones of this node will be above it. The caller has judged it. */
  observe(stamps: Buffer, at: number): void {
    const ms = stampMs(stamps, at)
    if (ms < this.lastMs) return
    const counter = stampCounter(stamps, at)
    if (ms > this.lastMs || counter > this.lastCounter) {
      this.lastMs = ms
      this.lastCounter = counter
    }
  }

  /** The time of the latest stamp issued or met. */
  get frontMs(): number {
    return this.lastMs
  }

  /** What to persist next, when less than half of `aheadMs` is left; undefined while there is more. */
  reservationDue(wallMs: number, aheadMs: number): number | undefined {
    const frontMs = Math.max(wallMs, this.lastMs)
    return frontMs + aheadMs / 2 > this.reservedMs ? frontMs + aheadMs : undefined
  }

  /** The reservation up to `ms` has been persisted. */
  grant(ms: number): void {
    this.reservedMs = Math.max(this.reservedMs, ms)
  }
}
