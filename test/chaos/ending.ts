import { setTimeout as sleep } from 'node:timers/promises'
import type { CassioClient, NodeStatus, RepairSummary } from '@cassiopeia/client'
import { isConverged } from '../sim/checkers/final'
import { type FinalVotes, type History, orderOf, type Recorder } from '../sim/history'
import type { Level } from '../sim/plan'
import type { Caller } from './caller'
import type { ChaosCluster } from './chaos-cluster'
import { nodeName } from './faults'
import type { ChaosPlan } from './plan'

/** Limits are for machines that have much else to do. */
const SERVE_LIMIT_MS = 180_000
const SEE_LIMIT_MS = 120_000
const CONVERGE_LIMIT_MS = 240_000
const REST_LIMIT_MS = 30_000
const LOOK_EVERY_MS = 250
/** A call after heal may take this long. */
const FINAL_TIMEOUT_MS = 60_000
/** Calls, or questions, under way at once. */
const WINDOW = 16
/** Keys on which each caller tries every verb at the end. */
const FINISH_KEYS = 2
/** What a session of repair may take: its cutoff is earlier than its end. */
const SESSION_MS = 3_000

export interface EndingResult {
  /** From heal until all nodes served. */
  servingMs: number | undefined
  /** From heal until hints were delivered, all was verified, and all replicas were equal. */
  convergenceMs: number | undefined
  /** Of a repair after that, which must find nothing. */
  repair: RepairSummary | undefined
  residentBytes: (number | undefined)[]
}

/** What happens from heal on: all nodes serve, replicas become equal, everything works again. */
export class Ending {
  private readonly result: EndingResult = {
    servingMs: undefined,
    convergenceMs: undefined,
    repair: undefined,
    residentBytes: [],
  }
  private waitsFor = ''

  constructor(
    private readonly plan: ChaosPlan,
    private readonly history: History,
    private readonly cluster: ChaosCluster,
    private readonly callers: readonly Caller[],
    private readonly recorder: Recorder,
    private readonly observer: CassioClient,
    private readonly nowMs: () => number,
    private readonly signal: AbortSignal,
  ) {}

  /** @param keys All that were ever asked for. */
  async run(keys: readonly string[]): Promise<EndingResult> {
    const { cluster, history, result } = this
    const { lives } = cluster
    const healMs = this.nowMs()
    history.faults.push({ atMs: healMs, kind: 'heal', what: 'everything' })
    cluster.links.clear()
    await cluster.smallDisk?.free()
    lives.setDiskFull(this.plan.smallDiskNode, false)
    lives.heal()
    if (!(await this.until(SERVE_LIMIT_MS, async () => this.doNotServe()))) return this.stuck()
    result.servingMs = this.nowMs() - healMs
    if (!(await this.until(SEE_LIMIT_MS, () => this.doNotSee()))) return this.stuck()
    const wholeKeys = keys.filter((key) => !this.isDamaged(key))
    if (await this.until(CONVERGE_LIMIT_MS, () => this.isUnequal(wholeKeys, healMs))) {
      result.convergenceMs = this.nowMs() - healMs
    } else this.stuck()
    try {
      await this.lookAndCall(keys, wholeKeys)
    } catch (error) {
      if (!this.signal.aborted) lives.incident('stuck', `after heal: ${(error as Error).message}`)
    }
    result.residentBytes = lives.nodes.map((node) => node.residentBytes())
    return result
  }

  /** Writes down what replicas hold; then everything that can be asked for must succeed. */
  private async lookAndCall(keys: readonly string[], wholeKeys: readonly string[]): Promise<void> {
    const { callers, cluster } = this
    await this.writeVotes(wholeKeys)
    await this.repair()
    await this.each(keys, (key, at) =>
      callers[at % callers.length]!.read(key, this.levelOf(key), FINAL_TIMEOUT_MS),
    )
    await Promise.all(
      callers.map((caller, index) => {
        const own = keys.filter((_, place) => place % callers.length === index)
        return caller.finish(own.slice(-FINISH_KEYS), this.levelOf, FINAL_TIMEOUT_MS)
      }),
    )
    if (!(await this.until(REST_LIMIT_MS, () => this.isBusy()))) {
      cluster.lives.incident('leak', `when nobody asks for anything: ${this.waitsFor}`)
    }
  }

  /** The highest level at which calls on a key must succeed. */
  private readonly levelOf = (key: string): Level => (this.isDamaged(key) ? 'QUORUM' : 'ALL')

  private stuck(): EndingResult {
    this.cluster.lives.incident('stuck', `after heal: ${this.waitsFor}`)
    return this.result
  }

  /** @param look What is not right yet; undefined when all is. */
  private async until(limitMs: number, look: () => Promise<string | undefined>): Promise<boolean> {
    const endMs = this.nowMs() + limitMs
    while (!this.signal.aborted) {
      const found = await look().catch((error: Error) => error.message)
      if (found === undefined) return true
      this.waitsFor = found
      if (this.nowMs() > endMs) return false
      await sleep(LOOK_EVERY_MS)
    }
    return false
  }

  private doNotServe(): string | undefined {
    const { lives } = this.cluster
    const missing = lives.alive.filter((index) => !lives.nodes[index]!.isServing)
    return missing.length === 0 ? undefined : `${missing.map(nodeName)} do not serve`
  }

