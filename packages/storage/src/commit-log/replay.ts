import type { Disk, DiskFile, Logger } from '@cassiopeia/env'
import { CassioError, cellFault } from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import { syncDirectory, syncFile } from '../sync-file'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  decodeSegmentHeader,
  encodeBatchHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  segmentNumberOf,
} from './format'
import { type SegmentEnd, SegmentReader } from './reader'
import type { SealedSegment } from './writer'

const CELL_SIZE_BYTES = 4
const COPY_BYTES = 4 * 1024 * 1024
const ASIDE_SUFFIX = '.aside'

export interface ReplayPorts {
  readonly disk: Disk
  readonly logger: Logger
}

/** Takes what the log holds, in the order of arrival. */
export interface ReplayTarget {
  /** The cells that follow are in this segment. It and those after it have `bytesAhead` bytes. */
  beginSegment(number: number, bytesAhead: number): void
  /** Sound cells, `bytes[from..to)`, one after the other; valid during the call only. */
  cells(bytes: Buffer, from: number, to: number): void
}

/** What was found in the log. */
export interface ReplayReport {
  readonly segments: number
  readonly cells: number
  readonly bytes: number
  /** Bytes cut from the torn tail of the last segment; 0 after a clean stop. */
  readonly tornBytes: number
}

interface FoundSegment {
  readonly path: string
  readonly number: number
  readonly bytes: number
  readonly header: SegmentHeader
  readonly seed: number
}

/**
 * Replays the commit log in `directory`, from the segment `first` on, which the manifest names.
 *
 * Refuses whatever cannot be the trace of a crash. Repairs what can: removes a last segment whose
 * header was being written, removes segments that the log no longer needs, and cuts a torn tail.
 * Doing it again after a crash in the middle gives the same result. The rules and their reasons are
 * in docs/formats/commit-log.md.
 */
export class LogReplay {
  private cells = 0
  private bytes = 0
  private tornBytes = 0

  constructor(
    private readonly directory: string,
    private readonly first: number,
    private readonly ports: ReplayPorts,
    private readonly target: ReplayTarget,
  ) {}

