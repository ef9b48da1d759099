import type { Disk, DiskFile } from '@cassiopeia/env'
import {
  BATCH_HEADER_BYTES,
  BATCH_HINT_BYTES_MAX,
  BATCH_MAGIC_BYTES,
  batchFault,
  decodeBatchHeader,
  FILE_HEADER_BYTES,
} from './hint-format'
import type { HintLedger } from './hint-ledger'
import type { HintFile } from './hint-log'

/** Bytes read at once, unless a batch is larger. */
const READ_BYTES = 256 * 1024
const NO_BYTES = Buffer.alloc(0)

/** A sound batch in memory: its hints are `buffer[from..to)`. */
export interface HintBatch {
  readonly file: HintFile
  readonly position: number
  readonly keptMs: number
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
}

/**
 * Reads one file's batches in order, so far as they are known to be written. What is damaged is told
 * once for each stretch, and passed over: reading goes on at the next sound batch.
 */
export class HintFileReader {
  private bytes = NO_BYTES
  /** Position of `bytes` in the file. */
  private bytesAt = 0
  /** Bytes from `position` on that the next step needs. */
  private wanted = BATCH_HEADER_BYTES
  /** Within a stretch of damage. */
  private isSearching = false
  private cutAt = Number.POSITIVE_INFINITY
  private handle: DiskFile | undefined
  private isClosed = false

  /** @param position Of a batch. */
  constructor(
    private readonly disk: Disk,
    readonly file: HintFile,
    private readonly ledger: HintLedger,
    private position = FILE_HEADER_BYTES,
  ) {}

  /** Position of the batch that `take` looks for. */
  get nextPosition(): number {
    return this.position
  }

  /** Whether all that is written has been taken. */
  get isAtEnd(): boolean {
    return this.position >= this.end
  }

  /** The next sound batch, when it is in memory; else, unless it is at the end, `fill` reads on. */
  take(): HintBatch | undefined {
    while (!this.isAtEnd) {
      const batch = this.decode()
      if (typeof batch !== 'string') return batch
      this.passOver(batch)
    }
    return undefined
  }

  /** Reads on. One call at a time; after a rejection it can be tried again. */
  async fill(): Promise<void> {
    const { position } = this
    const size = Math.min(Math.max(READ_BYTES, this.wanted), this.end - position)
    if (size <= 0) return
    const handle = await this.opened()
    const target = Buffer.allocUnsafeSlow(size)
    const got = await handle.read(target, position)
    this.bytes = target.subarray(0, got)
    this.bytesAt = position
    if (got === size) return
    this.cutAt = position + got
    this.tell('the file is shorter than it was')
  }

  /** Passes over all that is written: it cannot be read. */
  giveUp(reason: string): void {
    this.position = this.end
    this.bytes = NO_BYTES
    this.isSearching = false
    this.tell(reason)
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.isClosed = true
    this.bytes = NO_BYTES
    const { handle } = this
    this.handle = undefined
    await handle?.close().catch(() => {})
  }

  private get end(): number {
    return Math.min(this.file.bytes, this.cutAt)
  }

  private async opened(): Promise<DiskFile> {
    if (this.handle !== undefined) return this.handle
    const handle = await this.disk.open(this.file.path, 'read')
    if (this.isClosed) await handle.close()
    else this.handle = handle
    return handle
  }

  /** @returns the batch at `position`; undefined when it is not in memory; or what is wrong with it. */
  private decode(): HintBatch | undefined | string {
    const { position } = this
    const left = this.end - position
    if (left < BATCH_HEADER_BYTES) return 'the file ends within a batch'
    if (!this.holds(BATCH_HEADER_BYTES)) return undefined
    const at = position - this.bytesAt
    const header = decodeBatchHeader(this.bytes, at, position)
    if (header === undefined) return 'no batch begins where one should'
    const size = BATCH_HEADER_BYTES + header.hintBytes
    if (header.hintBytes > BATCH_HINT_BYTES_MAX) return 'a batch is longer than any'
    if (size > left) return 'the file ends within a batch'
    if (!this.holds(size)) return undefined
    const fault = batchFault(this.bytes, at, header, this.file.seed)
    if (fault !== undefined) return fault
    this.isSearching = false
    this.position += size
    const from = at + BATCH_HEADER_BYTES
    const { file, bytes: buffer } = this
    return { file, position, keptMs: header.keptMs, buffer, from, to: at + size }
  }

  private holds(count: number): boolean {
    this.wanted = count
    const { position, bytesAt, bytes } = this
    return position >= bytesAt && position + count <= bytesAt + bytes.length
  }

  /** Goes on to where the next batch may begin: `decode` knows better. */
  private passOver(fault: string): void {
    if (!this.isSearching) this.tell(fault)
    this.isSearching = true
    const { position, bytesAt, bytes } = this
    const next = position + 1 - bytesAt
    const found = next > 0 ? bytes.indexOf(BATCH_MAGIC_BYTES, next) : -1
    // A magic may begin in the last bytes of what is in memory.
    const unseen = bytesAt + bytes.length - (BATCH_MAGIC_BYTES.length - 1)
    this.position = found < 0 ? Math.max(position + 1, unseen) : bytesAt + found
    this.position = Math.min(this.position, this.end)
  }

  private tell(fault: string): void {
    this.ledger.onLost(this.file.path, `at byte ${this.position}: ${fault}`)
  }
}
