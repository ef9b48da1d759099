import type { Clock, Logger } from '@cassiopeia/env'
import type { Counters } from '../metrics'
import type { HintOwner } from './hints'

/** While hints are dropped the log says so this often. */
const DROP_LOG_INTERVAL_MS = 60_000

/** What the hints for all members share: the bytes that they take, and whom to tell of what is lost. */
export class HintLedger {
  /** In memory and in files, headers included. */
  bytes = 0
  /** Those of them that are in memory, waiting to be written. */
  pendingBytes = 0
  private isOpen = false
  /** Hints were lost before the owner could be told. */
  private mustTell = false
  private dropLogFromMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly bytesMax: number,
    private readonly owner: HintOwner,
    private readonly counters: Counters,
    private readonly clock: Clock,
    readonly logger: Logger,
  ) {}

  hasRoomFor(bytes: number): boolean {
    return this.bytes + bytes <= this.bytesMax
  }

  onKept(): void {
    this.counters.hintsKept += 1
  }

  /** A hint is not kept, or no longer: a bound was reached, or the disk failed. */
  onDropped(partition: number, reason: string): void {
    this.counters.hintsDropped += 1
    const nowMs = this.clock.monotonicMs()
    if (nowMs >= this.dropLogFromMs) {
      this.dropLogFromMs = nowMs + DROP_LOG_INTERVAL_MS
      this.logger.warn('hints are dropped; repair will find what they would have mended', {
        reason,
        bytes: this.bytes,
      })
    }
    this.owner.onHintDropped(partition)
  }

  onExpired(partition: number): void {
    this.counters.hintsExpired += 1
    this.owner.onHintDropped(partition)
  }

  /** Part of a file, or all of it, cannot be read. */
  onLost(path: string, reason: string): void {
    this.counters.hintsLost += 1
    this.logger.warn('hints are lost; repair will find what they would have mended', {
      path,
      reason,
    })
    if (this.isOpen) this.owner.onHintsLost()
    else this.mustTell = true
  }

  /** From now on the owner may be told. */
  open(): void {
    this.isOpen = true
    if (this.mustTell) this.owner.onHintsLost()
  }

  onReplayed(): void {
    this.counters.hintsReplayed += 1
  }

  onRefused(): void {
    this.counters.hintsRefused += 1
  }
}
