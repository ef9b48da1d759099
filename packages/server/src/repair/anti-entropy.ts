import type { Clock, Logger, Ports, Random, Timer, Timers } from '@cassiopeia/env'
import {
  CassioError,
  type RepairParams,
  type RepairProgress,
  type RepairStatus,
  type VerifiedState,
} from '@cassiopeia/protocol'
import type { Counters } from '../metrics'
import type { ClusterView } from '../topology/cluster-view'
import { Leadership, type Led } from './leadership'
import { Marks } from './marks'
import { RepairRun } from './repair-run'
import {
  type Blocker,
  type Participant,
  type PartitionOutcome,
  RepairSession,
} from './repair-session'
import type { RepairState } from './repair-state'

/** Partitions in one session; fewer when sessions take longer than is good, or fail. */
const BATCH_MAX = 256
const SESSION_MS_MAX = 8_000
const SESSION_MS_MIN = 2_000
/** A session that could not do all is tried again after this long, or the interval where that is less. */
const RETRY_MS = 5_000
/** Between two looks for work. */
const IDLE_MS_MAX = 1_000
/** So many requests in flight count as load, during which the next session waits; but not for ever. */
const BUSY_OPERATIONS = 512
const BUSY_WAIT_MS = 100
const BUSY_MS_MAX = 30_000
/** The longest rest between two sessions. */
const REST_MS_MAX = 60_000
/** Intervals differ by up to this share, so that nodes do not all work at once. */
const JITTER = 0.2

export interface AntiEntropyOptions {
  readonly antiEntropy: boolean
  readonly repairIntervalMs: number
  readonly repairLagMs: number
  readonly repairShare: number
}

export interface AntiEntropyParts {
  readonly options: AntiEntropyOptions
  readonly state: RepairState
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly counters: Counters
  /** This node's own side. */
  readonly own: Participant
  readonly participant: (view: ClusterView, member: number) => Participant
  /** The node's hybrid time: what is stamped now is not below it. */
  readonly hybridMs: () => number
  /** Requests of clients in flight. */
  readonly operations: () => number
  readonly buggify: Ports['buggify']
}

/** When a partition was last tried by this node, and how that ended. */
interface Tried {
  readonly atMs: number
  readonly dueMs: number
  readonly complete: boolean
  readonly outcome: PartitionOutcome
}

/**
 * Keeps replicas equal: for each partition that this node leads (the first live replica in the order
 * of the placement's slots) a session compares it with the others, once in an interval, the longest
 * unverified first; sooner where something is known to be missing, or a replica has come back. It
 * takes a share of the time, and waits while there is much else to do.
 */
export class AntiEntropy {
  private leadership: Leadership | undefined
  private readonly tried = new Map<number, Tried>()
  private readonly marks = new Marks()
  private run = new RepairRun([])
  private active = false
  private batchSize = BATCH_MAX
  private closed = false
  private wakeUp: (() => void) | undefined
  private looping: Promise<void> | undefined

  constructor(private readonly parts: AntiEntropyParts) {}

  /** Begins to work, once the cluster map is known. */
  start(view: ClusterView): void {
    this.leadership = new Leadership(view)
    this.looping ??= this.loop()
  }

  async close(): Promise<void> {
    this.closed = true
    this.wakeUp?.()
    await this.looping
  }

  /** Something is missing on some replica of the partition. */
  mark(partition: number): void {
    this.marks.add(partition)
  }

  /** Something is missing, and where nobody knows. */
  markAll(): void {
    this.marks.addAll()
  }

  /** Serves `repair`. @throws CassioError CASSIO_INVALID. */
  command(params: unknown): RepairProgress {
    const { action, partitions } = (params ?? {}) as Partial<RepairParams>
    if (action === 'start') this.begin(partitions)
    else if (action === 'stop') this.run.stop()
    else if (action !== 'progress') {
      throw new CassioError(
        'CASSIO_INVALID',
        "the action of a repair is 'start', 'progress', 'stop'",
      )
    }
    return this.run.progress()
  }

  status(): RepairStatus {
    const { state, options } = this.parts
    const led = this.led()
    return {
      enabled: options.antiEntropy,
      leads: led.length,
      unverifiedMs: this.oldestMs(),
      neverVerified: led.filter(({ partition }) => state.verifiedMs[partition] === 0).length,
      marked: led.filter(({ partition }) => state.isMarked(partition)).length,
      blocked: led.filter(({ partition }) => this.blockersOf(partition).length > 0).length,
      active: this.active,
    }
  }

