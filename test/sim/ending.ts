import { isConverged } from './checkers/final'
import { type FaultKind, nodeName } from './faults'
import type { FinalVotes, History, Recorder } from './history'
import type { Level, Plan } from './plan'
import { Replicas } from './replicas'
import type { SimClient } from './workload'
import type { World } from './world'

/**
 * Whether replicas must become equal by themselves after heal, by hints and repair, before anybody
 * reads at ALL. False leaves that to the last reads.
 */
export const CONVERGES_ALONE: boolean = true

const HEAL_LIMIT_MS = 120_000
/** After this long from heal on, everything must work. */
const HEAL_MS = 10_000
const CALM_REST_MS = 500
/** What hints have for their work, when there are any. */
const HINTS_MS = 60_000
/** Rounds of repair within which replicas are equal, and what the rest of their work may take. */
const REPAIR_ROUNDS = 2
const REPAIR_SLACK_MS = 15_000
/**
 * Faults harsher than TCP by which a message is lost though its connection goes on: a frame that comes
 * late is dropped. The node that waits for it repairs nothing else meanwhile, for so long at most.
 */
const LOSING_KINDS: readonly FaultKind[] = ['lose', 'reorder']
const LOST_ANSWER_MS = 30_000
const LOOK_EVERY_MS = 500
/** A call after heal may take this long. */
const FINAL_TIMEOUT_MS = 5_000
/** Keys on which each client tries every verb at the end. */
const FINISH_KEYS_MAX = 3
/** Keys of which the votes are asked for as people do. */
const EXPLAIN_KEYS_MAX = 2
/** Beyond a jump of a clock, until stamps that it made are not ahead of the others any more. */
const JUMP_SLACK_MS = 15_000

/** What happens from heal on: replicas become equal, everything works again, and all comes to rest. */
export class Ending {
  private readonly replicas: Replicas

  constructor(
    private readonly plan: Plan,
    private readonly history: History,
    private readonly world: World,
    private readonly clients: readonly SimClient[],
    private readonly recorder: Recorder,
  ) {
    this.replicas = new Replicas(world.cluster, world.lives, clients[0]!.client)
  }

  async run(): Promise<void> {
    const { plan, world, clients, history } = this
    const { cluster } = world
    await cluster.run(world.heal(), HEAL_LIMIT_MS)
    await cluster.advance(plan.mood === 'calm' ? CALM_REST_MS : HEAL_MS + this.aheadMs())
    const convergesAlone = CONVERGES_ALONE && plan.node.antiEntropy
    if (convergesAlone) await this.converge()
    history.finalNodes.push(...(await cluster.run(this.replicas.finalNodes(convergesAlone))))
    if (plan.quietMs > 0) await cluster.advance(plan.quietMs)
    await cluster.run(this.readFinally(), 600_000)
    const finish = clients.map((client, index) => {
      const keys = plan.keys.filter((_, place) => place % clients.length === index)
      return client.finish(keys.slice(0, FINISH_KEYS_MAX), this.levelOf, FINAL_TIMEOUT_MS)
    })
    await cluster.run(Promise.all(finish), 600_000)
    await cluster.run(Promise.all(clients.map(({ client }) => client.disconnect())), 60_000)
    await this.comeToRest()
    world.lives.finish()
    await cluster.close()
  }

  /** What a clock that had jumped ahead has stamped is refused by others until they are there too. */
  private aheadMs(): number {
    const jumps = this.plan.faults.map(({ action }) =>
      action.type === 'clockJump' ? Math.abs(action.ms) : 0,
    )
    const mostMs = jumps.reduce((sum, ms) => sum + ms, 0)
    return mostMs === 0 ? 0 : mostMs + JUMP_SLACK_MS
  }

  /** Waits until all replicas hold the same, and writes down what they hold, for the checkers. */
  private async converge(): Promise<void> {
    const { plan, world } = this
    const { repairIntervalMs, repairLagMs } = plan.node
    const roundsMs = REPAIR_ROUNDS * (repairIntervalMs + repairLagMs) + REPAIR_SLACK_MS
    const losesMessages = LOSING_KINDS.some((kind) => plan.kinds.includes(kind))
    const lostMs = losesMessages ? LOST_ANSWER_MS : 0
    const limitMs = world.nowMs + lostMs + Math.max(HINTS_MS, roundsMs)
    while (world.nowMs < limitMs) {
      if (this.look('alone').every(({ votes }) => isConverged(votes))) {
        const nodes = await world.cluster.run(this.replicas.finalNodes(true))
        if (nodes.every(({ hintBytes, seesAll }) => hintBytes === 0 && seesAll)) break
      }
      await world.cluster.advance(LOOK_EVERY_MS)
    }
    this.history.finalVotes.push(...this.look('alone'))
  }

  /** All keys of which no replica was damaged. */
  private look(stage: FinalVotes['stage']): FinalVotes[] {
    return this.plan.keys
      .filter((key) => !this.replicas.areDamaged(key))
      .map((key) => this.votesOf(key, stage))
  }

  private votesOf(key: string, stage: FinalVotes['stage']): FinalVotes {
    const { nowMs: atMs } = this.world
    const { order } = this.recorder
    return { key, stage, atMs, order, votes: this.replicas.statesOf(key) }
  }

  /** Reads every key at all its replicas, which repairs what differs; then all hold the same. */
  private async readFinally(): Promise<void> {
    const [first] = this.clients
    for (const key of this.plan.keys) {
      const { outcome } = await first!.read(key, this.levelOf(key), FINAL_TIMEOUT_MS)
      if (outcome !== 'ok' || this.replicas.areDamaged(key)) continue
      this.history.finalVotes.push(this.votesOf(key, 'read'))
    }
    for (const key of this.plan.keys.slice(0, EXPLAIN_KEYS_MAX)) await first!.client.explain(key)
  }

  /** The highest level at which calls on a key must succeed. */
  private readonly levelOf = (key: string): Level =>
    this.replicas.areWhole(key) ? 'ALL' : 'QUORUM'

  /**
   * When nobody asks for anything, nothing may be under way; a hedge that was not needed may be until
   * its deadline.
   */
  private async comeToRest(): Promise<void> {
    const { cluster, simulation, lives } = this.world
    const inFlight = (node: number) =>
      cluster.isRunning(node) ? cluster.node(node).coordinator.size : 0
    try {
      await simulation.runUntil(() => !lives.alive.some(inFlight), FINAL_TIMEOUT_MS)
    } catch {
      const left = lives.alive.map((node) => `${inFlight(node)} on ${nodeName(node)}`).join(', ')
      this.world.incident('leak', `requests are in flight when nobody waits for them: ${left}`)
    }
  }
}
