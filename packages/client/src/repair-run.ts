import type { Ports } from '@cassiopeia/env'
import { CassioError, type RepairParams, type RepairProgress } from '@cassiopeia/protocol'
import { abortedError } from './failures'
import {
  failureOf,
  leftOver,
  NO_PROGRESS,
  type RepairReport,
  type RepairShare,
  type RepairSummary,
  readProgress,
  reportOf,
  summaryOf,
} from './repair-summary'

/** Between two questions to a node: the pause doubles from the one to the other. */
const POLL_MS_MIN = 50
const POLL_MS_MAX = 1_000
/** Questions in a row without an answer until a node counts as lost. */
const POLL_ATTEMPTS_MAX = 3
/** A node that is told to stop has so long to confirm it. */
const STOP_TIMEOUT_MS = 2_000

export interface RepairRunPorts {
  readonly timers: Ports['timers']
  /** Sends `repair` to the node at a member's address. */
  ask(
    address: string,
    params: RepairParams,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown>
  /** The client was disconnected. */
  isClosed(): boolean
}

export interface RepairRunOptions {
  /** HOST:PORT of the members. */
  readonly addresses: readonly string[]
  /** All partitions when undefined. */
  readonly partitions: readonly number[] | undefined
  /** How many those are. */
  readonly wanted: number
  /** For each question to a node. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((report: RepairReport) => void) | undefined
}

interface NodeRun extends RepairShare {
  /** It was told to start, and has not said yet that it is done. */
  isOurs: boolean
  /** Why it did not take part to the end. */
  error: CassioError | undefined
}

/**
 * One repair of the cluster: every member is told to start and asked how far it is, until all are done
 * or lost. Each of them repairs the partitions that it leads.
 */
export class RepairRun {
  private readonly nodes: readonly NodeRun[]
  /** Ends the questions that are out. */
  private readonly aborter = new AbortController()
  private readonly wakeUps = new Set<() => void>()
  private readonly stops: Promise<unknown>[] = []
  /** Why the whole was ended early. */
  private failure: { readonly error: unknown } | undefined

  constructor(
    private readonly options: RepairRunOptions,
    private readonly ports: RepairRunPorts,
  ) {
    this.nodes = options.addresses.map((address) => ({
      address,
      progress: NO_PROGRESS,
      isOver: false,
      isWaiting: false,
      isOurs: false,
      failures: [],
      error: undefined,
    }))
  }

  /** @throws CassioError what `CassioClient.repair` throws; and what `onProgress` throws. */
  async run(): Promise<RepairSummary> {
    const { signal, wanted } = this.options
    if (signal?.aborted) throw abortedError('none', signal)
    const onAbort = () => this.stop(abortedError('none', signal!))
    signal?.addEventListener('abort', onAbort)
    const following = this.nodes.map((node) => this.follow(node).catch((error) => this.stop(error)))
    await Promise.all(following)
    signal?.removeEventListener('abort', onAbort)
    await Promise.all(this.stops)
    if (this.failure !== undefined) throw this.failure.error
    if (this.nodes.every(({ error, progress }) => error && progress === NO_PROGRESS)) {
      throw this.nobodyError()
    }
    return summaryOf(this.nodes, wanted)
  }

  /** Also where nobody waits for the answers any more, the nodes are told at once. */
  private stop(error: unknown): void {
    if (this.failure !== undefined) return
    this.failure = { error }
    this.aborter.abort(error)
    const timeoutMs = Math.min(this.options.timeoutMs, STOP_TIMEOUT_MS)
    for (const node of this.nodes) {
      if (!node.isOurs) continue
      const stopped = this.ports.ask(node.address, { action: 'stop' }, timeoutMs, undefined)
      this.stops.push(stopped.catch(() => {}))
    }
    for (const wakeUp of [...this.wakeUps]) wakeUp()
  }

  /** @throws what ends the whole; what is wrong with one node is noted. */
  private async follow(node: NodeRun): Promise<void> {
    try {
      node.progress = await this.start(node)
      await this.untilDone(node)
    } catch (error) {
      const isOfNode = error instanceof CassioError && this.failure === undefined
      if (!isOfNode || this.ports.isClosed()) throw error
      node.failures = [failureOf(node, error, node.progress !== NO_PROGRESS)]
      node.error = error
    }
    node.isOurs = false
    node.isWaiting = false
    node.isOver = true
    this.report()
  }

  /** A node has one run at a time: an earlier one, of whomever, is waited for. */
  private async start(node: NodeRun): Promise<RepairProgress> {
    const { partitions, wanted } = this.options
    const params: RepairParams = { action: 'start', ...(partitions && { partitions }) }
    for (;;) {
      let earlier = await this.ask(node, { action: 'progress' })
      while (earlier.running) {
        node.isWaiting = true
        this.report()
        await this.pause(POLL_MS_MAX)
        earlier = await this.poll(node)
      }
      node.isWaiting = false
      node.isOurs = true
      const begun = await this.ask(node, params)
      // Somebody else may have been quicker.
      if (begun.done === 0 && begun.total <= wanted) return begun
      node.isOurs = false
      await this.pause(POLL_MS_MAX)
    }
  }

  private async untilDone(node: NodeRun): Promise<void> {
    const { address } = node
    for (let pauseMs = POLL_MS_MIN; node.progress.running; pauseMs *= 2) {
      this.report()
      await this.pause(Math.min(pauseMs, POLL_MS_MAX))
      const progress = await this.poll(node)
      const { total, done } = node.progress
      if (progress.total !== total || progress.done < done) {
        const reason = 'its run was cut short: the node was started anew, or told to run another'
        node.failures = [{ node: address, reason, partitions: total - done }]
        return
      }
      node.progress = progress
    }
    node.failures = leftOver(node)
  }

  /** As `ask`, with patience: a node may be busy, or come back. */
  private async poll(node: NodeRun): Promise<RepairProgress> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.ask(node, { action: 'progress' })
      } catch (error) {
        if (attempt === POLL_ATTEMPTS_MAX || this.ports.isClosed()) throw error
      }
      await this.pause(POLL_MS_MAX)
    }
  }

  private async ask({ address }: NodeRun, params: RepairParams): Promise<RepairProgress> {
    const { timeoutMs } = this.options
    return readProgress(await this.ports.ask(address, params, timeoutMs, this.aborter.signal))
  }

  /** @throws when the whole is ended meanwhile. */
  private pause(delayMs: number): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure.error)
    return new Promise((resolve, reject) => {
      const wakeUp = (): void => {
        timer.cancel()
        this.wakeUps.delete(wakeUp)
        if (this.failure === undefined) resolve()
        else reject(this.failure.error)
      }
      const timer = this.ports.timers.after(delayMs, wakeUp)
      this.wakeUps.add(wakeUp)
    })
  }

  private report(): void {
    if (this.failure !== undefined) return
    try {
      this.options.onProgress?.(reportOf(this.nodes, this.options.wanted))
    } catch (error) {
      this.stop(error)
    }
  }

  private nobodyError(): CassioError {
    const first = this.nodes[0]!.error!
    const causes = this.nodes.map(({ address: node, error }) => {
      const { code, message } = error!
      return { node, code, message }
    })
    const message = `no node could be told to repair: ${first.message}`
    return new CassioError(first.code, message, { causes }, { cause: first })
  }
}
