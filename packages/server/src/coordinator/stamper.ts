import type { Clock, Disk, Logger, Timer, Timers } from '@cassiopeia/env'
import { CassioError, STAMP_MS_MAX } from '@cassiopeia/protocol'
import { readRecord, writeRecord } from '@cassiopeia/storage'
import { asDiskFailure } from '../disk-failure'
import type { ClockWatch } from '../gossip/clock-watch'
import { HybridClock } from './hybrid-clock'

export interface StamperPorts {
  readonly clock: Clock
  readonly disk: Disk
  readonly timers: Timers
  readonly logger: Logger
}

/** The wall clock is looked at several times a second; it may be off by so much in between. */
const JUMP_MS = 500

/** After so long a node that has started alone takes its own clock for right. */
const ALONE_MS = 10_000

/**
 * The node's hybrid clock with its reservation kept on disk, ahead of use. A stamp that must wait for
 * the reservation to be written (after the wall clock has jumped) waits some milliseconds, in order.
 */
export class Stamper {
  /** What the peers' clocks say of this node's, once there are peers. */
  clockWatch: ClockWatch | undefined
  private writing: Promise<void> | undefined
  /** The last reservation could not be written for want of space; it is tried again and again. */
  private lacksRoom = false
  /** The wall clock's reading less the monotonic clock's, when they were last compared. */
  private offsetMs: number
  private readonly startedMs: number
  private closed = false
  private timer: Timer | undefined
  private waiting: (() => void)[] = []

  private constructor(
    readonly clock: HybridClock,
    private readonly path: string,
    private readonly aheadMs: number,
    private readonly maxClockAheadMs: number,
    private readonly ports: StamperPorts,
    private readonly onFatal: (error: CassioError) => void,
  ) {
    this.startedMs = ports.clock.monotonicMs()
    this.offsetMs = ports.clock.wallMs() - this.startedMs
  }

  /** @returns with a reservation granted, so that the first stamp need not wait. */
  static async open(
    path: string,
    options: { tag: Buffer; reserveAheadMs: number; maxClockAheadMs: number },
    ports: StamperPorts,
    onFatal: (error: CassioError) => void,
  ): Promise<Stamper> {
    const record = await readRecord(ports.disk, path)
    const reservedMs = record === undefined ? 0 : record.readUIntBE(0, 6)
    const { tag, reserveAheadMs, maxClockAheadMs } = options
    const clock = new HybridClock(tag, reservedMs, maxClockAheadMs)
    const stamper = new Stamper(clock, path, reserveAheadMs, maxClockAheadMs, ports, onFatal)
    await stamper.catchUp(maxClockAheadMs)
    const firstMs = clock.reservationDue(ports.clock.wallMs(), reserveAheadMs)
    if (firstMs !== undefined) await stamper.grant(firstMs)
    stamper.watch()
    return stamper
  }

  /**
   * Why this node must not give stamps now: its clock is ahead of most others by more than half of
   * what they tolerate, or has just jumped and they have not been heard since. They would refuse what
   * it stamps, while its own store would keep it.
   */
  refusal(): CassioError | undefined {
    if (this.isUnconfirmed()) {
      const since = this.clockWatch?.jumped ? 'since its clock has jumped' : 'since its start'
      const message = `this node has not heard what time it is for the others ${since}`
      return new CassioError('CASSIO_STAMP_AHEAD', message)
    }
    if (this.lacksRoom) {
      const message = 'the disk is too full to reserve stamps'
      return new CassioError('CASSIO_DISK_FULL', message)
    }
    const aheadMs = this.clockWatch?.aheadMs ?? 0
    // Stamps go on from where they were when the wall clock is set back.
    const stampsAheadMs = aheadMs + this.hybridMs - this.ports.clock.wallMs()
    const isFar = aheadMs * 2 > this.maxClockAheadMs || stampsAheadMs > this.maxClockAheadMs
    if (!isFar) return undefined
    const what = `this node's clock is ${aheadMs} ms ahead of most other nodes'`
    const message = `${what}, and its stamps ${stampsAheadMs} ms`
    return new CassioError('CASSIO_STAMP_AHEAD', message)
  }

  /** Writes a stamp to `target[at]`. @returns false when it must wait: see `whenReady`. */
  stamp(target: Buffer, at: number): boolean {
    if (this.clock.next(this.ports.clock.wallMs(), target, at)) return true
    void this.reserve()
    return false
  }

