import type { CassioError } from '@cassiopeia/client'
import type { SimulatedCluster } from '@cassiopeia/server'
import { nodeName, type RotPlace, STOPPING_TYPES } from './faults'
import type { History } from './history'
import { type DiskAction, LaidDiskFaults } from './laid-faults'
import { NodeGauges } from './node-gauges'
import { rot } from './rot'

/** Virtual time that nodes have to come up again at the end. */
const RESTART_LIMIT_MS = 60_000
/** How often the nodes are looked at. */
const LOOK_EVERY_MS = 100
/** After which a node that has stopped by itself, or could not start, is started again. */
const RETRY_MS = 500
/**
 * A store that fails while its node is still being put together makes nobody stop the node, which goes
 * on without a store for good (seed 171). Until that is mended such nodes are started again and counted;
 * then this is to be false, and they are a violation.
 */
const ZOMBIES_ARE_KNOWN: boolean = false

/**
 * The lives of a run's nodes: they are killed and started again, stop by themselves where that is
 * right, and one of them may be damaged or stay dead for good.
 */
export class NodeLives {
  /** Summed over all nodes and all their starts. */
  readonly gauges = new NodeGauges()
  private readonly starts = new Map<number, { promise: Promise<void>; token: object }>()
  /** Windows of faults that keep a node down or paused: the last one to end brings it back. */
  private readonly downUntilMs: number[]
  private readonly disks: readonly LaidDiskFaults[]
  /** Nodes that a fault of their disk may have made stop. */
  private readonly troubled = new Set<number>()
  /** Damaged so that they cannot start, or left dead: they do not come back. */
  private readonly gone = new Set<number>()
  private damagedNode: number | undefined
  /** Whether anything but hints was damaged. */
  private damagedData = false
  private healed = false
  private over = false

  constructor(
    private readonly cluster: SimulatedCluster,
    private readonly nodes: number,
    private readonly history: History,
  ) {
    const all = Array.from({ length: nodes }, (_, node) => node)
    this.downUntilMs = all.map(() => 0)
    this.disks = all.map((node) => new LaidDiskFaults(cluster.machine(node)))
    for (const node of all) this.gauges.adopt(node, cluster.node(node))
    this.lookAgain()
  }

  /** Nodes that serve, or are to. */
  get alive(): number[] {
    return Array.from({ length: this.nodes }, (_, node) => node).filter(
      (node) => !this.gone.has(node),
    )
  }

  /** The node of which files were damaged: it may be unable to say what a key is. */
  get damaged(): number | undefined {
    return this.damagedNode
  }

  /** @returns whether the node was alive. */
  stop(node: number, how: 'kill' | 'powerCut', forMs: number): boolean {
    if (!this.cluster.machine(node).alive) return false
    this.end(node, how)
    this.stayDown(node, forMs)
    return true
  }

  pause(node: number, forMs: number): boolean {
    if (!this.cluster.machine(node).alive) return false
    this.cluster.pause(node)
    this.stayDown(node, forMs)
    return true
  }

  /** A window that kept the node down or paused has ended. */
  windowEnded(node: number): void {
    if (this.healed || this.nowMs < this.downUntilMs[node]!) return
    if (this.cluster.machine(node).alive) this.cluster.resume(node)
    else this.start(node)
  }

  layOnDisk(action: DiskAction): void {
    this.disks[action.node]!.lay(action)
    if (STOPPING_TYPES.includes(action.type)) this.troubled.add(action.node)
  }

  liftFromDisk(action: DiskAction): void {
    this.disks[action.node]!.lift(action)
  }

  /** Damages files of a node that is down. At most one node of a run is damaged. */
  rot(node: number, where: RotPlace, draws: readonly number[]): string[] {
    if (this.cluster.machine(node).alive || (this.damagedNode ?? node) !== node) return []
    const done = rot(this.cluster.machine(node).disk, where, draws)
    if (done.length > 0) {
      this.damagedNode = node
      if (where !== 'hints') this.damagedData = true
    }
    return done
  }

