/**
 * One seed is one run of a whole cluster: `plan` draws what will happen (`draw-faults`, `draw-options`,
 * `draw-operations`), `world` holds the nodes (`node-lives`) and lays the plan's faults on them
 * (`laid-faults`, `rot`), `workload` is the clients, `ending` what happens after heal, `replicas` looks
 * into the nodes, `history` is what was seen, `checkers/` what must hold of it, and `probes` what should
 * happen now and then. `swarm` runs many seeds, `report` says what came out.
 */
import { check, type Violation } from './checkers'
import { Ending } from './ending'
import { type History, hashHistory, Recorder } from './history'
import { makePlan, type Plan } from './plan'
import { countProbes } from './probes'
import { SimClient } from './workload'
import { World } from './world'

const CONNECT_LIMIT_MS = 60_000
/** Beyond the plan's own time: calls under way end by their deadlines. */
const CHAOS_LIMIT_MS = 120_000

export interface RunResult {
  readonly plan: Plan
  readonly history: History
  readonly violations: readonly Violation[]
  readonly traceHash: number
  readonly historyHash: number
  readonly virtualMs: number
  readonly events: number
  /** What nodes have counted, over all their starts, and every probe by its name. */
  readonly counters: Readonly<Record<string, number>>
  /** How often each site of `buggify` has fired. */
  readonly buggified: Readonly<Record<string, number>>
  /** The nodes' logs, merged. */
  readonly logs: readonly { readonly timeMs: number; readonly text: string }[]
}

export async function runSeed(seed: number): Promise<RunResult> {
  return runPlan(makePlan(seed))
}

/** Boot, chaos, heal, convergence, final calls, teardown. Throws only when the rig itself is broken. */
export async function runPlan(plan: Plan): Promise<RunResult> {
  const peaks: History['peaks'][number][] = []
  const history: History = {
    plan,
    records: [],
    faults: [],
    finalVotes: [],
    finalNodes: [],
    peaks,
    deaths: 0,
    incidents: [],
    epochMs: Date.UTC(2025, 0, 1),
  }
  const world = await World.start(plan, history)
  const { cluster, simulation } = world
  const recorder = new Recorder(history, () => simulation.nowMs)
  const clients = plan.operations.map((_, index) => new SimClient(index, plan, world, recorder))
  await cluster.run(Promise.all(clients.map(({ client }) => client.connect())), CONNECT_LIMIT_MS)

  world.arm()
  const endMs = simulation.nowMs + plan.chaosMs
  const isOver = () => simulation.nowMs >= endMs
  try {
    const work = Promise.all(clients.map((client) => client.work(isOver)))
    await cluster.run(work, plan.chaosMs + CHAOS_LIMIT_MS)
    await new Ending(plan, history, world, clients, recorder).run()
  } catch (error) {
    world.incident('stuck', (error as Error).message)
  }
  peaks.push(...world.lives.gauges.peaks)
  const buggified = Object.fromEntries(simulation.buggify.fired)
  return {
    plan,
    history,
    violations: check(history),
    traceHash: simulation.traceHash,
    historyHash: hashHistory(history),
    virtualMs: simulation.nowMs,
    events: simulation.eventCount,
    counters: countProbes({ history, counters: world.lives.gauges.counters }),
    buggified,
    logs: mergeLogs(world),
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