  /** Calls `run` once the next reservation has been granted. */
  whenReady(run: () => void): void {
    this.waiting.push(run)
    void this.reserve()
  }

  /** The time of the latest stamp issued or met, or the wall clock's when that is later. */
  get hybridMs(): number {
    return Math.max(this.clock.frontMs, this.ports.clock.wallMs())
  }

  /** A stamp was met: later ones of this node are above it. The caller has judged it. */
  observe(stamps: Buffer, at: number): void {
    this.clock.observe(stamps, at)
  }

  isTooFarAhead(stamps: Buffer, at: number): boolean {
    return this.clock.isTooFarAhead(stamps, at, this.ports.clock.wallMs())
  }

  /** Gives back what was reserved and not used, so that restarts do not run ahead of the wall clock. */
  async close(): Promise<void> {
    if (this.closed) return
    await this.abandon()
    try {
      await this.persist(this.clock.frontMs)
    } catch (error) {
      // What is there stays right: the next start begins a little further ahead.
      if (!isNoSpace(error)) throw error
    }
  }

  /** Stops, and leaves the file as it is. Resolves when nothing is being written any more. */
  async abandon(): Promise<void> {
    this.closed = true
    this.timer?.cancel()
    // Whoever comes after may have the directory only then.
    await this.writing?.catch(() => {})
  }

  /**
   * A node that crashes again and again reserves a little more each time. Before its stamps would be
   * refused elsewhere as too far ahead, it waits for the wall clock. When the clock has been set far
   * back, waiting would be useless.
   */
  private async catchUp(maxClockAheadMs: number): Promise<void> {
    const aheadMs = this.clock.frontMs - this.ports.clock.wallMs()
    if (aheadMs > 2 * maxClockAheadMs) {
      this.ports.logger.warn('the wall clock is behind stamps given earlier', { aheadMs })
    } else if (aheadMs > maxClockAheadMs / 2) {
      const waitMs = aheadMs - maxClockAheadMs / 2
      this.ports.logger.info('waiting for the wall clock after repeated crashes', { waitMs })
      await new Promise<void>((resolve) => this.ports.timers.after(waitMs, resolve))
    }
  }

  /**
   * Whether nobody has confirmed the wall clock since the start, or since it has jumped, either way. A
   * node that has started alone believes itself after a while.
   */
  private isUnconfirmed(): boolean {
    const { clock } = this.ports
    const nowMs = clock.monotonicMs()
    const offsetMs = clock.wallMs() - nowMs
    if (Math.abs(offsetMs - this.offsetMs) > JUMP_MS) this.clockWatch?.restart()
    this.offsetMs = offsetMs
    if (this.clockWatch?.isAwaiting !== true) return false
    return this.clockWatch.jumped || nowMs < this.startedMs + ALONE_MS
  }

  private watch(): void {
    this.timer = this.ports.timers.after(this.aheadMs / 8, () => {
      this.isUnconfirmed()
      void this.reserve()
      this.watch()
    })
  }

  private async reserve(): Promise<void> {
    const wallMs = this.ports.clock.wallMs()
    const due = this.clock.reservationDue(wallMs, this.aheadMs)
    if (due === undefined || this.writing !== undefined || this.closed) return
    this.writing = this.grant(due)
    try {
      await this.writing
      this.lacksRoom = false
    } catch (error) {
      if (isNoSpace(error)) {
        this.lacksRoom = true
        this.writing = undefined
        return
      }
      // Without a reservation no write can be stamped; going on would mean guessing.
      if (!this.closed) this.onFatal(error as CassioError)
      return
    }
    this.writing = undefined
    const ready = this.waiting
    this.waiting = []
    for (const run of ready) run()
  }

  private async grant(ms: number): Promise<void> {
    await this.persist(ms)
    this.clock.grant(ms)
  }

  private async persist(ms: number): Promise<void> {
    const record = Buffer.alloc(6)
    record.writeUIntBE(Math.min(ms, STAMP_MS_MAX), 0, 6)
    try {
      await writeRecord(this.ports.disk, this.path, record)
    } catch (error) {
      throw asDiskFailure(error, "the clock's reservation cannot be written")
    }
  }
}

function isNoSpace(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC'
}