  /** How long ago the partition that waits longest was verified; -1: never. 0 when none is led. */
  oldestMs(): number {
    const { verifiedMs } = this.parts.state
    let oldest = -1
    let oldestMs = Number.POSITIVE_INFINITY
    for (const { partition } of this.led()) {
      if (verifiedMs[partition]! >= oldestMs) continue
      oldestMs = verifiedMs[partition]!
      oldest = partition
    }
    return oldest < 0 ? 0 : this.unverifiedMs(oldest)
  }

  /** What this node knows of a partition, when it leads it. */
  verifiedState(partition: number): VerifiedState | undefined {
    if (!this.led().some((each) => each.partition === partition)) return undefined
    return { verifiedMs: this.unverifiedMs(partition), blockers: this.blockersOf(partition) }
  }

  private begin(partitions: unknown): void {
    if (this.run.running) return
    const led = this.led().map(({ partition }) => partition)
    if (partitions === undefined) this.run = new RepairRun(led)
    else if (Array.isArray(partitions) && partitions.every((each) => Number.isInteger(each))) {
      const wanted = new Set<unknown>(partitions)
      this.run = new RepairRun(led.filter((partition) => wanted.has(partition)))
    } else throw new CassioError('CASSIO_INVALID', 'partitions are a list of whole numbers')
    this.wakeUp?.()
  }

  private led(): readonly Led[] {
    return this.leadership?.led ?? []
  }

  /** −1: never. */
  private unverifiedMs(partition: number): number {
    const { state, clock } = this.parts
    const verifiedMs = state.verifiedMs[partition]!
    return verifiedMs === 0 ? -1 : Math.max(0, Math.round(clock.wallMs() - verifiedMs))
  }

  private blockersOf(partition: number): readonly Blocker[] {
    return this.tried.get(partition)?.outcome.blockers ?? []
  }

  private async loop(): Promise<void> {
    const { options, logger } = this.parts
    // What hints can bring need not be compared.
    await this.sleep(Math.min(options.repairLagMs, options.repairIntervalMs))
    while (!this.closed) {
      await this.tellMarks()
      const batch = this.next()
      if (batch.length === 0) {
        await this.sleep(Math.min(IDLE_MS_MAX, options.repairIntervalMs / 4))
        continue
      }
      if (!this.run.running) await this.waitWhileBusy()
      if (this.closed) return
      const startedMs = this.parts.clock.monotonicMs()
      try {
        await this.session(batch)
      } catch (error) {
        logger.error('repair failed', { error: (error as Error).message })
        this.postpone(batch, error as Error)
      }
      const tookMs = this.parts.clock.monotonicMs() - startedMs
      if (tookMs > SESSION_MS_MAX) this.batchSize = Math.max(1, this.batchSize >>> 1)
      else if (tookMs < SESSION_MS_MIN) this.batchSize = Math.min(BATCH_MAX, this.batchSize * 2)
      const restMs = Math.min(REST_MS_MAX, tookMs * (100 / options.repairShare - 1))
      if (!this.run.running) await this.sleep(restMs)
    }
  }

  private tellMarks(): Promise<void> {
    const { view } = this.leadership!
    return this.marks.tell(view, (member) => this.parts.participant(view, member))
  }

  /** The partitions of the next session: all with every replica, or all without. */
  private next(): Led[] {
    const { options, state, own, buggify } = this.parts
    // Two leaders of one partition do no harm.
    const isUsurper = buggify?.('repair.second-leader') === true
    const led = isUsurper ? this.leadership!.held : this.led()
    let due: Led[] = []
    if (this.run.running) {
      this.run.keepOnly(new Set(led.map(({ partition }) => partition)), own.name)
      due = led.filter(({ partition }) => this.run.wants(partition))
    } else if (options.antiEntropy) due = led.filter((each) => this.isDue(each))
    due = [...due].sort((a, b) => state.verifiedMs[a.partition]! - state.verifiedMs[b.partition]!)
    const complete = due[0]?.absent.length === 0
    const alike = due.filter(({ absent }) => (absent.length === 0) === complete)
    return alike.slice(0, this.batchSize).sort((a, b) => a.partition - b.partition)
  }

