import type { Clock, Disk, Timer, Timers } from '@cassiopeia/env'
import { invariant } from '../invariant'
import type { SyncMode } from '../options'
import { BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES, segmentName } from './format'
import { Segment } from './segment'

export interface LogSettings {
  readonly directory: string
  readonly sync: SyncMode
  readonly syncIntervalMs: number
  readonly segmentBytes: number
}

export interface LogPorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly clock: Clock
}

/** A segment that takes no more batches. */
export interface SealedSegment {
  readonly number: number
  /** How much of it counts; all of this is durable. */
  readonly durableBytes: number
  /** Bytes in the file: an empty batch more when the log was closed there. */
  readonly fileBytes: number
}

/**
 * Appends batches to the commit log: rolls segments, syncs as the mode says, drops segments that
 * hold nothing needed any more.
 *
 * A segment is synced before its successor is made, in every mode. So damage in a segment that is
 * not the last is never the trace of a crash, and recovery may refuse it.
 */
export class LogWriter {
  /** Successful syncs of segments. */
  syncs = 0
  private current: Segment | undefined
  /** Where the next batch goes, and how large that segment will be once all begun ones are in. */
  private planned: { number: number; bytes: number }
  private syncTimer: Timer | undefined

  /**
   * @param sealed The segments that recovery found, oldest first; none of them is appended to. The
   * file of the next one is made when the first batch comes.
   * @param oldestNeeded The oldest segment that holds a cell still needed, counting nothing that
   * has not been appended.
   * @param onSyncFailed A sync in the background failed; the caller must stop writing.
   */
  constructor(
    private readonly settings: LogSettings,
    private readonly ports: LogPorts,
    private readonly sealed: SealedSegment[],
    private readonly oldestNeeded: () => number,
    private readonly onSyncFailed: (error: unknown) => void,
  ) {
    this.planned = { number: (sealed.at(-1)?.number ?? 0) + 1, bytes: SEGMENT_HEADER_BYTES }
  }

  /** @returns the number of the segment into which a batch that begins to gather now will go. */
  beginBatch(): number {
    if (this.planned.bytes >= this.settings.segmentBytes) {
      this.planned = { number: this.planned.number + 1, bytes: SEGMENT_HEADER_BYTES }
    }
    return this.planned.number
  }

  /** No more cells join the batch; from here on a batch that begins may go to the next segment. */
  endBatch(cellBytes: number): void {
    this.planned.bytes += BATCH_HEADER_BYTES + cellBytes
  }

  /**
   * Writes a batch, as durably as the mode promises. One at a time, in the order of `beginBatch`.
   * @param cells Untouched until the promise settles. A rejection is fatal for the log.
   */
  async append(segment: number, cellCount: number, cells: readonly Buffer[]): Promise<void> {
    if (this.current?.number !== segment) await this.roll(segment)
    const current = this.current
    invariant(current !== undefined, 'there is a segment to append to')
    await current.append(cellCount, cells)
    if (this.settings.sync === 'group') await this.syncSegment(current)
    else if (this.settings.sync === 'periodic') this.armSync()
  }

  /** Bytes in the files of the log. */
  get bytes(): number {
    return this.sealed.reduce((sum, { fileBytes }) => sum + fileBytes, this.current?.bytes ?? 0)
  }

  get segments(): number {
    return this.sealed.length + (this.current === undefined ? 0 : 1)
  }

  /**
   * Ends the current segment with an empty batch. It says that all before it is durable, so that
   * recovery can tell damage there from a torn tail.
   */
  async close(): Promise<void> {
    this.halt()
    const current = this.current
    if (current === undefined) return
    try {
      if (current.durableBytes < current.bytes) await this.syncSegment(current)
      await current.append(0, [])
      await this.syncSegment(current)
    } finally {
      await current.close()
    }
  }

  /** No sync begins in the background any more: after a failure nothing may be written or synced. */
  halt(): void {
    this.syncTimer?.cancel()
    this.syncTimer = undefined
  }

  /** Closes the file as it is. */
  async abandon(): Promise<void> {
    this.halt()
    await this.current?.close()
  }

  private async roll(number: number): Promise<void> {
    const last = this.current
    if (last !== undefined) {
      this.halt()
      if (last.durableBytes < last.bytes) await this.syncSegment(last)
      await last.close()
      const { bytes, durableBytes } = last
      this.sealed.push({ number: last.number, durableBytes, fileBytes: bytes })
      this.current = undefined
    }
    const previous = this.sealed.at(-1)
    invariant(number === (previous?.number ?? 0) + 1, 'segment numbers have no gaps')
    // All that was appended is durable now, so what the newer cells have replaced can go.
    const first = Math.min(this.oldestNeeded(), number)
    this.current = await Segment.create(this.ports.disk, this.settings.directory, {
      number,
      first: Math.max(first, this.sealed[0]?.number ?? number),
      createdMs: this.ports.clock.wallMs(),
      previousBytes: previous?.durableBytes ?? 0,
    })
    this.syncs += 1
    await this.dropBelow(first)
  }

  /** The new segment's header no longer asks for these; recovery removes what a crash leaves. */
  private async dropBelow(first: number): Promise<void> {
    const { disk } = this.ports
    while (this.sealed.length > 0 && this.sealed[0]!.number < first) {
      const { number } = this.sealed.shift()!
      await disk.unlink(`${this.settings.directory}/${segmentName(number)}`)
    }
  }

  private async syncSegment(segment: Segment): Promise<void> {
    await segment.sync()
    this.syncs += 1
  }

  /** At most one timer: it fires `syncIntervalMs` after the oldest batch that is not yet durable. */
  private armSync(): void {
    this.syncTimer ??= this.ports.timers.after(this.settings.syncIntervalMs, () => {
      this.syncTimer = undefined
      const current = this.current
      if (current === undefined || current.durableBytes === current.bytes) return
      this.syncSegment(current).catch(this.onSyncFailed)
    })
  }
}
