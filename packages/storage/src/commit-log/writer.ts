import type { Clock, Disk, Timer, Timers } from '@cassiopeia/env'
import { invariant } from '../invariant'
import type { SyncMode } from '../options'
import { removeIfThere } from '../remove-if-there'
import { isDiskFull } from '../sync-file'
import { SEGMENT_HEADER_BYTES, segmentName } from './format'
import { Segment } from './segment'

export interface LogSettings {
  readonly directory: string
  readonly sync: SyncMode
  readonly syncIntervalMs: number
  readonly segmentBytes: number
  /** Batches up to this size are written by the event loop itself, while that is quick. */
  readonly inlineWriteBytesMax: number
}

export interface LogPorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly clock: Clock
}

/** A write by the event loop that takes longer keeps it from trying again for so long. */
const INLINE_MS_MAX = 4
const INLINE_PAUSE_MS = 1_000

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
 *
 * After a rejection with ENOSPC (`isDiskFull`) nothing of the batch counts and the log can go on;
 * after any other the log must not be written again.
 */
export class LogWriter {
  /** Successful syncs of segments. */
  syncs = 0
  /** Bytes written to segments. */
  written = 0
  private current: Segment | undefined
  /** A segment was begun that could not be finished: its file may lie there. */
  private halfMade = false
  private syncTimer: Timer | undefined
  private inlineFromMs = 0

  /**
   * @param sealed The segments that recovery found, oldest first; none of them is appended to. The
   * file of the next one is made when the first batch comes.
   * @param first The oldest segment that is needed; above `sealed` when none is.
   * @param onSyncFailed A sync has failed, whoever asked for it: nothing may be written any more.
   */
  constructor(
    private readonly settings: LogSettings,
    private readonly ports: LogPorts,
    private readonly sealed: SealedSegment[],
    private first: number,
    private readonly onSyncFailed: (error: unknown) => void,
  ) {}

  /** The number that the next segment will have. */
  get nextNumber(): number {
    return Math.max(this.current?.number ?? this.sealed.at(-1)?.number ?? 0, this.first - 1) + 1
  }

  /**
   * Writes a batch, as durably as the mode promises. One at a time.
   *
   * @param fresh The batch begins a new segment, whatever the size of the one before.
   * @param cells Untouched until the promise settles.
   */
  async append(cellCount: number, cells: readonly Buffer[], fresh: boolean): Promise<void> {
    if (this.mustRoll(fresh)) await this.roll()
    const segment = this.current
    invariant(segment !== undefined, 'there is a segment to append to')
    const before = segment.bytes
    try {
      if (this.isInline(sizeOf(cells))) this.appendTimed(segment, cellCount, cells)
      else await segment.append(cellCount, cells)
    } catch (error) {
      if (isDiskFull(error)) await segment.rewind()
      throw error
    }
    this.written += segment.bytes - before
    if (this.settings.sync === 'group') await this.syncSegment(segment)
    else if (this.settings.sync === 'periodic') this.armSync()
  }

  /**
   * Whether `appendNow` would take a batch of `bytes` bytes: a small one, in a mode that does not wait
   * for the disk, with no segment to be begun, and as long as the system has taken such writes quickly.
   */
  takesNow(bytes: number, fresh: boolean): boolean {
    return this.settings.sync !== 'group' && !this.mustRoll(fresh) && this.isInline(bytes)
  }

  /**
   * As `append`, before it returns. @throws as that, but a full disk leaves `rewind` to the caller, who
   * must wait for it before the next batch.
   */
  appendNow(cellCount: number, cells: readonly Buffer[]): void {
    const segment = this.current
    invariant(segment !== undefined, 'there is a segment to append to')
    const before = segment.bytes
    this.appendTimed(segment, cellCount, cells)
    this.written += segment.bytes - before
    if (this.settings.sync === 'periodic') this.armSync()
  }

  /** Cuts off what an `appendNow` that met a full disk has written. */
  async rewind(): Promise<void> {
    await this.current?.rewind()
  }

  private isInline(bytes: number): boolean {
    return (
      bytes <= this.settings.inlineWriteBytesMax &&
      this.ports.clock.monotonicMs() >= this.inlineFromMs
    )
  }

