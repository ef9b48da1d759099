/**
 * The second rig: real processes, real sockets, real files, and faults from outside. `plan` draws from
 * a seed what will happen, `nemesis` lays it on a `chaos-cluster`: `chaos-node`s whose `lives` are
 * watched, a `node-proxy` in front of each, which moves bytes through `pipe`s as `links` say, and `disks`
 * that fill up or rot. `caller`s use the SDK; `ending` is what happens after heal, `judge` lets the
 * simulation's checkers look at the history, and `report` says what came out.
 */
import { setMaxListeners } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CassioClient } from '@cassiopeia/client'
import type { Violation } from '../sim/checkers'
import { type History, Recorder } from '../sim/history'
import { historyLines } from '../sim/report'
import { Caller, Values, Workload } from './caller'
import { ChaosCluster } from './chaos-cluster'
import { Ending, type EndingResult } from './ending'
import { clientName, nodeName } from './faults'
import { judge } from './judge'
import { Nemesis } from './nemesis'
import { type ChaosPlan, makeChaosPlan, planForCheckers } from './plan'
import { type ChaosReport, makeReport, type ReportSources } from './report'
import { Watch } from './watch'

const CONNECT_TIMEOUT_MS = 120_000
const BOOT_LIMIT_MS = 180_000
const NANOSECONDS_PER_MS = 1e6

export interface ChaosOptions {
  readonly seed: number
  readonly minutes: number
  readonly nodes: number
  /** Whether data, logs and history stay even when all is well. */
  readonly keep: boolean
  /** Where everything goes; made, and removed. */
  readonly directory: string
  /** Ends the run early: nothing is judged then. */
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

export interface ChaosResult {
  readonly report: ChaosReport
  readonly history: History
  readonly violations: readonly Violation[]
}

/** @returns undefined when it was interrupted. Nothing that it started is left, however it ends. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult | undefined> {
  const run = new ChaosRun(options)
  const killAll = () => run.killNow()
  process.once('exit', killAll)
  try {
    return await run.run()
  } finally {
    await run.destroy()
    process.off('exit', killAll)
  }
}

class ChaosRun {
  private readonly plan: ChaosPlan
  private readonly history: History
  private readonly recorder: Recorder
  private readonly cluster: ChaosCluster
  private readonly clients: CassioClient[] = []
  private readonly loopDelay = monitorEventLoopDelay({ resolution: 20 })

  constructor(private readonly options: ChaosOptions) {
    const { seed, minutes, nodes, directory } = options
    this.plan = makeChaosPlan(seed, minutes, nodes)
    this.history = {
      plan: planForCheckers(this.plan, []),
      records: [],
      faults: [],
      finalVotes: [],
      finalNodes: [],
      peaks: [],
      deaths: 0,
      incidents: [],
      epochMs: Date.now(),
    }
    this.recorder = new Recorder(this.history, this.nowMs)
    this.cluster = new ChaosCluster(this.plan, directory, this.history, this.nowMs)
  }

  /** By the clock that the nodes stamp and expire by, so that nothing is off but by rounding. */
  private readonly nowMs = (): number => Date.now() - this.history.epochMs

  async run(): Promise<ChaosResult | undefined> {
    const { options, plan, history, cluster } = this
    const { signal, say } = options
    const onStrange = (error: unknown) => {
      const { stack = String(error) } = error as Error
      cluster.lives.incident('strange', `something that may not happen: ${stack}`)
    }
    process.on('unhandledRejection', onStrange)
    try {
      mkdirSync(options.directory, { recursive: true })
      await cluster.start()
      const observer = this.keep(cluster.observer())
      await this.boot(observer)
      if (signal.aborted) return undefined
      const callers = await this.newCallers(onStrange)
      say(`seed ${plan.seed}: ${plan.nodes} nodes run, ${callers.length} callers begin`)
      this.loopDelay.enable()

      const watch = new Watch(plan, cluster, history, observer, this.nowMs, say)
      const workload = new Workload(plan)
      const chaosFromMs = this.nowMs()
      const nemesis = await this.chaos(callers, workload, onStrange)
      const chaosToMs = this.nowMs()
      if (signal.aborted) return undefined

      say('faults end; waiting until all is equal')
      const ending = await new Ending(
        plan,
        history,
        cluster,
        callers,
        this.recorder,
        observer,
        this.nowMs,
        signal,
      ).run(workload.keys)
      const counters = await watch.close()
      await Promise.all(this.clients.map((client) => client.disconnect()))
      if (signal.aborted) return undefined
      // How they end counts; that they do does not.
      const lives = { ...cluster.lives.counts }
      await cluster.stop()
      Object.assign(history, { plan: planForCheckers(plan, workload.keys) })
      const times = { chaosFromMs, chaosToMs }
      return this.conclude(nemesis, ending, { counters, lives, ...times })
    } finally {
      process.off('unhandledRejection', onStrange)
    }
  }

