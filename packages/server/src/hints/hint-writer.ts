import type { DiskFile, Timer } from '@cassiopeia/env'
import { cellSize } from '@cassiopeia/protocol'
import { GatheredBatch } from './gathered-batch'
import {
  BATCH_HEADER_BYTES,
  CELL_BYTES_MAX,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  fileSeed,
  HINT_HEADER_BYTES,
} from './hint-format'
import type { HintLedger } from './hint-ledger'
import type { HintFile, HintLog, HintPorts } from './hint-log'

/** Hints are gathered for so long, unless a write is under way: then until it has ended. */
const GATHER_MS = 2
/** A batch has room for twice what its predecessor had, within these. */
const BATCH_ROOM_MIN = 4 * 1024
const BATCH_ROOM_MAX = 256 * 1024
/** Hints of all members that wait for the disk; beyond it they are dropped. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024
/** Written by one call, about. */
const APPEND_BYTES = 1024 * 1024
/** A file that has reached this size is followed by another. */
const FILE_BYTES_MAX = 8 * 1024 * 1024
const SYNC_INTERVAL_MS = 1_000
/** After the disk has failed nothing is kept for so long. */
const DISK_PAUSE_MS = 1_000

/** The file that is appended to. */
interface Tail {
  readonly file: HintFile
  readonly handle: DiskFile
  syncedBytes: number
  isEntrySynced: boolean
  /** A sync has failed: nothing is appended any more, and no sync tried again. */
  isSpoilt: boolean
}

/**
 * Gathers the hints for one member and appends them to its files. Nobody waits for it: what the disk
 * refuses is dropped, and told.
 */
export class HintWriter {
  /** Bytes that are not in a file yet. */
  pendingBytes = 0
  private gathering: GatheredBatch | undefined
  /** Batches before it that wait to be written. */
  private readonly full: GatheredBatch[] = []
  private roomBytes = BATCH_ROOM_MIN
  private tail: Tail | undefined
  private writing: Promise<void> | undefined
  private gatherTimer: Timer | undefined
  private syncTimer: Timer | undefined
  private pausedUntilMs = Number.NEGATIVE_INFINITY
  private readonly background = new Set<Promise<void>>()
  private hasDirectory = false
  private isClosed = false

  /** @param onWritten More can be read from the files. */
  constructor(
    private readonly log: HintLog,
    private readonly ports: HintPorts,
    private readonly ledger: HintLedger,
    private readonly onWritten: () => void,
  ) {}

  /** When the oldest hint that is not in a file was kept; undefined without any. */
  get pendingMs(): number | undefined {
    return (this.full[0] ?? this.gathering)?.keptMs
  }

  /** Nothing waits to be written, nor is being written. */
  get isIdle(): boolean {
    return this.writing === undefined && this.isEmpty
  }

  private get isEmpty(): boolean {
    return this.gathering === undefined && this.full.length === 0
  }

  keep(partition: number, cell: Buffer, at: number): void {
    const size = cellSize(cell, at)
    const refusal = this.refusalOf(size)
    if (refusal !== undefined) {
      this.ledger.onDropped(partition, refusal)
      return
    }
    const batch = this.batchFor(size)
    const before = batch.bytes
    batch.add(partition, cell, at, size)
    this.count(batch.bytes - before)
    this.ledger.onKept()
    if (this.writing !== undefined) return
    if (this.full.length > 0) this.write()
    else this.gatherTimer ??= this.ports.timers.after(GATHER_MS, () => this.write())
  }

  /** All hints are settled: the file that is appended to is not needed any more. */
  endTail(): void {
    const { tail } = this
    if (tail === undefined) return
    this.letGo(tail)
    this.inBackground(tail.handle.close())
  }

  /** Writes and syncs what there is, and lets go of the file. Never rejects. */
  async close(): Promise<void> {
    this.isClosed = true
    if (this.writing === undefined) this.write()
    await this.writing
    const { tail } = this
    if (tail !== undefined) this.roll(tail)
    while (this.background.size > 0) await Promise.all(this.background)
  }

