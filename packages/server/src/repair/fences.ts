import {
  STAMP_BYTES,
  STAMP_COUNTER_MAX,
  STAMP_TAG_BYTES,
  stampMs,
  WriteMode,
  writeStamp,
} from '@cassiopeia/protocol'

/** Above every stamp of its millisecond. */
const LAST_TAG = Buffer.alloc(STAMP_TAG_BYTES, 0xff)

/** What a fence says to a cell that arrives. */
export const Passage = Object.freeze({
  free: 0,
  /** Nothing as old may be added: refuse it, and say above which stamp it must be. */
  fenced: 1,
  /** All replicas have agreed on what is as old: there is nothing to do. */
  settled: 2,
})
export type Passage = (typeof Passage)[keyof typeof Passage]

/**
 * Up to which stamp each partition is closed. Two limits, in milliseconds of stamps, which only rise
 * from 0, none:
 *
 * - The **fence**: no write and no hint as old is taken any more. While replicas compare what they
 *   hold up to a stamp, nothing so old can come in unseen; they may still copy from each other.
 * - What is **proven**: every replica has agreed on all cells as old, and keeps a durable fence there.
 *   So tombstones up to it may be forgotten: what they cover exists nowhere, and cannot come back.
 *
 * The proven limit is never above the fence. Both concern one table of replicas.
 */
export class Fences {
  /** Counts what was taken into each partition: whoever summed it up knows when that is old. */
  readonly arrivals: Uint32Array
  private readonly fenceMs: Float64Array
  private readonly provenMs: Float64Array

  constructor(readonly partitions: number) {
    this.arrivals = new Uint32Array(partitions)
    this.fenceMs = new Float64Array(partitions)
    this.provenMs = new Float64Array(partitions)
  }

  /** @param stamps The cell's stamp is at `stamps[at]`. */
  passageOf(partition: number, mode: WriteMode, stamps: Buffer, at: number): Passage {
    const ms = stampMs(stamps, at)
    // A client may give the stamp 0, which no limit is meant to keep out.
    const fenceMs = this.fenceMs[partition]!
    if (ms > fenceMs || fenceMs === 0) return Passage.free
    if (mode !== WriteMode.repair) return Passage.fenced
    const provenMs = this.provenMs[partition]!
    return ms > provenMs || provenMs === 0 ? Passage.free : Passage.settled
  }

  fenceOf(partition: number): number {
    return this.fenceMs[partition]!
  }

  provenOf(partition: number): number {
    return this.provenMs[partition]!
  }

  /** Writes the stamp that a write must be above to `target[at]`. */
  writeFence(partition: number, target: Buffer, at: number): void {
    writeStamp(target, at, this.fenceMs[partition]!, STAMP_COUNTER_MAX, LAST_TAG)
  }

  raise(partition: number, ms: number): void {
    if (ms > this.fenceMs[partition]!) this.fenceMs[partition] = ms
  }

  /** All replicas have agreed up to `ms`. @returns whether that was not known yet. */
  prove(partition: number, ms: number): boolean {
    if (!(ms > this.provenMs[partition]!)) return false
    this.provenMs[partition] = ms
    this.raise(partition, ms)
    return true
  }

  /** For the store: the stamps up to which tombstones are proven, 16 bytes for each partition. */
  proofs(): Uint8Array {
    const proofs = Buffer.alloc(this.partitions * STAMP_BYTES)
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const ms = this.provenMs[partition]!
      if (ms > 0) writeStamp(proofs, partition * STAMP_BYTES, ms, STAMP_COUNTER_MAX, LAST_TAG)
    }
    return proofs
  }
}