  /** When the process ends, nobody can be waited for any more. */
  killNow(): void {
    this.cluster.killNow()
  }

  async destroy(): Promise<void> {
    this.loopDelay.disable()
    await this.cluster.destroy()
    // The nodes are gone: nobody is waited for.
    await Promise.all(this.clients.map((client) => client.disconnect()))
  }

  private keep(client: CassioClient): CassioClient {
    this.clients.push(client)
    return client
  }

  /** Resolves when all nodes serve, and have heard of each other. */
  private async boot(observer: CassioClient): Promise<void> {
    const { cluster, options } = this
    await observer.connect()
    const limitMs = this.nowMs() + BOOT_LIMIT_MS
    while (!options.signal.aborted) {
      const statuses = [...(await cluster.statuses(observer)).values()]
      const isWhole = statuses.every(({ members }) =>
        members.every(({ state, heartbeat }) => state === 'alive' && heartbeat > 0),
      )
      if (statuses.length === this.plan.nodes && isWhole) return
      if (this.nowMs() > limitMs) throw new Error(`no cluster after ${BOOT_LIMIT_MS} ms`)
      await sleep(100)
    }
  }

  private async newCallers(onStrange: (error: unknown) => void): Promise<Caller[]> {
    const { plan, cluster, recorder } = this
    const callers: Caller[] = []
    const values = new Values()
    for (let index = 0; index < plan.clients; index += 1) {
      const options = { connectTimeoutMs: CONNECT_TIMEOUT_MS }
      const client = this.keep(await cluster.clientOf(clientName(index), options))
      await client.connect()
      for (let each = 0; each < plan.callers / plan.clients; each += 1) {
        callers.push(new Caller(callers.length, plan, client, recorder, values, onStrange))
      }
    }
    return callers
  }

  private async chaos(
    callers: readonly Caller[],
    workload: Workload,
    onStrange: (error: unknown) => void,
  ): Promise<Nemesis> {
    const { plan, cluster, history } = this
    const { signal } = this.options
    const startMs = this.nowMs()
    const elapsedMs = () => this.nowMs() - startMs
    const over = new AbortController()
    // Each caller waits with it.
    setMaxListeners(0, over.signal)
    const nemesis = new Nemesis(plan, cluster, history, this.nowMs, onStrange)
    const endNow = () => {
      over.abort()
      nemesis.end()
    }
    signal.addEventListener('abort', endNow, { once: true })
    const isOver = () => over.signal.aborted
    const work = callers.map((each) => each.work(workload, elapsedMs, isOver, over.signal))
    const faults = nemesis.run()
    await sleep(plan.chaosMs, undefined, { signal }).catch(() => {})
    endNow()
    await Promise.all([...work, faults])
    return nemesis
  }

  private conclude(
    nemesis: Nemesis,
    ending: EndingResult,
    seen: Pick<ReportSources, 'counters' | 'lives' | 'chaosFromMs' | 'chaosToMs'>,
  ): ChaosResult {
    const { plan, history, cluster, options } = this
    const { lives, links, proxies } = cluster
    const loopDelayMaxMs = this.loopDelay.max / NANOSECONDS_PER_MS
    const violations = judge(history, loopDelayMaxMs)
    const isKept = options.keep || violations.length > 0
    if (isKept) this.writeHistory(violations)
    const { damaged } = lives
    const report = makeReport({
      plan,
      minutes: options.minutes,
      history,
      violations,
      ending,
      faults: nemesis.counts,
      noSmallDisk: cluster.noSmallDisk,
      damaged:
        damaged === undefined
          ? undefined
          : { node: nodeName(damaged), starts: !lives.gone.has(damaged) },
      proxied: {
        connections: proxies.reduce((sum, { accepted }) => sum + accepted, 0),
        flippedBits: links.flipped,
      },
      loopDelayMaxMs,
      ...seen,
      directory: isKept ? options.directory : undefined,
    })
    return { report, history, violations }
  }

  /** As the simulation writes one, a record a line. */
  private writeHistory(violations: readonly Violation[]): void {
    const { history, options, plan } = this
    const lines = historyLines({
      plan: history.plan,
      history,
      violations,
      traceHash: 0,
      historyHash: 0,
      virtualMs: this.nowMs(),
      events: 0,
      counters: {},
      buggified: {},
      logs: [],
    })
    const all = [JSON.stringify({ type: 'chaos', plan }), ...lines]
    writeFileSync(join(options.directory, 'history.jsonl'), `${all.join('\n')}\n`)
  }
}

/** What of a run's directory is not worth keeping. */
export function removeData(directory: string, nodes: number): void {
  for (let index = 0; index < nodes; index += 1) {
    rmSync(join(directory, nodeName(index)), { recursive: true, force: true })
  }
}