  /** Ends what keeps nodes down, and resolves when all serve that are to. */
  async heal(staysDead: number | undefined): Promise<void> {
    this.healed = true
    for (const disk of this.disks) disk.clear()
    if (staysDead !== undefined && staysDead < this.nodes && this.gone.size === 0) {
      this.end(staysDead, 'kill')
      this.gone.add(staysDead)
    }
    for (const node of this.alive) {
      this.cluster.resume(node)
      if (!this.cluster.machine(node).alive) this.start(node)
    }
    const limitMs = this.nowMs + RESTART_LIMIT_MS
    while (!this.alive.every((node) => this.serves(node))) {
      if (this.nowMs > limitMs) break
      await this.cluster.simulation.sleep(20)
    }
    for (const node of this.alive.filter((each) => !this.serves(each))) {
      this.incident('restart', `${nodeName(node)} does not serve ${RESTART_LIMIT_MS} ms after heal`)
    }
  }

  serves(node: number): boolean {
    return this.cluster.isRunning(node) && !this.starts.has(node)
  }

  /** The last look, before the cluster is closed. */
  finish(): void {
    this.over = true
    for (const node of this.alive) this.gauges.release(node)
  }

  private get nowMs(): number {
    return this.cluster.simulation.nowMs
  }

  private end(node: number, how: 'kill' | 'powerCut'): void {
    if (!this.cluster.machine(node).alive) return
    this.history.deaths += 1
    this.gauges.release(node)
    this.starts.delete(node)
    if (how === 'kill') this.cluster.kill(node)
    else this.cluster.powerCut(node)
  }

  private stayDown(node: number, forMs: number): void {
    this.downUntilMs[node] = Math.max(this.downUntilMs[node]!, this.nowMs + forMs)
  }

  private start(node: number): void {
    if (this.gone.has(node)) return
    const token = {}
    const disk = this.disks[node]!
    const refusedAtFirst = disk.refuses
    const isCurrent = () => this.starts.get(node)?.token === token
    const promise = this.cluster.restart(node).then(
      () => {
        if (!isCurrent()) return
        this.starts.delete(node)
        this.gauges.adopt(node, this.cluster.node(node))
      },
      (error: CassioError) => {
        if (!isCurrent()) return
        this.end(node, 'kill')
        this.onFailedStart(node, error, refusedAtFirst || disk.refuses)
      },
    )
    this.starts.set(node, { promise, token })
  }

  private onFailedStart(node: number, error: CassioError, isExcused: boolean): void {
    if (error.code === 'CASSIO_CORRUPT' && this.damagedNode === node && this.damagedData) {
      this.gone.add(node)
      this.note(`${nodeName(node)} refuses to start on damaged files: ${error.message}`)
      return
    }
    if (!isExcused) {
      this.incident('restart', `${nodeName(node)} did not start again: ${error.message}`)
    }
    this.startLater(node)
  }

  private startLater(node: number): void {
    this.stayDown(node, RETRY_MS)
    this.cluster.simulation.at(this.nowMs + RETRY_MS, () => {
      const isDown = !this.cluster.machine(node).alive && this.nowMs >= this.downUntilMs[node]!
      if (isDown && !this.over) this.start(node)
    })
  }

  /** Notices nodes that have stopped by themselves, and how much the others hold. */
  private lookAgain(): void {
    this.cluster.simulation.at(this.nowMs + LOOK_EVERY_MS, () => {
      if (this.over) return
      for (let node = 0; node < this.nodes; node += 1) this.look(node)
      this.lookAgain()
    })
  }

  private look(node: number): void {
    const machine = this.cluster.machine(node)
    if (!machine.alive || machine.paused || this.starts.has(node)) return
    if (this.cluster.isRunning(node)) {
      this.gauges.sample(node)
      if (!this.gauges.isZombie(node)) return
      const message = `${nodeName(node)} goes on though its store has failed`
      if (ZOMBIES_ARE_KNOWN) this.note(message)
      else this.incident('zombie', message)
      this.gauges.count('zombies', 1)
    } else {
      const error = this.cluster.fatalErrors.at(-1)
      const message = `${nodeName(node)} stopped by itself: ${error?.code} ${error?.message}`
      if (this.troubled.has(node)) this.note(message)
      else this.incident('fatal', message)
      this.gauges.count('stoppedByDisk', 1)
    }
    // A process that has stopped ends, and is started again by whoever watches over it.
    this.end(node, 'kill')
    this.startLater(node)
  }

  private note(what: string): void {
    this.history.faults.push({ atMs: this.nowMs, kind: 'node', what })
  }

  private incident(rule: string, message: string): void {
    this.note(message)
    this.history.incidents.push({ rule, message })
  }
}
