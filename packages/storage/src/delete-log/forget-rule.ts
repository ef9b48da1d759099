import { CELL_STAMP_AT, compareStamps, STAMP_BYTES } from '@cassiopeia/protocol'
import type { ForgetJob } from '../jobs/job'

/**
 * The half of the rule that needs no table: a tombstone is proven to be held by every replica, and
 * nothing in memory is as old as it. Stamps alone; equal ones count as old. Pure.
 */
export class ForgetRule {
  private readonly proofs: 'all' | 'none' | Buffer
  private readonly memtableMinStamp: Buffer | undefined

  constructor({ proofs, memtableMinStamp }: Pick<ForgetJob, 'proofs' | 'memtableMinStamp'>) {
    this.proofs = typeof proofs === 'string' ? proofs : bufferOf(proofs)
    this.memtableMinStamp = memtableMinStamp === undefined ? undefined : bufferOf(memtableMinStamp)
  }

  allows(tombstone: Buffer, at: number, partition: number): boolean {
    const { proofs, memtableMinStamp } = this
    const stampAt = at + CELL_STAMP_AT
    if (proofs === 'none') return false
    if (proofs !== 'all') {
      const proofAt = partition * STAMP_BYTES
      if (proofAt + STAMP_BYTES > proofs.length) return false
      if (compareStamps(tombstone, stampAt, proofs, proofAt) > 0) return false
    }
    return (
      memtableMinStamp === undefined || compareStamps(tombstone, stampAt, memtableMinStamp, 0) < 0
    )
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
