/**
 * A world in one thread: processes with clocks, disks and a network of their own, one virtual time,
 * and one seed from which all chance comes. The same seed and the same code give the same history,
 * event by event, which `traceHash` sums up.
 *
 * `Scheduler` holds what will happen, `Driver` steps it, `SimProcess` is one process with its
 * `SimClock`, `SimTimers`, `SimDisk` over a `SimFileSystem`, and `SimNetwork`; `SimNetworkFabric`
 * joins them by links with faults. See docs/SIMULATION.md.
 */
import { Buggify } from './buggify'
import { Driver } from './driver'
import { KeyedRandom, type Seed } from './keyed-random'
import type { LinkOptions } from './link-faults'
import { Scheduler, type TraceEvent } from './scheduler'
import { SimNetworkFabric } from './sim-network'
import { SimProcess, type SimProcessOptions } from './sim-process'

export interface SimulationOptions {
  readonly seed: Seed
  /** What the wall clocks say when the world begins. Default 2025-01-01. */
  readonly epochMs?: number
  /** How all links behave until told otherwise. */
  readonly network?: Partial<LinkOptions>
  /** Make the real clock, timers and chance throw while the world is stepped. Default false. */
  readonly guard?: boolean
  /** 'immediate' steps by the documented API alone, at about half the speed. Default 'auto'. */
  readonly drain?: 'auto' | 'immediate'
  /** Called for each event, for comparing two runs. */
  readonly trace?: (event: TraceEvent) => void
}

/** A limit in virtual time for waits that name none: no correct work takes so long. */
const runLimitMs = 3_600_000

type ProcessName = SimProcess | string

export class Simulation {
  readonly seed: Seed
  /** What the port `buggify` of all processes says: never, until this is enabled. */
  readonly buggify: Buggify
  private readonly scheduler: Scheduler
  private readonly driver: Driver
  private readonly fabric: SimNetworkFabric
  private readonly epochMs: number
  private readonly byName = new Map<string, SimProcess>()

  constructor(options: SimulationOptions) {
    this.seed = options.seed
    this.buggify = new Buggify(options.seed)
    this.epochMs = options.epochMs ?? Date.UTC(2025, 0, 1)
    this.scheduler = new Scheduler(options.seed, options.trace)
    this.fabric = new SimNetworkFabric(
      this.scheduler,
      options.seed,
      options.network ?? {},
      (host) => this.processes.find((process) => process.host === host)?.life,
    )
    this.driver = new Driver(this.scheduler, {
      guard: options.guard ?? false,
      drain: options.drain ?? 'auto',
      describe: () => this.describe(),
    })
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.scheduler.nowMs
  }

  /** 32 bits that depend on every event so far: equal for equal histories. */
  get traceHash(): number {
    return this.scheduler.traceHash
  }

  get eventCount(): number {
    return this.scheduler.eventCount
  }

  get processes(): readonly SimProcess[] {
    return [...this.byName.values()]
  }

  /** A new process, alive. @throws Error when the name is taken. */
  process(name: string, options?: SimProcessOptions): SimProcess {
    if (this.byName.has(name)) throw new Error(`there is a process ${name} already`)
    const { seed, epochMs, scheduler, fabric, buggify } = this
    const world = { seed, epochMs, scheduler, fabric, buggify }
    const made = new SimProcess(world, name, options)
    this.byName.set(name, made)
    return made
  }

  /** Chance for the test itself: a workload, a plan of faults. One stream per name. */
  random(stream: string): KeyedRandom {
    return new KeyedRandom(this.seed, `test:${stream}`)
  }

  /** Calls `run` at a point of virtual time, as an event of the world's own. */
  at(timeMs: number, run: () => void): void {
    this.scheduler.at(timeMs, 'world', run)
  }

  /** Settles after `ms` of virtual time, for code that `run` is stepping the world for. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.scheduler.after(ms, 'world', resolve)
    })
  }

  /** Lets `ms` of virtual time pass. */
  advance(ms: number): Promise<void> {
    return this.driver.advance(ms)
  }

  /**
   * Steps the world until `work` settles, and settles alike.
   * @throws Error when the limit has passed, when no events are left, or when an event threw.
   */
  async run<T>(
    work: Promise<T> | (() => Promise<T>),
    options: { limitMs?: number } = {},
  ): Promise<T> {
    let settled = false
    const settle = () => {
      settled = true
    }
    const promise = typeof work === 'function' ? work() : work
    promise.then(settle, settle)
    await this.driver.until(() => settled, options.limitMs ?? runLimitMs, 'run')
    return promise
  }

  /** Steps the world until `predicate`, asked after each event, is true. */
  runUntil(predicate: () => boolean, limitMs = runLimitMs): Promise<void> {
    return this.driver.until(predicate, limitMs, 'runUntil')
  }

  /**
   * Nothing passes from `from` to `to`, nor back unless 'one-way'. Connections stay, half open:
   * their bytes are held and travel on after `heal`.
   */
  cut(from: ProcessName, to: ProcessName, direction: 'both' | 'one-way' = 'both'): void {
    this.fabric.links.get(nameOf(from), nameOf(to)).cut = true
    if (direction === 'both') this.fabric.links.get(nameOf(to), nameOf(from)).cut = true
  }

  /** Cuts all links between different groups; who is in no group is not affected. */
  partition(groups: readonly (readonly ProcessName[])[]): void {
    this.fabric.links.partition(groups.map((group) => group.map(nameOf)))
    this.fabric.releaseHeld()
  }

  /** Ends all cuts and partitions, or only the cuts between two processes, or the one from `a` to `b`. */
  heal(a?: ProcessName, b?: ProcessName, direction: 'both' | 'one-way' = 'both'): void {
    if (a !== undefined && b !== undefined) {
      this.fabric.links.get(nameOf(a), nameOf(b)).cut = false
      if (direction === 'both') this.fabric.links.get(nameOf(b), nameOf(a)).cut = false
    } else {
      this.fabric.links.mend()
    }
    this.fabric.releaseHeld()
  }

  /** Changes how links behave: all of them, or the one from `from` to `to`. */
  setLink(options: Partial<LinkOptions>, from?: ProcessName, to?: ProcessName): void {
    if (from === undefined || to === undefined) this.fabric.links.configureAll(options)
    else this.fabric.links.configure(nameOf(from), nameOf(to), options)
  }

  /** Every connection between two processes ends with ECONNRESET at both. */
  resetConnections(a: ProcessName, b: ProcessName): void {
    this.fabric.resetConnections(nameOf(a), nameOf(b))
    this.fabric.resetConnections(nameOf(b), nameOf(a))
  }

  private describe(): string {
    const states = this.processes.map((process) => {
      if (!process.alive) return `${process.name} is dead`
      if (process.paused) return `${process.name} is paused with ${process.parkedEvents} events`
      return `${process.name} is alive`
    })
    return `seed ${this.seed}, ${this.eventCount} events; ${states.join(', ') || 'no processes'}`
  }
}

function nameOf(process: ProcessName): string {
  return typeof process === 'string' ? process : process.name
}
