import type { Ports, Timer } from '@cassiopeia/env'
import { CassioError, MessageType } from '@cassiopeia/protocol'
import { AnswerShape, protocolError } from './answers'
import { ClusterView } from './cluster-view'
import type { Dispatcher } from './dispatcher'
import { pauseLength } from './retry-policy'

const REFRESH_TIMEOUT_MS = 5_000
/** Rounds of `pauseLength` to begin with: some 100 ms between asking for a map that is not there. */
const FIRST_ROUND = 4
/** A cluster that is starting answers these until it has formed. */
const PASSING: ReadonlySet<string> = new Set([
  'CASSIO_UNAVAILABLE',
  'CASSIO_OVERLOADED',
  'CASSIO_STALE_MAP',
  'CASSIO_CLOSED',
])

/** Fetches the cluster map: once for `connect`, and again whenever a node knows a newer one. */
export class MapKeeper {
  private isRefreshing = false
  private isClosed = false
  private retry: Timer | undefined

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>,
  ) {}

  /**
   * The first map. A cluster that has not formed yet is asked again until the time is up.
   * @throws CassioError what `connect` throws.
   */
  async fetchFirst(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const deadlineMs = this.ports.clock.monotonicMs() + timeoutMs
    let passing: CassioError | undefined
    for (let round = FIRST_ROUND; ; round += 1) {
      const leftMs = deadlineMs - this.ports.clock.monotonicMs()
      const pauseMs = pauseLength(round, this.ports.random.unit())
      try {
        await this.fetch(Math.max(1, leftMs), signal)
        return
      } catch (error) {
        if (!(error instanceof CassioError)) throw error
        // The last attempt may be out of time itself; what was said before tells more.
        if (error.code === 'CASSIO_TIMEOUT' && passing !== undefined) {
          throw notFormed(passing, timeoutMs)
        }
        if (!PASSING.has(error.code)) throw error
        passing = error
        if (leftMs <= pauseMs) throw notFormed(error, timeoutMs)
      }
      await this.sleep(pauseMs)
    }
  }

  /** In the background, one at a time. */
  refresh(): void {
    if (this.isRefreshing || this.isClosed) return
    this.isRefreshing = true
    this.retry?.cancel()
    const done = (): void => {
      this.isRefreshing = false
      // With an old map requests go on, and the next one that is refused for it asks again; without
      // any they wait, and nobody else would ask.
      if (this.dispatcher.view === undefined) this.refreshLater()
    }
    this.fetch(REFRESH_TIMEOUT_MS, undefined).then(done, done)
  }

  close(): void {
    this.isClosed = true
    this.retry?.cancel()
  }

  private refreshLater(): void {
    if (this.isClosed) return
    const pauseMs = pauseLength(FIRST_ROUND, this.ports.random.unit())
    this.retry = this.ports.timers.after(pauseMs, () => this.refresh())
  }

  private async fetch(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const bytes = await this.dispatcher.submit<unknown>({
      body: { type: MessageType.CALL, method: 'map', params: null },
      hash: -1,
      level: 0,
      shape: AnswerShape.result,
      timeoutMs,
      signal,
      target: undefined,
    })
    const view = readView(bytes)
    const current = this.dispatcher.view
    const isOurs = current === undefined || view.map.clusterId === current.map.clusterId
    if (isOurs && view.epoch > (current?.epoch ?? 0)) this.dispatcher.install(view)
  }

  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.ports.timers.after(delayMs, resolve)
    })
  }
}

function readView(bytes: unknown): ClusterView {
  if (!(bytes instanceof Uint8Array)) throw protocolError('the answer is no cluster map')
  try {
    return ClusterView.fromBytes(Buffer.from(bytes))
  } catch (cause) {
    throw protocolError('the cluster map cannot be read', cause)
  }
}

function notFormed(error: CassioError, timeoutMs: number): CassioError {
  const message = `the cluster did not answer within ${Math.round(timeoutMs)} ms: ${error.message}`
  return new CassioError(error.code, message, { causes: error.causes }, { cause: error })
}
