import { InlineWorkers } from '../inline-workers'
import type { Ports } from '../ports'
import type { Buggify } from './buggify'
import { Incarnation, type Machine } from './incarnation'
import { KeyedRandom, type Seed } from './keyed-random'
import type { Scheduler } from './scheduler'
import { SimClock } from './sim-clock'
import { SimDisk } from './sim-disk'
import { SimFileSystem } from './sim-file-system'
import type { CrashMode } from './sim-inode'
import { type LogLine, LogRing, SimLogger } from './sim-logger'
import { SimNetwork, type SimNetworkFabric } from './sim-network'
import { SimTimers } from './sim-timers'

export interface SimProcessOptions {
  /** The host name to listen on and to be dialled at. Default: the process's name. */
  readonly host?: string
  /** How far its wall clock is ahead of the world's. Default 0. */
  readonly skewMs?: number
  /** Log lines kept. Default 1,000. */
  readonly logLines?: number
}

export interface ProcessWorld {
  readonly seed: Seed
  readonly epochMs: number
  readonly scheduler: Scheduler
  readonly fabric: SimNetworkFabric
  readonly buggify: Buggify
}

/** One process on a machine of its own: its ports, its disk, and everything that may befall it. */
export class SimProcess {
  readonly host: string
  /** The files, and the faults of the disk. */
  readonly disk: SimFileSystem
  private readonly machine: Machine
  private readonly log: LogRing
  private readonly fateRandom: KeyedRandom
  private readonly diskRandom: KeyedRandom
  private incarnation: Incarnation
  private clock!: SimClock
  private simDisk!: SimDisk
  private skewMs: number
  private currentPorts: Ports

  constructor(
    private readonly world: ProcessWorld,
    readonly name: string,
    options: SimProcessOptions = {},
  ) {
    this.host = options.host ?? name
    this.machine = { name, on: true }
    this.skewMs = options.skewMs ?? 0
    this.log = new LogRing(options.logLines ?? 1_000)
    this.fateRandom = new KeyedRandom(world.seed, 'process', name)
    this.diskRandom = new KeyedRandom(world.seed, 'disk', name)
    this.disk = new SimFileSystem(new KeyedRandom(world.seed, 'disk-faults', name))
    this.incarnation = new Incarnation(this.machine, 1)
    this.currentPorts = this.newPorts()
  }

  /** Of the present incarnation. After its end they are inert. */
  get ports(): Ports {
    return this.currentPorts
  }

  get alive(): boolean {
    return this.incarnation.alive
  }

  get paused(): boolean {
    return this.incarnation.paused
  }

  /** Events that wait for `resume`. */
  get parkedEvents(): number {
    return this.incarnation.parked.length
  }

  /** The current incarnation, for the world's own use. */
  get life(): Incarnation {
    return this.incarnation
  }

  logLines(): readonly LogLine[] {
    return this.log.lines()
  }

  /**
   * kill -9: nothing of the process happens any more, its peers see an end or a reset, and its
   * files keep what was written. A write under way may be done wholly, in part, or not at all.
   */
  kill(): void {
    this.endLife(true)
  }

  /**
   * The machine loses power: what was not synced is lost, kept or torn (by `mode`, or drawn), and
   * peers hear nothing until `restart`.
   */
  powerCut(mode?: CrashMode): void {
    this.endLife(false)
    this.machine.on = false
    this.disk.powerCut(this.fateRandom, mode)
  }

  /** Starts it again over the same disk; kills it first if it is alive. */
  restart(): Ports {
    this.kill()
    this.machine.on = true
    this.incarnation = new Incarnation(this.machine, this.incarnation.number + 1)
    this.currentPorts = this.newPorts()
    this.world.fabric.releaseHeld()
    return this.currentPorts
  }

  /** SIGSTOP: its events and whatever arrives wait. */
  pause(): void {
    this.incarnation.paused = this.incarnation.alive
  }

  /** SIGCONT: everything that waited happens at once, in order. */
  resume(): void {
    if (!this.incarnation.paused) return
    this.incarnation.paused = false
    this.world.scheduler.unpark(this.incarnation)
  }

  /** The wall clock jumps by `ms`, forth or back, and stays there across restarts. */
  skewClock(ms: number): void {
    this.skewMs += ms
    this.clock.step(ms)
  }

  /**
   * From now on the wall clock runs at `wallRate` and the monotonic one at `monotonicRate` (0.9 to
   * 1.1), until changed or restarted.
   */
  setDrift(wallRate: number, monotonicRate = wallRate): void {
    for (const rate of [wallRate, monotonicRate]) {
      if (!(rate >= 0.9 && rate <= 1.1)) throw new RangeError(`a rate of ${rate}, not 0.9 to 1.1`)
    }
    this.clock.setRates(wallRate, monotonicRate)
  }

  private endLife(power: boolean): void {
    const { incarnation } = this
    if (!incarnation.alive) return
    incarnation.alive = false
    incarnation.paused = false
    incarnation.parked.length = 0
    this.simDisk.abandonAll(this.fateRandom)
    this.world.fabric.processEnded(incarnation, power, this.fateRandom)
  }

  private newPorts(): Ports {
    const { incarnation } = this
    const { seed, scheduler, fabric, epochMs, buggify } = this.world
    const random = new KeyedRandom(seed, 'random', incarnation.name)
    const turns = new KeyedRandom(seed, 'turns', incarnation.name)
    // The origin of a monotonic clock is arbitrary, and another one after each start.
    const monotonicStartMs = this.fateRandom.below(1_000_000)
    this.clock = new SimClock(scheduler, epochMs + this.skewMs, monotonicStartMs)
    this.simDisk = new SimDisk(scheduler, incarnation, this.disk, this.diskRandom)
    const timers = new SimTimers(scheduler, incarnation, this.clock, turns)
    return {
      clock: this.clock,
      timers,
      random,
      disk: this.simDisk,
      network: new SimNetwork(fabric, incarnation),
      workers: new InlineWorkers({ disk: this.simDisk, clock: this.clock, timers }),
      logger: new SimLogger(this.log, () => scheduler.nowMs),
      buggify: (site) => buggify.fires(site, this.name),
    }
  }
}
