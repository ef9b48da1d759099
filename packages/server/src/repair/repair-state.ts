import type { Disk } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import { readRecord, writeRecord } from '@cassiopeia/storage'
import type { Fences } from './fences'

const ROW_BYTES = 23
const COUNT_BYTES = 4
const MARKED = 1

/**
 * What a node knows of the agreement on each partition, kept in one record file (`repair`):
 *
 *   0  u32  rows, then for each partition of which something is known:
 *      u32  partition
 *      u48  fence, u48 proven limit, in milliseconds of stamps
 *      u48  when all replicas were last found equal, by the wall clock of whoever led that
 *      u8   1: marked, something is known to be missing somewhere
 */
export class RepairState {
  /** By partition; 0: never. */
  readonly verifiedMs: Float64Array
  private readonly marks: Uint8Array
  /** What `proofs` says: as of the last record that was written. */
  private kept: Uint8Array
  private saving: Promise<void> | undefined
  private next: Promise<void> | undefined

  private constructor(
    readonly fences: Fences,
    private readonly disk: Disk,
    private readonly path: string,
  ) {
    this.verifiedMs = new Float64Array(fences.partitions)
    this.marks = new Uint8Array(fences.partitions)
    this.kept = fences.proofs()
  }

  /** Reads what was kept, into `fences` too. @throws CassioError CASSIO_CORRUPT; the disk's errors. */
  static async open(disk: Disk, path: string, fences: Fences): Promise<RepairState> {
    const state = new RepairState(fences, disk, path)
    const record = await readRecord(disk, path)
    if (record !== undefined) state.decode(record)
    state.kept = fences.proofs()
    return state
  }

  /**
   * For the store: up to where tombstones are proven, 16 bytes for each partition. Only what is kept
   * durably: a node must not forget a tombstone and then, by a crash, why it could.
   */
  proofs(): Uint8Array {
    return Uint8Array.from(this.kept)
  }

  isMarked(partition: number): boolean {
    return this.marks[partition] === MARKED
  }

  /** Something is missing on some replica of the partition, and only a comparison can find it. */
  mark(partition: number): void {
    this.marks[partition] = MARKED
  }

  /** The replicas that take part have compared what they hold. */
  unmark(partition: number): void {
    this.marks[partition] = 0
  }

  /** All replicas were found equal up to `cutoffMs`. */
  verify(partition: number, cutoffMs: number, wallMs: number): boolean {
    this.verifiedMs[partition] = wallMs
    this.unmark(partition)
    return this.fences.prove(partition, cutoffMs)
  }

  /**
   * Resolves when all that is known at the call is durable. Calls that come while one is being
   * written share the next.
   */
  save(): Promise<void> {
    if (this.saving === undefined) return this.begin()
    this.next ??= this.saving
      .catch(() => {})
      .then(() => {
        this.next = undefined
        return this.begin()
      })
    return this.next
  }

  private begin(): Promise<void> {
    const saving = this.write()
    this.saving = saving
    const done = () => {
      if (this.saving === saving) this.saving = undefined
    }
    saving.then(done, done)
    return saving
  }

  private async write(): Promise<void> {
    const proofs = this.fences.proofs()
    await writeRecord(this.disk, this.path, this.encode())
    this.kept = proofs
  }

  private encode(): Buffer {
    const { fences, verifiedMs, marks } = this
    const rows: number[] = []
    for (let partition = 0; partition < fences.partitions; partition += 1) {
      const isKnown = fences.fenceOf(partition) > 0 || verifiedMs[partition]! > 0
      if (isKnown || marks[partition] !== 0) rows.push(partition)
    }
    const bytes = Buffer.allocUnsafe(COUNT_BYTES + rows.length * ROW_BYTES)
    let at = bytes.writeUInt32BE(rows.length, 0)
    for (const partition of rows) {
      at = bytes.writeUInt32BE(partition, at)
      at = bytes.writeUIntBE(fences.fenceOf(partition), at, 6)
      at = bytes.writeUIntBE(fences.provenOf(partition), at, 6)
      at = bytes.writeUIntBE(verifiedMs[partition]!, at, 6)
      at = bytes.writeUInt8(marks[partition]!, at)
    }
    return bytes
  }

  private decode(bytes: Buffer): void {
    const { fences, verifiedMs, marks } = this
    const rows = bytes.length < COUNT_BYTES ? -1 : bytes.readUInt32BE(0)
    if (bytes.length !== COUNT_BYTES + rows * ROW_BYTES) throw this.malformed()
    for (let at = COUNT_BYTES; at < bytes.length; at += ROW_BYTES) {
      const partition = bytes.readUInt32BE(at)
      if (partition >= fences.partitions) throw this.malformed()
      fences.raise(partition, bytes.readUIntBE(at + 4, 6))
      fences.prove(partition, bytes.readUIntBE(at + 10, 6))
      verifiedMs[partition] = bytes.readUIntBE(at + 16, 6)
      marks[partition] = bytes[at + 22]!
    }
  }

  private malformed(): CassioError {
    return new CassioError('CASSIO_CORRUPT', `${this.path} is no record of repair for this cluster`)
  }
}