  private async statuses(): Promise<Map<number, NodeStatus>> {
    const statuses = await this.cluster.statuses(this.observer)
    const missing = this.cluster.lives.alive.filter((index) => !statuses.has(index))
    if (missing.length > 0) throw new Error(`${missing.map(nodeName)} do not answer`)
    return statuses
  }

  private async doNotSee(): Promise<string | undefined> {
    for (const [index, status] of await this.statuses()) {
      if (!this.seesAll(status)) return `${nodeName(index)} does not see all others`
    }
    return undefined
  }

  private seesAll({ members }: NodeStatus): boolean {
    const { cluster } = this
    const living = cluster.lives.alive.map((index) => cluster.addresses[index])
    const seen = members.filter(({ state, connected }) => state === 'alive' && connected)
    return living.every((address) => seen.some((member) => member.address === address))
  }

  /** Bytes of hints for nodes that live. */
  private hintBytes({ hints }: NodeStatus): number {
    const { cluster } = this
    const living = cluster.lives.alive.map((index) => cluster.addresses[index]!)
    const peers = hints.peers.filter(({ address }) => living.includes(address))
    return peers.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  private async isUnequal(keys: readonly string[], healMs: number): Promise<string | undefined> {
    const statuses = await this.statuses()
    for (const [index, status] of statuses) {
      const hintBytes = this.hintBytes(status)
      if (hintBytes > 0) return `${nodeName(index)} keeps ${hintBytes} bytes of hints`
    }
    // What has a damaged replica cannot be proven, and nobody tells the rest apart.
    if (this.cluster.lives.damaged === undefined) {
      const sinceMs = healMs + this.plan.options.repairLagMs + SESSION_MS
      const ageMs = this.nowMs() - sinceMs
      for (const [index, { repair }] of statuses) {
        const { neverVerified, unverifiedMs, marked, blocked, leads } = repair
        const isOld = leads > 0 && (neverVerified > 0 || unverifiedMs > ageMs)
        if (!isOld && marked === 0 && blocked === 0) continue
        return `${nodeName(index)} has not verified all: ${JSON.stringify(repair)}`
      }
      return undefined
    }
    for (const key of keys) {
      const { votes } = await this.votesOf(key)
      if (!isConverged(votes)) return `replicas of ${key} differ`
    }
    return undefined
  }

  private isDamaged(key: string): boolean {
    const { damaged } = this.cluster.lives
    if (damaged === undefined) return false
    const { replicas } = this.observer.where(key)
    return replicas.some(({ address }) => address === this.cluster.addresses[damaged])
  }

  private async writeVotes(keys: readonly string[]): Promise<void> {
    const { history } = this
    await this.each(keys, async (key) => {
      history.finalVotes.push(await this.votesOf(key))
    })
    for (const [index, status] of await this.cluster.statuses(this.observer)) {
      history.finalNodes.push({
        node: nodeName(index),
        epoch: status.epoch,
        hintBytes: this.hintBytes(status),
        seesAll: this.seesAll(status),
      })
    }
  }

  private async votesOf(key: string): Promise<FinalVotes> {
    const { order } = this.recorder
    const { votes } = await this.observer.explain(key, { timeoutMs: FINAL_TIMEOUT_MS })
    const states = votes.map(({ address, state, stamp, valueBytes, expiryMs, provenMs }) => {
      if (state === 'silent') throw new Error(`${address} does not vote on ${key}`)
      return {
        node: nodeName(this.cluster.addresses.indexOf(address)),
        state: state === 'refused' ? ('damaged' as const) : state,
        stamp: stamp === null ? null : orderOf(stamp),
        // Not all bytes of the cell travel with a vote.
        digest: valueBytes * 31 + expiryMs,
        provenMs,
      }
    })
    return { key, stage: 'alone', atMs: this.nowMs(), order, votes: states }
  }

  /** What is equal by itself already: a repair that is asked for must find nothing. */
  private async repair(): Promise<void> {
    const { result, cluster, observer, signal } = this
    const summary = await observer.repair({ timeoutMs: FINAL_TIMEOUT_MS, signal })
    result.repair = summary
    const { total, verified, differed, cells, failures } = summary
    if (cluster.lives.damaged !== undefined || result.convergenceMs === undefined) return
    if (verified === total && differed === 0) return
    cluster.lives.incident(
      'convergence',
      `all was verified, then a repair verified ${verified} of ${total} partitions, found ` +
        `${differed} to differ and copied ${cells} cells: ${JSON.stringify(failures)}`,
    )
  }

  private async isBusy(): Promise<string | undefined> {
    for (const [index, { operationsInFlight }] of await this.statuses()) {
      if (operationsInFlight > 0) return `${operationsInFlight} requests on ${nodeName(index)}`
    }
    return undefined
  }

  private async each<T>(
    items: readonly T[],
    run: (item: T, index: number) => Promise<unknown>,
  ): Promise<void> {
    let next = 0
    const worker = async () => {
      while (next < items.length && !this.signal.aborted) {
        const index = next
        next += 1
        await run(items[index]!, index)
      }
    }
    await Promise.all(Array.from({ length: WINDOW }, worker))
  }
}
