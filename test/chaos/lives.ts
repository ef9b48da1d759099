import type { History } from '../sim/history'
import type { ChaosNode, NodeEnd } from './chaos-node'

/** After which a node that has stopped by itself, or could not start, is started again. */
const RETRY_MS = 500
/** Once there is room on a disk again, what ran out of it may still come to its end. */
const FULL_AFTERMATH_MS = 5_000
/** A machine may be very busy. */
const START_LIMIT_MS = 120_000
const STOP_LIMIT_MS = 60_000

/** What became of the nodes, summed over all of them. */
export interface LifeCounts {
  killed: number
  stopped: number
  /** Stopped by themselves, for a reason that the rig gave. */
  stoppedByDisk: number
  starts: number
}

/**
 * The lives of the nodes: the rig kills, stops, pauses and starts them; what they do without being
 * asked is an incident, unless a fault of their disk explains it.
 */
export class Lives {
  readonly counts: LifeCounts = { killed: 0, stopped: 0, stoppedByDisk: 0, starts: 0 }
  nodes: readonly ChaosNode[] = []
  /** The node of which files were damaged. */
  damaged: number | undefined
  /** Refuses to start on damaged files: it does not come back. */
  readonly gone = new Set<number>()
  /** Faults that keep a node down, or paused: the last one to end brings it back. */
  private readonly holds = new Map<string, number>()
  private readonly fullUntilMs = new Map<number, number>()
  private readonly timers = new Set<NodeJS.Timeout>()
  private isOver = false

  constructor(
    private readonly history: History,
    private readonly nowMs: () => number,
  ) {}

  get alive(): number[] {
    return this.nodes.map((_, index) => index).filter((index) => !this.gone.has(index))
  }

  get allServe(): boolean {
    return this.alive.every((index) => this.nodes[index]!.isServing)
  }

  start(index: number): void {
    const node = this.nodes[index]!
    if (this.isOver || node.isRunning || this.gone.has(index)) return
    node.start()
    this.counts.starts += 1
    const { starts } = node
    this.after(START_LIMIT_MS, () => {
      const isSlow = node.isRunning && !node.isServing && node.starts === starts
      if (isSlow && !this.isHeld('pause', index)) {
        this.incident('restart', `${node.name} does not listen ${START_LIMIT_MS} ms after start`)
      }
    })
  }

  /** Ends the process; `comeBack` may start it again. */
  async end(index: number, how: 'kill' | 'stop'): Promise<void> {
    const node = this.nodes[index]!
    this.hold('down', index)
    if (!node.isRunning) return
    this.counts[how === 'kill' ? 'killed' : 'stopped'] += 1
    if (how === 'kill') {
      this.history.deaths += 1
      await node.kill()
      return
    }
    const { starts } = node
    this.after(STOP_LIMIT_MS, () => {
      if (node.isRunning && node.starts === starts && !this.isHeld('pause', index)) {
        this.incident('stop', `${node.name} has not stopped ${STOP_LIMIT_MS} ms after SIGTERM`)
        void node.kill()
      }
    })
    await node.stop()
  }

  comeBack(index: number): void {
    if (this.release('down', index)) this.startWhenEnded(index)
  }

  pause(index: number): void {
    this.hold('pause', index)
    this.nodes[index]!.pause()
  }

  goOn(index: number): void {
    if (this.release('pause', index)) this.nodes[index]!.resume()
  }

  setDiskFull(index: number, isFull: boolean): void {
    const untilMs = isFull ? Number.POSITIVE_INFINITY : this.nowMs() + FULL_AFTERMATH_MS
    this.fullUntilMs.set(index, untilMs)
  }

  /** Whether something keeps this node from serving well. */
  isTroubled(index: number): boolean {
    return this.nowMs() < (this.fullUntilMs.get(index) ?? 0)
  }

  /** Everything that keeps nodes from serving ends. */
  heal(): void {
    this.holds.clear()
    for (const index of this.alive) {
      this.nodes[index]!.resume()
      this.startWhenEnded(index)
    }
  }

  /** Nothing that happens from now on counts. */
  finish(): void {
    this.isOver = true
    for (const timer of this.timers) clearTimeout(timer)
  }

  onEnd(index: number, end: NodeEnd): void {
    if (this.isOver) return
    const { name } = this.nodes[index]!
    const how = end.signal ?? `code ${end.code}`
    if (end.asked === 'kill') return
    // A process that has only just begun does not hear signals yet.
    const isDeaf = !end.hadListened && end.signal === 'SIGTERM'
    if (end.asked === 'stop' && (end.code === 0 || isDeaf)) return
    const what = end.hadListened ? 'stopped by itself' : 'did not start'
    if (!end.hadListened && this.refusesDamage(index)) {
      this.gone.add(index)
      this.note(`${name} refuses damaged files: ${how}`)
      return
    }
    if (this.isTroubled(index)) {
      this.counts.stoppedByDisk += 1
      this.history.deaths += 1
      this.note(`${name} ${what} with its disk full: ${how}`)
    } else {
      const rule = end.hadListened ? 'fatal' : 'restart'
      this.incident(rule, `${name} ${what}: ${how}\n${this.nodes[index]!.logTail()}`)
    }
    this.after(RETRY_MS, () => {
      if (!this.isHeld('down', index)) this.start(index)
    })
  }

  incident(rule: string, message: string): void {
    this.note(message.split('\n')[0]!)
    this.history.incidents.push({ rule, message })
  }

  note(what: string): void {
    this.history.faults.push({ atMs: this.nowMs(), kind: 'node', what })
  }

  private refusesDamage(index: number): boolean {
    return this.damaged === index && this.nodes[index]!.logTail().includes('CASSIO_CORRUPT')
  }

  /** A process that was told to stop may still be there. */
  private startWhenEnded(index: number): void {
    const node = this.nodes[index]!
    if (!node.isRunning) {
      this.start(index)
      return
    }
    if (!node.isEnding) return
    this.after(50, () => {
      if (!this.isHeld('down', index)) this.startWhenEnded(index)
    })
  }

  private hold(how: 'down' | 'pause', index: number): void {
    const name = `${how} ${index}`
    this.holds.set(name, (this.holds.get(name) ?? 0) + 1)
  }

  /** @returns whether nothing of that kind is left. */
  private release(how: 'down' | 'pause', index: number): boolean {
    const name = `${how} ${index}`
    const left = (this.holds.get(name) ?? 0) - 1
    this.holds.set(name, Math.max(0, left))
    return left === 0
  }

  private isHeld(how: 'down' | 'pause', index: number): boolean {
    return (this.holds.get(`${how} ${index}`) ?? 0) > 0
  }

  private after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, ms)
    this.timers.add(timer)
  }
}
