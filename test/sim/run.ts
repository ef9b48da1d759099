/**
 * One seed is one run of a whole cluster: `plan` draws what will happen, `world` holds the nodes and
 * lays the plan's `faults` on them, `workload` is the clients, `history` what they saw, `checkers/`
 * what must hold of it. `swarm` runs many seeds, `report` says what came out.
 */
import { check, type Violation } from './checkers'
import { nodeName } from './faults'
import { type History, hashHistory, orderOf, Recorder } from './history'
import { makePlan, type Plan } from './plan'
import { SimClient } from './workload'
import { World } from './world'

/** After this long from heal on, everything must work. */
const HEAL_MS = 10_000
const CALM_REST_MS = 500
/** A call after heal may take this long. */
const FINAL_TIMEOUT_MS = 5_000

export interface RunResult {
  readonly plan: Plan
  readonly history: History
  readonly violations: readonly Violation[]
  readonly traceHash: number
  readonly historyHash: number
  readonly virtualMs: number
  readonly events: number
  /** Summed over all nodes and all their starts. */
  readonly counters: Readonly<Record<string, number>>
  /** The nodes' logs, merged. */
  readonly logs: readonly { readonly timeMs: number; readonly text: string }[]
}

export async function runSeed(seed: number): Promise<RunResult> {
  return runPlan(makePlan(seed))
}

/** Boot, chaos, heal, final calls, teardown. Throws only when the rig itself is broken. */
export async function runPlan(plan: Plan): Promise<RunResult> {
  const history: History = {
    plan,
    records: [],
    faults: [],
    finalVotes: [],
    incidents: [],
    epochMs: Date.UTC(2025, 0, 1),
  }
  const world = await World.start(plan, history)
  const { cluster, simulation } = world
  const recorder = new Recorder(history, () => simulation.nowMs)
  const clients = plan.operations.map((_, index) => new SimClient(index, plan, world, recorder))
  await cluster.run(Promise.all(clients.map(({ client }) => client.connect())))

  world.arm()
  const endMs = simulation.nowMs + plan.chaosMs
  const isOver = () => simulation.nowMs >= endMs
  try {
    await cluster.run(Promise.all(clients.map((client) => client.work(isOver))), 120_000)
    await cluster.run(world.heal(), 120_000)
    await cluster.advance(plan.mood === 'calm' ? CALM_REST_MS : HEAL_MS)
    await cluster.run(readFinally(clients, history), 600_000)
    await cluster.run(Promise.all(clients.map((client) => client.finish(FINAL_TIMEOUT_MS))))
    await cluster.run(Promise.all(clients.map(({ client }) => client.disconnect())), 60_000)
    await comeToRest(world, plan)
    for (let node = 0; node < plan.nodes; node += 1) world.count(node)
    await cluster.close()
  } catch (error) {
    world.incident('stuck', (error as Error).message)
  }
  for (const error of cluster.fatalErrors) {
    world.incident('fatal', `a node stopped by itself: ${error.code} ${error.message}`)
  }
  return {
    plan,
    history,
    violations: check(history),
    traceHash: simulation.traceHash,
    historyHash: hashHistory(history),
    virtualMs: simulation.nowMs,
    events: simulation.eventCount,
    counters: world.counters,
    logs: mergeLogs(world),
  }
}

/** Reads every key at ALL, which repairs what differs; then all replicas must say the same. */
async function readFinally(clients: readonly SimClient[], history: History): Promise<void> {
  const [first] = clients
  for (const key of history.plan.keys) {
    const { outcome } = await first!.readAll(key, FINAL_TIMEOUT_MS)
    if (outcome !== 'ok') continue
    const { votes } = await first!.client.explain(key)
    history.finalVotes.push({
      key,
      votes: votes.map(({ address, state, stamp }) => ({
        node: address,
        state,
        stamp: stamp === null ? null : orderOf(stamp),
      })),
    })
  }
}

/**
 * When nobody asks for anything, nothing may be under way; a hedge that was not needed may be until its
 * deadline.
 */
async function comeToRest(world: World, plan: Plan): Promise<void> {
  const { cluster, simulation } = world
  const nodes = Array.from({ length: plan.nodes }, (_, node) => node)
  const inFlight = (node: number) =>
    cluster.isRunning(node) ? cluster.node(node).coordinator.size : 0
  try {
    await simulation.runUntil(() => !nodes.some(inFlight), FINAL_TIMEOUT_MS)
  } catch {
    const left = nodes.map((node) => `${inFlight(node)} on ${nodeName(node)}`).join(', ')
    world.incident('leak', `requests are still in flight when nobody waits for them: ${left}`)
  }
}

function mergeLogs(world: World): RunResult['logs'] {
  const lines = world.simulation.processes.flatMap((process) =>
    process.logLines().map(({ timeMs, level, event, fields }) => ({
      timeMs,
      text: `${process.name} ${level} ${event} ${JSON.stringify(fields)}`,
    })),
  )
  return lines.sort((a, b) => a.timeMs - b.timeMs)
}