  /** When the system makes writers wait, the event loop must not be one of them for long. */
  private appendTimed(segment: Segment, cellCount: number, cells: readonly Buffer[]): void {
    const { clock } = this.ports
    const startedMs = clock.monotonicMs()
    segment.appendSync(cellCount, cells)
    const endedMs = clock.monotonicMs()
    if (endedMs - startedMs > INLINE_MS_MAX) this.inlineFromMs = endedMs + INLINE_PAUSE_MS
  }

  /** Bytes in the files of the log. */
  get bytes(): number {
    return this.sealed.reduce((sum, { fileBytes }) => sum + fileBytes, this.current?.bytes ?? 0)
  }

  get segments(): number {
    return this.sealed.length + (this.current === undefined ? 0 : 1)
  }

  /** Paths of the segments from `first` on that take no more batches. */
  sealedPaths(first: number): string[] {
    return this.sealed
      .filter(({ number }) => number >= first)
      .map(({ number }) => this.pathOf(number))
  }

  /** Makes all that was appended durable; not while an append is under way. */
  async sync(): Promise<void> {
    const { current } = this
    if (current !== undefined && current.durableBytes < current.bytes) {
      await this.syncSegment(current)
    }
  }

  /** Ends the current segment: all in it is durable then, and its file is never written again. */
  async seal(): Promise<void> {
    const last = this.current
    if (last === undefined) return
    this.halt()
    if (last.durableBytes < last.bytes) await this.syncSegment(last)
    await last.close()
    const { number, bytes, durableBytes } = last
    this.sealed.push({ number, durableBytes, fileBytes: bytes })
    this.current = undefined
  }

  /**
   * Segments below `first` are not needed any more, which the manifest says as durably. Removes
   * them; recovery removes what a crash leaves.
   */
  async dropBelow(first: number): Promise<void> {
    this.first = Math.max(this.first, first)
    while (this.sealed.length > 0 && this.sealed[0]!.number < first) {
      const { number } = this.sealed.shift()!
      await removeIfThere(this.ports.disk, this.pathOf(number))
    }
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
      await this.appendMark(current)
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

  private mustRoll(fresh: boolean): boolean {
    const { current } = this
    return current === undefined || fresh || current.bytes >= this.settings.segmentBytes
  }

  private pathOf(number: number): string {
    return `${this.settings.directory}/${segmentName(number)}`
  }

  /** On a full disk the segment stays without its mark, as after a crash. */
  private async appendMark(segment: Segment): Promise<void> {
    try {
      await segment.append(0, [])
    } catch (error) {
      if (!isDiskFull(error)) throw error
      await segment.rewind()
    }
    await this.syncSegment(segment)
  }

  private async roll(): Promise<void> {
    await this.seal()
    const { disk, clock } = this.ports
    const { directory } = this.settings
    const number = this.nextNumber
    const previous = this.sealed.at(-1)
    const { first } = this
    if (this.halfMade) await removeIfThere(disk, this.pathOf(number))
    this.halfMade = true
    this.current = await Segment.create(disk, directory, {
      number,
      first: Math.min(first, number),
      createdMs: clock.wallMs(),
      previousBytes: previous?.number === number - 1 ? previous.durableBytes : 0,
    })
    this.halfMade = false
    this.syncs += 1
    this.written += SEGMENT_HEADER_BYTES
  }

  private async syncSegment(segment: Segment): Promise<void> {
    try {
      await segment.sync()
    } catch (error) {
      this.onSyncFailed(error)
      throw error
    }
    this.syncs += 1
  }

  /** At most one timer: it fires `syncIntervalMs` after the oldest batch that is not yet durable. */
  private armSync(): void {
    this.syncTimer ??= this.ports.timers.after(this.settings.syncIntervalMs, () => {
      this.syncTimer = undefined
      const current = this.current
      if (current === undefined || current.durableBytes === current.bytes) return
      // Whom it concerns has been told.
      this.syncSegment(current).catch(() => {})
    })
  }
}

function sizeOf(buffers: readonly Buffer[]): number {
  let bytes = 0
  for (const { length } of buffers) bytes += length
  return bytes
}