  /**
   * Once per instance.
   * @returns the segments, oldest first, all that counts of them durable, and what was found.
   * @throws CassioError CASSIO_CORRUPT, naming the file and the place; the disk's own errors.
   */
  async run(): Promise<{ sealed: SealedSegment[]; report: ReplayReport }> {
    const sealed: SealedSegment[] = []
    const segments = await this.findSegments()
    let bytesAhead = segments.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const [index, segment] of segments.entries()) {
      this.target.beginSegment(segment.number, bytesAhead)
      bytesAhead -= segment.bytes
      const next = segments[index + 1]
      sealed.push(
        next === undefined
          ? await this.replayLast(segment)
          : await this.replaySealed(segment, next.header.previousBytes),
      )
    }
    const { cells, bytes, tornBytes } = this
    return { sealed, report: { segments: sealed.length, cells, bytes, tornBytes } }
  }

  /** Reads the segments' headers and makes sure that no segment is missing. */
  private async findSegments(): Promise<FoundSegment[]> {
    const { disk } = this.ports
    const names = await disk.list(this.directory)
    for (const name of names.filter((each) => each.endsWith(ASIDE_SUFFIX))) {
      await disk.unlink(`${this.directory}/${name}`)
    }
    const numbers = names.map(segmentNumberOf).filter((number) => number !== undefined)
    numbers.sort((a, b) => a - b)
    const segments: FoundSegment[] = []
    for (const number of numbers) {
      if (number < this.first) {
        await disk.unlink(`${this.directory}/${segmentName(number)}`)
        continue
      }
      const segment = await this.inspect(number, number === numbers.at(-1))
      if (segment !== undefined) segments.push(segment)
    }
    const last = segments.at(-1)
    if (last === undefined) return []
    // A segment is begun with what the manifest says by then.
    if (last.header.first > this.first) {
      const says = `it says that segments below ${last.header.first} are not needed any more`
      throw damaged(last.path, 0, `${says}, and the manifest is older: it needs ${this.first}`)
    }
    segments.forEach((segment, index) => {
      this.checkOrder(segment, this.first + index, segments[index - 1])
    })
    return segments
  }

  /** @returns undefined when a crash interrupted the making of this, the last segment. */
  private async inspect(number: number, isLast: boolean): Promise<FoundSegment | undefined> {
    const path = `${this.directory}/${segmentName(number)}`
    const [bytes, head] = await this.withFile(path, async (file) => {
      // Where the file is shorter, zeros stay, which are no header.
      const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
      await file.read(header, 0)
      return [await file.size(), header]
    })
    const reading = decodeSegmentHeader(head)
    if (reading.fault === undefined) {
      const { header, seed } = reading
      if (header.number === number && header.first <= number) {
        return { path, number, bytes, header, seed }
      }
      const claim = `segment ${header.number}, which needs those from ${header.first} on`
      throw damaged(path, 0, `its header says that it is ${claim}`)
    }
    // Batches follow only once the header is durable, so a file with more than a header had a
    // sound one, and every segment but the last did.
    if (isLast && bytes <= SEGMENT_HEADER_BYTES && !reading.whole) {
      await this.ports.disk.unlink(path)
      await syncDirectory(this.ports.disk, this.directory)
      this.tornBytes += bytes
      return undefined
    }
    throw damaged(path, 0, reading.fault)
  }

  private checkOrder(
    segment: FoundSegment,
    expected: number,
    previous: FoundSegment | undefined,
  ): void {
    const { number, header } = segment
    if (number !== expected) {
      const missing = `${this.directory}/${segmentName(expected)}`
      throw damaged(missing, 0, 'the file is missing, and later ones need it')
    }
    const surplus = (previous?.bytes ?? 0) - header.previousBytes
    if (previous !== undefined && (surplus < 0 || surplus > BATCH_HEADER_BYTES)) {
      const sizes = `it has ${previous.bytes} bytes, and its successor knows ${header.previousBytes}`
      throw damaged(previous.path, Math.min(previous.bytes, header.previousBytes), sizes)
    }
  }

  /** Replays a segment that has a successor. All that counts of it is durable, so it must be sound. */
  private replaySealed(segment: FoundSegment, durableBytes: number): Promise<SealedSegment> {
    return this.withFile(segment.path, async (file) => {
      const end = await this.replayBatches(
        segment,
        new SegmentReader(file, durableBytes, segment.seed),
      )
      if (end.fault !== undefined) throw damaged(segment.path, end.soundBytes, end.fault)
      return { number: segment.number, durableBytes, fileBytes: segment.bytes }
    })
  }

  /** Replays the last segment: its end may be torn, and need not have reached the disk. */
  private replayLast(segment: FoundSegment): Promise<SealedSegment> {
    return this.withFile(segment.path, async (file) => {
      const { path, number } = segment
      const reader = new SegmentReader(file, segment.bytes, segment.seed)
      const { soundBytes, closed, fault } = await this.replayBatches(segment, reader)
      if (fault !== undefined) {
        // A batch further on that was written once this place was durable proves that no crash did it.
        if ((await reader.durableBehind(soundBytes)) > soundBytes) {
          throw damaged(path, soundBytes, fault)
        }
        const tornBytes = segment.bytes - soundBytes
        this.tornBytes += tornBytes
        this.ports.logger.warn('torn tail cut', { path, at: soundBytes, tornBytes, fault })
      }
      // What the empty batch says was true when it was written; it itself may not be durable.
      const durableBytes = closed ? soundBytes - BATCH_HEADER_BYTES : soundBytes
      if (fault !== undefined || !closed) await this.rewrite(segment, file, durableBytes)
      return { number, durableBytes, fileBytes: durableBytes + BATCH_HEADER_BYTES }
    })
  }

  private async replayBatches(segment: FoundSegment, reader: SegmentReader): Promise<SegmentEnd> {
    const end = await reader.read((bytes, from, to, batch) => {
      this.replayBatch(segment, bytes, from, to, batch)
    })
    this.bytes += end.soundBytes
    return end
  }

  private replayBatch(
    segment: FoundSegment,
    bytes: Buffer,
    from: number,
    to: number,
    batch: BatchHeader,
  ): void {
    let cells = 0
    let at = from
    while (at < to) {
      const next = to - at < CELL_SIZE_BYTES ? to : at + bytes.readUInt32BE(at)
      const fault = next > to ? 'a cell is longer than its batch' : cellFault(bytes, at, next)
      if (fault !== undefined) throw damaged(segment.path, batch.position, fault)
      cells += 1
      at = next
    }
    if (cells !== batch.cells) {
      const counts = `a batch holds ${cells} cells instead of ${batch.cells}`
      throw damaged(segment.path, batch.position, counts)
    }
    this.target.cells(bytes, from, to)
    this.cells += cells
  }

  /**
   * Replaces the last segment by a copy of its sound part, closed by an empty batch.
   *
   * The cells there are about to be served, so they must be durable. Syncing the file would not do:
   * what was read may come from the system's cache, marked clean by a sync that failed under the
   * process before this one. Only bytes written anew are known to reach the disk.
   */
  private async rewrite(segment: FoundSegment, file: DiskFile, soundBytes: number): Promise<void> {
    const { disk } = this.ports
    const aside = segment.path + ASIDE_SUFFIX
    const copy = await disk.open(aside, 'create')
    try {
      const block = Buffer.allocUnsafe(Math.min(COPY_BYTES, soundBytes))
      for (let at = 0; at < soundBytes; ) {
        const wanted = block.subarray(0, Math.min(block.length, soundBytes - at))
        const read = await file.read(wanted, at)
        invariant(read === wanted.length, 'the segment has not shrunk since it was read')
        await copy.append([wanted])
        at += read
      }
      const mark = Buffer.alloc(BATCH_HEADER_BYTES)
      encodeBatchHeader(mark, segment.seed, soundBytes, soundBytes, 0, [])
      await copy.append([mark])
      await syncFile(copy)
    } finally {
      await copy.close()
    }
    await disk.rename(aside, segment.path)
    await syncDirectory(disk, this.directory)
  }

  private async withFile<Result>(
    path: string,
    use: (file: DiskFile) => Promise<Result>,
  ): Promise<Result> {
    const file = await this.ports.disk.open(path, 'read')
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  }
}

function damaged(path: string, offset: number, what: string): CassioError {
  return new CassioError(
    'CASSIO_CORRUPT',
    `${path} is damaged at byte ${offset}: ${what}. Acknowledged writes may be lost, so nothing ` +
      'was cut. Restore the file from a copy, or empty the data directory and let the replicas ' +
      'rebuild this node.',
  )
}
