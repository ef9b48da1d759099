import type { Ports } from '@cassiopeia/env'
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
    for (let round = FIRST_ROUND; ; round += 1) {
      const leftMs = deadlineMs - this.ports.clock.monotonicMs()
      const pauseMs = pauseLength(round, this.ports.random.unit())
      try {
        await this.fetch(Math.max(1, leftMs), signal)
        return
      } catch (error) {
        if (!(error instanceof CassioError) || !PASSING.has(error.code)) throw error
        if (leftMs <= pauseMs) throw notFormed(error, timeoutMs)
      }
      await this.sleep(pauseMs)
    }
  }

  /** In the background, one at a time. */
  refresh(): void {
    if (this.isRefreshing) return
    this.isRefreshing = true
    const done = (): void => {
      this.isRefreshing = false
    }
    // A map that cannot be had now is asked for again by the next node that misses it in a request.
    this.fetch(REFRESH_TIMEOUT_MS, undefined).then(done, done)
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
    if (current === undefined || view.epoch > current.epoch) this.dispatcher.install(view)
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
  const message = `the cluster did not answer within ${timeoutMs} ms: ${error.message}`
  return new CassioError(error.code, message, { causes: error.causes }, { cause: error })
}
