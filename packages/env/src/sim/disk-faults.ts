import type { KeyedRandom } from './keyed-random'

/**
 * - EIO: the call fails and does nothing; a sync that fails loses what it should have written.
 * - ENOSPC: likewise.
 * - short-write: an append writes a prefix and then fails with EIO; other calls fail with EIO.
 */
export type DiskFault = 'EIO' | 'ENOSPC' | 'short-write'

/** What a disk may do wrong. All off at first; every field may be set at any time. */
export class DiskFaults {
  /** Each call fails with EIO with this probability. */
  failProbability = 0
  /** Each sync of a file or directory fails with EIO with this probability. */
  syncFailProbability = 0
  /** Each read of a file fails with EIO with this probability. */
  readFailProbability = 0
  /** Each append fails with EIO with this probability, and does nothing. */
  writeFailProbability = 0
  /** Each append fails with EIO after a prefix with this probability. */
  shortWriteProbability = 0
  /** Bytes of all files together; an append beyond it writes what fits and fails with ENOSPC. */
  quotaBytes = Number.POSITIVE_INFINITY
  /** Multiplies all latencies; a call that the event loop waits for has none. */
  slowFactor = 1
  private readonly planned: { call: number; fault: DiskFault; permanent: boolean }[] = []

  constructor(private readonly random: KeyedRandom) {}

  /**
   * The call with this number (`ioCalls` counts from 1) fails; with `permanent` all later ones too.
   */
  failCall(call: number, fault: DiskFault, options: { permanent?: boolean } = {}): void {
    this.planned.push({ call, fault, permanent: options.permanent ?? false })
  }

  /** Ends all faults, planned ones too; what they have done stays. */
  clear(): void {
    this.failProbability = 0
    this.syncFailProbability = 0
    this.readFailProbability = 0
    this.writeFailProbability = 0
    this.shortWriteProbability = 0
    this.quotaBytes = Number.POSITIVE_INFINITY
    this.slowFactor = 1
    this.planned.length = 0
  }

  /** The fault of this call, if any. */
  next(call: number, kind: string): DiskFault | undefined {
    for (const plan of this.planned) {
      if (plan.call === call || (plan.permanent && plan.call < call)) return plan.fault
    }
    if (this.random.chance(this.failProbability)) return 'EIO'
    if (kind.endsWith('sync') && this.random.chance(this.syncFailProbability)) return 'EIO'
    if (kind === 'read' && this.random.chance(this.readFailProbability)) return 'EIO'
    if (kind === 'write' && this.random.chance(this.writeFailProbability)) return 'EIO'
    if (kind === 'write' && this.random.chance(this.shortWriteProbability)) return 'short-write'
    return undefined
  }
}
