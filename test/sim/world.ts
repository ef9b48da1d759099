import type { Ports } from '@cassiopeia/env'
import { type SimulatedCluster, startCluster } from '@cassiopeia/server'
import { type FaultAction, nodeName, type PlannedFault } from './faults'
import type { FaultRecord, History } from './history'
import { isDiskAction, LaidLinkFaults } from './laid-faults'
import { NodeLives } from './node-lives'
import type { Plan } from './plan'

/** The cluster of one run, and everything that befalls it. */
export class World {
  readonly lives: NodeLives
  private readonly links: LaidLinkFaults
  /** How far each node's clock is off by jumps and strobes that will be taken back. */
  private readonly clockDebtsMs = new Map<PlannedFault, { readonly node: number; ms: number }>()
  private chaosMs = Number.POSITIVE_INFINITY
  private healed = false

  private constructor(
    private readonly plan: Plan,
    private readonly history: History,
    readonly cluster: SimulatedCluster,
  ) {
    this.lives = new NodeLives(cluster, plan.nodes, history)
    this.links = new LaidLinkFaults(cluster.simulation)
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

  clientPorts(name: string): Ports {
    return this.cluster.clientPorts(name)
  }

  /** Lays the plan's faults on the world, from now on. */
  arm(): void {
    this.chaosMs = this.nowMs
    this.simulation.buggify.enabled = this.plan.buggify
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

  /**
   * Ends all faults, and resolves when all nodes serve that are to. Clocks that were set stay as they
   * are, within a second; those that jumped are set right.
   */
  async heal(): Promise<void> {
    this.healed = true
    this.note('heal', 'everything')
    this.simulation.buggify.enabled = false
    this.links.clear()
    for (const { node, ms } of this.clockDebtsMs.values()) this.cluster.skewClock(node, -ms)
    this.clockDebtsMs.clear()
    for (let node = 0; node < this.plan.nodes; node += 1) {
      if (this.cluster.machine(node).alive) this.cluster.machine(node).setDrift(1)
    }
    await this.lives.heal(this.plan.staysDead)
    const { alive } = this.lives
    for (let node = 0; node < this.plan.nodes; node += 1) {
      if (!alive.includes(node)) this.note('heal', `${nodeName(node)} stays dead`)
    }
  }

  incident(rule: string, message: string): void {
    this.history.incidents.push({ rule, message })
  }

  private begin(fault: PlannedFault): void {
    const { action, kind, forMs } = fault
    const done = this.lay(fault)
    if (done === false) return
    const { type, ...details } = action
    const more = typeof done === 'string' ? `: ${done}` : ''
    this.note(kind, `${type} ${JSON.stringify(details)} for ${forMs} ms${more}`)
  }

  /** @returns false when there was nothing to do, or more words about it. */
  private lay(fault: PlannedFault): boolean | string {
    const { cluster, simulation, lives, links } = this
    const { action, forMs } = fault
    if (isDiskAction(action)) {
      lives.layOnDisk(action)
      return true
    }
    switch (action.type) {
      case 'links':
        links.lay(action.options, action.only)
        return true
      case 'reset':
        simulation.resetConnections(...action.between)
        return true
      case 'partition':
      case 'cuts':
        links.cut(pairsOf(action))
        return true
      case 'clockStep':
        cluster.skewClock(action.node, action.ms)
        return true
      case 'clockJump':
        this.setClock(fault, action.node, action.ms)
        return true
      case 'strobe':
        this.strobe(fault, action)
        return true
      case 'clockRate':
        if (!cluster.machine(action.node).alive) return false
        cluster.machine(action.node).setDrift(action.wall, action.mono)
        return true
      case 'pause':
        return lives.pause(action.node, forMs)
      case 'rot':
        return lives.rot(action.node, action.where, action.draws).join(', ') || false
      default:
        return lives.stop(action.node, action.type, forMs)
    }
  }

  private end(fault: PlannedFault): void {
    const { cluster, lives, links } = this
    const { action } = fault
    if (isDiskAction(action)) {
      lives.liftFromDisk(action)
      return
    }
    switch (action.type) {
      case 'links':
        links.lift(action.options, action.only)
        break
      case 'partition':
      case 'cuts':
        links.mend(pairsOf(action))
        break
      case 'clockJump':
      case 'strobe':
        this.setClock(fault, action.node, 0)
        this.clockDebtsMs.delete(fault)
        break
      case 'clockRate':
        cluster.machine(action.node).setDrift(1)
        break
      case 'pause':
      case 'kill':
      case 'powerCut':
        lives.windowEnded(action.node)
        break
      default:
    }
  }

  /** Sets a clock off by `ms` on account of this fault, instead of what it was off by for it before. */
  private setClock(fault: PlannedFault, node: number, ms: number): void {
    const debt = this.clockDebtsMs.get(fault) ?? { node, ms: 0 }
    this.cluster.skewClock(node, ms - debt.ms)
    debt.ms = ms
    this.clockDebtsMs.set(fault, debt)
  }

  private strobe(fault: PlannedFault, action: FaultAction & { type: 'strobe' }): void {
    let isOff = false
    const turn = (): void => {
      const isOver = this.healed || (isOff && !this.clockDebtsMs.has(fault))
      if (isOver) return
      isOff = true
      const debt = this.clockDebtsMs.get(fault)
      this.setClock(fault, action.node, (debt?.ms ?? 0) === 0 ? action.ms : 0)
      this.simulation.at(this.nowMs + action.everyMs, turn)
    }
    turn()
  }

  private note(kind: FaultRecord['kind'], what: string): void {
    this.history.faults.push({ atMs: this.nowMs, kind, what })
  }
}

/** Everything that does not pass: between groups nothing does, either way. */
function pairsOf(action: FaultAction & { type: 'partition' | 'cuts' }) {
  if (action.type === 'cuts') return action.pairs
  const { groups } = action
  return groups.flatMap((group, index) =>
    groups
      .filter((_, other) => other !== index)
      .flatMap((others) => group.flatMap((a) => others.map((b) => [a, b] as const))),
  )
}