  private refusalOf(size: number): string | undefined {
    if (this.isClosed) return 'the node stops'
    if (size > CELL_BYTES_MAX) return 'the cell is larger than any'
    // With room for the headers that it may need.
    const bytes = HINT_HEADER_BYTES + size + BATCH_HEADER_BYTES + FILE_HEADER_BYTES
    if (!this.ledger.hasRoomFor(bytes)) return 'hintBytesMax is reached'
    const { pendingBytes } = this.ledger
    if (pendingBytes > 0 && pendingBytes + bytes > PENDING_BYTES_MAX) return 'the disk is too slow'
    return this.ports.clock.monotonicMs() < this.pausedUntilMs ? 'the disk has failed' : undefined
  }

  private batchFor(size: number): GatheredBatch {
    const { gathering } = this
    if (gathering?.hasRoomFor(size) === true) return gathering
    if (gathering !== undefined) this.full.push(gathering)
    if (gathering !== undefined) this.roomBytes = Math.min(BATCH_ROOM_MAX, 2 * this.roomBytes)
    const roomBytes = Math.max(this.roomBytes, HINT_HEADER_BYTES + size)
    const batch = new GatheredBatch(roomBytes, Math.max(0, this.ports.clock.wallMs()))
    this.gathering = batch
    this.count(batch.bytes)
    return batch
  }

  /** `bytes` more wait to be written. */
  private count(bytes: number): void {
    this.ledger.bytes += bytes
    this.countPending(bytes)
  }

  private countPending(bytes: number): void {
    this.pendingBytes += bytes
    this.ledger.pendingBytes += bytes
  }

  private write(): void {
    this.gatherTimer?.cancel()
    this.gatherTimer = undefined
    if (this.isIdle) return
    this.writing = this.writeAll()
  }

  /** Never rejects. */
  private async writeAll(): Promise<void> {
    for (let batches = this.take(); batches.length > 0; batches = this.take()) {
      try {
        await this.append(batches)
        for (const { bytes } of batches) this.countPending(-bytes)
        this.armSync()
      } catch (error) {
        this.onDiskFailed(error as Error, batches)
      }
      if (!this.isEmpty) this.onWritten()
    }
    // Within the turn of the last look: what is kept from now on arms the timer again.
    this.writing = undefined
    this.onWritten()
  }

  /** The next batches to be written, at least one when there is one. */
  private take(): GatheredBatch[] {
    const batches: GatheredBatch[] = []
    let bytes = 0
    while (this.full.length > 0 && bytes < APPEND_BYTES) {
      bytes += this.full[0]!.bytes
      batches.push(this.full.shift()!)
    }
    if (this.full.length > 0 || this.gathering === undefined || bytes >= APPEND_BYTES) {
      return batches
    }
    this.roomBytes = Math.max(BATCH_ROOM_MIN, Math.min(this.roomBytes, 2 * this.gathering.bytes))
    batches.push(this.gathering)
    this.gathering = undefined
    return batches
  }

  private async append(batches: readonly GatheredBatch[]): Promise<void> {
    const { tail } = this
    if (tail === undefined || tail.isSpoilt || tail.file.bytes >= FILE_BYTES_MAX) {
      if (tail !== undefined) this.roll(tail)
      await this.begin(batches)
      return
    }
    const { file, handle } = tail
    const encoded = encodeAll(batches, file.seed, file.bytes)
    await handle.append(encoded)
    this.log.onAppended(file, bytesOf(encoded))
  }

