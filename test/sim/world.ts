import type { CassioError } from '@cassiopeia/client'
import { type SimulatedCluster, startCluster } from '@cassiopeia/server'
import { linksAtRest, nodeName, type PlannedFault } from './faults'
import type { History } from './history'
import type { Plan } from './plan'

/** Virtual time that nodes have to come up again at the end. */
const RESTART_LIMIT_MS = 60_000

/** The cluster of one run, and everything that befalls it. */
export class World {
  readonly counters: Record<string, number> = {}
  private readonly starts = new Map<number, { promise: Promise<void>; token: object }>()
  /** Windows of faults that keep a node down or paused: the last one to end brings it back. */
  private readonly downUntilMs: number[]
  private chaosMs = Number.POSITIVE_INFINITY
  private healed = false

  private constructor(
    private readonly plan: Plan,
    private readonly history: History,
    readonly cluster: SimulatedCluster,
  ) {
    this.downUntilMs = Array.from({ length: plan.nodes }, () => 0)
  }

  static async start(plan: Plan, history: History): Promise<World> {
    const { nodes, seed, node } = plan
    const cluster = await startCluster({ simulated: true, nodes, seed, node })
    return new World(plan, history, cluster)
  }

  get simulation() {
    return this.cluster.simulation
  }

  get nowMs(): number {
    return this.cluster.simulation.nowMs
  }

  /** Lays the plan's faults on the world, from now on. */
  arm(): void {
    this.chaosMs = this.nowMs
    for (const fault of this.plan.faults) {
      const startMs = this.chaosMs + fault.atMs
      this.simulation.at(startMs, () => {
        if (!this.healed) this.begin(fault)
      })
      if (fault.forMs === 0) continue
      this.simulation.at(startMs + fault.forMs, () => {
        if (!this.healed) this.end(fault)
      })
    }
  }

  /** Ends all faults, and resolves when all nodes serve. Clocks stay as they are. */
  async heal(): Promise<void> {
    this.healed = true
    this.note('heal', 'everything')
    const { simulation, plan } = this
    simulation.heal()
    for (const { action } of plan.faults) {
      if (action.type !== 'links') continue
      if (action.only === undefined) simulation.setLink(linksAtRest(action.options))
      else simulation.setLink({}, ...action.only)
    }
    for (let node = 0; node < plan.nodes; node += 1) {
      this.cluster.machine(node).disk.faults.slowFactor = 1
      this.cluster.resume(node)
      if (!this.cluster.machine(node).alive) this.startAgain(node)
    }
    const starting = [...this.starts.values()].map(({ promise }) => promise)
    await Promise.race([Promise.all(starting), simulation.sleep(RESTART_LIMIT_MS)])
    for (const node of this.starts.keys()) {
      this.incident('restart', `${nodeName(node)} does not serve ${RESTART_LIMIT_MS} ms after heal`)
    }
  }

  /** Adds up what the nodes have counted; to be called before a node's memory goes. */
  count(node: number): void {
    if (!this.cluster.isRunning(node)) return
    for (const [name, value] of Object.entries(this.cluster.node(node).counters.snapshot())) {
      this.counters[name] = (this.counters[name] ?? 0) + value
    }
  }

  incident(rule: string, message: string): void {
    this.history.incidents.push({ rule, message })
  }

  private begin(fault: PlannedFault): void {
    const { cluster, simulation } = this
    const { action, kind, forMs } = fault
    switch (action.type) {
      case 'links':
        if (action.only === undefined) simulation.setLink(action.options)
        else simulation.setLink(action.options, ...action.only)
        break
      case 'reset':
        simulation.resetConnections(...action.between)
        break
      case 'partition':
        simulation.partition(action.groups)
        break
      case 'cut':
        simulation.cut(...action.only, 'one-way')
        break
      case 'clockStep':
        cluster.skewClock(action.node, action.ms)
        break
      case 'clockRate':
        cluster.machine(action.node).setDrift(action.wall, action.mono)
        break
      case 'slowDisk':
        cluster.machine(action.node).disk.faults.slowFactor = action.factor
        break
      case 'pause':
        if (!cluster.machine(action.node).alive) return
        cluster.pause(action.node)
        this.stayDown(action.node, forMs)
        break
      default: {
        const { node, type } = action
        if (!cluster.machine(node).alive) return
        this.count(node)
        this.starts.delete(node)
        if (type === 'kill') cluster.kill(node)
        else cluster.powerCut(node)
        this.stayDown(node, forMs)
      }
    }
    const { type, ...details } = action
    this.note(kind, `${type} ${JSON.stringify(details)} for ${forMs} ms`)
  }

  private end(fault: PlannedFault): void {
    const { cluster, simulation } = this
    const { action } = fault
    switch (action.type) {
      case 'links':
        if (action.only === undefined) simulation.setLink(linksAtRest(action.options))
        else simulation.setLink({}, ...action.only)
        break
      case 'partition':
        simulation.partition([])
        break
      case 'cut':
        simulation.heal(...action.only)
        break
      case 'clockRate':
        cluster.machine(action.node).setDrift(1)
        break
      case 'slowDisk':
        cluster.machine(action.node).disk.faults.slowFactor = 1
        break
      case 'pause':
        if (this.nowMs >= this.downUntilMs[action.node]!) cluster.resume(action.node)
        break
      case 'kill':
      case 'powerCut': {
        const { node } = action
        const isDown = !cluster.machine(node).alive
        if (isDown && this.nowMs >= this.downUntilMs[node]!) this.startAgain(node)
        break
      }
      default:
    }
  }

  private stayDown(node: number, forMs: number): void {
    this.downUntilMs[node] = Math.max(this.downUntilMs[node]!, this.nowMs + forMs)
  }

  private startAgain(node: number): void {
    const token = {}
    const isCurrent = () => this.starts.get(node)?.token === token
    const promise = this.cluster.restart(node).then(
      () => {
        if (isCurrent()) this.starts.delete(node)
      },
      (error: CassioError) => {
        if (!isCurrent()) return
        this.starts.delete(node)
        this.incident('restart', `${nodeName(node)} did not start again: ${error.message}`)
      },
    )
    this.starts.set(node, { promise, token })
  }

  private note(kind: History['faults'][number]['kind'], what: string): void {
    this.history.faults.push({ atMs: this.nowMs, kind, what })
  }
}
