import type { Disk } from '@cassiopeia/env'
import { cellSize } from '@cassiopeia/protocol'
import { type HintBatch, HintFileReader } from './hint-file-reader'
import { HINT_HEADER_BYTES } from './hint-format'
import type { HintLedger } from './hint-ledger'
import type { HintFile, HintLog } from './hint-log'

/** Where a hint is: the `index`-th of the batch at `position` of a file. */
interface Place {
  readonly file: HintFile
  readonly position: number
  readonly index: number
}

/**
 * Goes through the hints of one member in the order in which they were kept, file after file. When
 * `toHint` is true it stands on a hint: number `index` of `batch`, at `at` in its buffer.
 */
export class HintCursor {
  batch: HintBatch | undefined
  at = 0
  index = 0
  private reader: HintFileReader | undefined
  /** All of the files up to this number has been passed. */
  private doneNumber = 0
  /** Where it was sent back to: the hints of this batch that come before are passed over. */
  private origin: Place | undefined
  /** When the next hint was kept, or some time before. */
  private knownMs: number | undefined

  constructor(
    private readonly log: HintLog,
    private readonly disk: Disk,
    private readonly ledger: HintLedger,
  ) {}

  /**
   * Moves to the next hint that has not been passed, when it is in memory; otherwise there is none,
   * `isAtEnd`, or `load` fetches it.
   */
  toHint(): boolean {
    for (;;) {
      if (this.isOnHint) return true
      this.batch = undefined
      const reader = this.currentReader()
      if (reader === undefined) return false
      const batch = reader.take()
      if (batch !== undefined) this.enter(batch)
      else if (!reader.isAtEnd || !reader.file.isSealed) return false
      else this.leaveFile()
    }
  }

  /** Passes the hint on which it stands. */
  pass(): void {
    const cellAt = this.at + HINT_HEADER_BYTES
    this.at = cellAt + cellSize(this.batch!.buffer, cellAt)
    this.index += 1
  }

  /** Whether all that is written of the file at hand has been passed. */
  get isAtEnd(): boolean {
    return !this.isOnHint && (this.currentReader()?.isAtEnd ?? true)
  }

  private get isOnHint(): boolean {
    return this.batch !== undefined && this.at < this.batch.to
  }

  /** Fetches what comes next. One call at a time; rejects with the disk's error, and may be repeated. */
  async load(): Promise<void> {
    const reader = this.currentReader()
    try {
      await reader?.fill()
    } catch (error) {
      // Unless it has been let go of meanwhile.
      if (this.reader === reader) throw error
    }
  }

  /** What comes next in this file cannot be read: passes over what is there by now. */
  giveUp(reason: string): void {
    this.batch = undefined
    this.currentReader()?.giveUp(reason)
  }

  /** When the next hint was kept, or some time before; undefined when all are passed. */
  oldestMs(): number | undefined {
    if (this.isOnHint) return this.batch!.keptMs
    const reader = this.currentReader()
    if (reader === undefined) return undefined
    if (!reader.isAtEnd) return this.knownMs
    return this.log.fileAfter(reader.file.number)?.createdMs
  }

  /** The oldest file that has hints which it has not passed; above all numbers when none has. */
  get fileNumber(): number {
    return this.currentReader()?.file.number ?? Number.POSITIVE_INFINITY
  }

  /** Goes back to a hint that it has passed. */
  rewind({ file, position, keptMs }: HintBatch, index: number): void {
    this.goBack({ file, position, index }, keptMs)
  }

  /** Holds no memory and no file until it is asked for more. */
  release(): void {
    const { reader } = this
    if (reader === undefined) return
    const { file, nextPosition: position } = reader
    // Sent back and not moved since: the hints before its origin are still to be passed over.
    const index = this.origin?.position === position ? this.origin.index : 0
    if (this.isOnHint) this.rewind(this.batch!, this.index)
    else this.goBack({ file, position, index }, this.knownMs)
  }

  private goBack(place: Place, keptMs: number | undefined): void {
    this.letGo()
    this.origin = place
    this.doneNumber = place.file.number - 1
    this.knownMs = keptMs
  }

  private currentReader(): HintFileReader | undefined {
    if (this.reader !== undefined) return this.reader
    const file = this.log.fileAfter(this.doneNumber)
    if (file === undefined) return undefined
    const { origin } = this
    if (origin?.file !== file) {
      this.origin = undefined
      this.knownMs = file.createdMs
    }
    this.reader = new HintFileReader(this.disk, file, this.ledger, this.origin?.position)
    return this.reader
  }

  private enter(batch: HintBatch): void {
    const { origin } = this
    this.origin = undefined
    this.batch = batch
    this.at = batch.from
    this.index = 0
    this.knownMs = batch.keptMs
    if (origin?.position !== batch.position) return
    while (this.index < origin.index && this.at < batch.to) this.pass()
  }

  private leaveFile(): void {
    this.doneNumber = this.reader!.file.number
    this.letGo()
  }

  private letGo(): void {
    void this.reader?.close()
    this.reader = undefined
    this.batch = undefined
    this.origin = undefined
  }
}