  /** Begins a file with these batches. */
  private async begin(batches: readonly GatheredBatch[]): Promise<void> {
    const { disk } = this.ports
    const { log } = this
    await log.discover()
    if (!this.hasDirectory) await disk.makeDirectory(log.directory)
    this.hasDirectory = true
    const number = log.nextNumber
    // An attempt that fails has used it up: its remains may lie there.
    log.nextNumber += 1
    const path = log.pathOf(number)
    const { keptMs: createdMs } = batches[0]!
    const header = encodeFileHeader({ number, createdMs, memberId: log.memberId })
    const seed = fileSeed(header)
    const encoded = encodeAll(batches, seed, header.length)
    let handle: DiskFile | undefined
    try {
      handle = await disk.open(path, 'create')
      await handle.append([header, ...encoded])
    } catch (error) {
      if (handle !== undefined) this.inBackground(handle.close())
      log.discard(path)
      throw error
    }
    const file: HintFile = { number, path, seed, createdMs, bytes: header.length, isSealed: false }
    this.tail = { file, handle, syncedBytes: 0, isEntrySynced: false, isSpoilt: false }
    log.add(file)
    log.onAppended(file, bytesOf(encoded))
  }

  /** What was to be written, and what waits behind it, is dropped. */
  private onDiskFailed(error: Error, batches: readonly GatheredBatch[]): void {
    const { message: reason } = error
    this.ledger.logger.warn('hints cannot be written', { reason, directory: this.log.directory })
    this.pausedUntilMs = this.ports.clock.monotonicMs() + DISK_PAUSE_MS
    const { tail } = this
    if (tail !== undefined) {
      this.letGo(tail)
      this.inBackground(cutBack(tail))
    }
    const all = [...batches, ...this.full.splice(0)]
    if (this.gathering !== undefined) all.push(this.gathering)
    this.gathering = undefined
    for (const batch of all) this.drop(batch, reason)
  }

  private drop(batch: GatheredBatch, reason: string): void {
    this.count(-batch.bytes)
    batch.forEach((partition) => {
      this.ledger.onDropped(partition, reason)
    })
  }

  private armSync(): void {
    this.syncTimer ??= this.ports.timers.after(SYNC_INTERVAL_MS, () => {
      this.syncTimer = undefined
      if (this.tail !== undefined) this.inBackground(this.sync(this.tail))
    })
  }

  /**
   * Makes durable what is written. After a failure the file is not appended to any more: the system may
   * have dropped any of its bytes, and nobody was promised them.
   */
  private async sync(tail: Tail): Promise<void> {
    const { bytes } = tail.file
    if (tail.isSpoilt || tail.syncedBytes >= bytes) return
    try {
      await tail.handle.sync()
      if (!tail.isEntrySynced) await this.ports.disk.syncDirectory(this.log.directory)
      tail.isEntrySynced = true
      tail.syncedBytes = bytes
    } catch (error) {
      tail.isSpoilt = true
      const { message: reason } = error as Error
      this.ledger.logger.warn('hints cannot be synced', { reason, path: tail.file.path })
    }
  }

  private roll(tail: Tail): void {
    this.letGo(tail)
    this.inBackground(this.finish(tail))
  }

  private async finish(tail: Tail): Promise<void> {
    await this.sync(tail)
    await tail.handle.close()
  }

  private letGo(tail: Tail): void {
    tail.file.isSealed = true
    this.tail = undefined
    this.syncTimer?.cancel()
    this.syncTimer = undefined
  }

  /** What it is rejected with, nobody needs to know. */
  private inBackground(work: Promise<void>): void {
    const ended = work
      .catch(() => {})
      .finally(() => {
        this.background.delete(ended)
      })
    this.background.add(ended)
  }
}

/** After an append that failed: what it wrote of its batches does not count. */
async function cutBack({ file, handle }: Tail): Promise<void> {
  try {
    await handle.truncate(file.bytes)
  } finally {
    await handle.close()
  }
}

function encodeAll(batches: readonly GatheredBatch[], seed: number, position: number): Buffer[] {
  let at = position
  return batches.map((batch) => {
    const encoded = batch.encode(seed, at)
    at += encoded.length
    return encoded
  })
}

function bytesOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0)
}