  private isDue({ partition, absent, others }: Led): boolean {
    const { state, clock, options } = this.parts
    const tried = this.tried.get(partition)
    const complete = absent.length === 0
    // Nobody is there to compare with, and nothing can be proven.
    if (!complete && others.length === 0) return false
    const nowMs = clock.monotonicMs()
    if (tried !== undefined) {
      if (nowMs >= tried.dueMs || (complete && !tried.complete)) return true
      return state.isMarked(partition) && nowMs >= tried.atMs + this.retryMs
    }
    const ageMs = this.unverifiedMs(partition)
    return ageMs === -1 || ageMs >= options.repairIntervalMs || state.isMarked(partition)
  }

  private get retryMs(): number {
    return Math.min(this.parts.options.repairIntervalMs, RETRY_MS)
  }

  private async session(batch: readonly Led[]): Promise<void> {
    const { parts } = this
    const { view } = this.leadership!
    const complete = batch[0]!.absent.length === 0
    const participants = new Map<number, Participant>()
    const participant = (member: number): Participant => {
      const known = participants.get(member) ?? parts.participant(view, member)
      participants.set(member, known)
      return known
    }
    const plan = {
      epoch: view.map.epoch,
      partitions: batch.map(({ partition }) => partition),
      others: batch.map(({ others }) => others.map(participant)),
      complete,
      cutoffMs: Math.max(0, Math.floor(parts.hybridMs() - parts.options.repairLagMs)),
    }
    this.active = true
    parts.counters.repairSessions += 1
    const watch = {
      onDiffered: this.onDiffered,
      onCopied: this.onCopied,
      losesCommit: () => parts.buggify?.('repair.lose-commit') === true,
    }
    try {
      const outcomes = await new RepairSession(parts.own, plan, watch).run()
      for (const [i, outcome] of outcomes.entries()) this.note(batch[i]!, outcome)
    } finally {
      this.active = false
    }
    await parts.state.save().catch((error: Error) => {
      parts.logger.warn('the state of repair is not kept', { error: error.message })
    })
  }

  private note({ partition, absent }: Led, outcome: PartitionOutcome): void {
    const { clock, counters, options, random, state } = this.parts
    const intervalMs = options.repairIntervalMs * (1 - JITTER * random.unit())
    const nowMs = clock.monotonicMs()
    const blockers = [
      ...outcome.blockers,
      ...absent.map((node) => ({ node, reason: 'it is not reached' })),
    ]
    this.tried.set(partition, {
      atMs: nowMs,
      dueMs: nowMs + (outcome.state === 'blocked' ? this.retryMs : intervalMs),
      complete: absent.length === 0,
      outcome: { ...outcome, blockers },
    })
    if (outcome.state === 'verified') counters.partitionsVerified += 1
    if (outcome.state === 'compared') state.unmark(partition)
    this.run.done(partition, outcome.state === 'verified', blockers)
  }

  private postpone(batch: readonly Led[], error: Error): void {
    for (const led of batch) {
      const blockers = [{ node: this.parts.own.name, reason: error.message }]
      this.note(led, { partition: led.partition, state: 'blocked', blockers })
    }
  }

  private readonly onDiffered = (partitions: number): void => {
    this.parts.counters.partitionsDiffered += partitions
    this.run.differed += partitions
  }

  private readonly onCopied = (cells: number, bytes: number): void => {
    const { counters } = this.parts
    counters.cellsRepaired += cells
    counters.bytesRepaired += bytes
    this.run.cells += cells
    this.run.bytes += bytes
  }

  private async waitWhileBusy(): Promise<void> {
    const { clock, operations } = this.parts
    const untilMs = clock.monotonicMs() + BUSY_MS_MAX
    while (operations() > BUSY_OPERATIONS && clock.monotonicMs() < untilMs && !this.closed) {
      await this.sleep(BUSY_WAIT_MS)
    }
  }

  private sleep(ms: number): Promise<void> {
    if (this.closed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer: Timer = this.parts.timers.after(Math.max(1, ms), () => this.wakeUp?.())
      this.wakeUp = () => {
        this.wakeUp = undefined
        timer.cancel()
        resolve()
      }
    })
  }
}
