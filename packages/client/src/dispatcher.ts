import type { Ports } from '@cassiopeia/env'
import { CassioError, MessageType, type Welcome } from '@cassiopeia/protocol'
import { AbortWatch } from './abort-watch'
import { Alarm } from './alarm'
import { type AnswerShape, readAnswer, readFault } from './answers'
import type { ClusterView } from './cluster-view'
import { ConnectionPool, type PoolOwner, type PoolSettings } from './connection-pool'
import { abortedError, expiredError, overloadedError, unroutableError } from './failures'
import type { NodeConnection } from './node-connection'
import { Attempt, type Body, Operation, type WaitingFor } from './operation'
import type { PoolNode } from './pool-node'
import {
  ATTEMPT_GRACE_MS,
  ATTEMPT_MIN_MS,
  actionAfter,
  attemptLife,
  pauseLength,
  READ_ATTEMPTS_MAX,
  RetryBudget,
} from './retry-policy'
import { RouteTable } from './route-table'
import { chooseNode } from './routing-policy'
import { raiseStamp } from './stamp-floor'
import { TurnFlusher } from './turn-flusher'
import { cellValueBytes } from './values'
import { nextWakeMs, patienceOf } from './wake-policy'

export interface DispatcherSettings extends PoolSettings {
  readonly attemptTimeoutMs: number
  readonly maxInFlight: number
}

export type DispatcherPorts = Pick<Ports, 'clock' | 'timers' | 'random' | 'network'>

/** One call, as the API hands it over. */
export interface Submission {
  readonly body: Body
  readonly hash: number
  readonly level: number
  readonly shape: AnswerShape
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly target: PoolNode | undefined
}

/**
 * Carries calls to nodes and their answers back: chooses a node, hedges slow reads, repeats writes
 * one attempt after the other, and ends every call by its deadline. `routing-policy` and
 * `retry-policy` hold the rules, `Operation` what is known of a call, `ConnectionPool` the nodes,
 * `Alarm` the deadlines, `TurnFlusher` the output of a turn.
 *
 * A write has one living attempt at most. It may be sent again only when the attempt was refused, or
 * answered CASSIO_TIMEOUT, or its own deadline has passed: a node drops what reaches it later.
 */
export class Dispatcher implements PoolOwner {
  readonly pool: ConnectionPool
  inFlight = 0
  private readonly routes: RouteTable
  private readonly alarm: Alarm<Operation>
  private readonly flusher: TurnFlusher
  private readonly budget = new RetryBudget()
  private readonly aborts = new AbortWatch<Operation>((operation) => {
    this.fail(operation, abortedError(operation.outcome, operation.signal!))
  })
  /** Without a request out, until a connection or the map comes. */
  private readonly waiting = new Set<Operation>()
  private turn = 0
  private onIdle: (() => void) | undefined
  private resolve!: (answer: unknown) => void
  private reject!: (error: unknown) => void

  /** @param onMapWanted A node knows another cluster map than we do; `install` may follow. */
  constructor(
    private readonly settings: DispatcherSettings,
    private readonly ports: DispatcherPorts,
    private readonly onMapWanted: () => void,
  ) {
    this.pool = new ConnectionPool(settings, ports, this)
    this.routes = new RouteTable(this.pool)
    this.alarm = new Alarm(ports, (operation, nowMs) => this.wake(operation, nowMs))
    this.flusher = new TurnFlusher(ports, () => this.epoch)
  }

  get view(): ClusterView | undefined {
    return this.routes.view
  }

  /** Of the cluster map in use; 0 while there is none. */
  get epoch(): number {
    return this.routes.view?.epoch ?? 0
  }

  /** Takes a newer cluster map into use; whoever waited for it goes on. */
  install(view: ClusterView): void {
    this.pool.setMap(view.map)
    this.routes.install(view)
    this.resume('map')
  }

  /** @returns a promise that settles by the call's deadline, or a few ticks of 10 ms after it. */
  submit<T>(submission: Submission): Promise<T> {
    const { body, hash, level, shape, signal, timeoutMs, target } = submission
    if (signal?.aborted) return Promise.reject(abortedError('none', signal))
    const { maxInFlight } = this.settings
    // Calls may be waiting for the map, so asking for it must not wait for them.
    const isMapCall = body.type === MessageType.CALL && body.method === 'map'
    if (this.inFlight >= maxInFlight && !isMapCall) {
      return Promise.reject(overloadedError(`${maxInFlight} calls are in flight (maxInFlight)`))
    }
    const nowMs = this.flusher.nowMs()
    const promise = new Promise<unknown>(this.capture)
    const { resolve, reject } = this
    const promised = { resolve, reject, signal }
    const operation = new Operation(body, hash, level, shape, nowMs, timeoutMs, target, promised)
    this.inFlight += 1
    this.budget.earn()
    if (signal !== undefined) this.aborts.add(signal, operation)
    this.dispatch(operation, nowMs)
    return promise as Promise<T>
  }

  /** Ends the calls that wait for what will not come. */
  failWaiting(error: CassioError): void {
    for (const operation of [...this.waiting]) {
      for (const { node, code, message } of error.causes) {
        operation.note(node, new CassioError(code, message))
      }
      this.fail(operation, operation.failureFrom(error))
    }
  }

  /** @returns when no call is in flight; the owner lets no new one in. */
  drain(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.onIdle = resolve
    })
  }

  close(): Promise<void> {
    this.alarm.close()
    return this.pool.close()
  }

  onClusterGone(): void {
    this.routes.install(undefined)
    this.onMapWanted()
  }

  onNodeReady(welcome: Welcome): void {
    this.routes.refresh()
    if (this.view !== undefined && welcome.epoch > this.view.epoch) this.onMapWanted()
    this.resume('connection')
  }

  onNodeLost(error: CassioError, lost: Attempt[]): void {
    this.routes.refresh()
    const nowMs = this.ports.clock.monotonicMs()
    for (const attempt of lost) this.lose(attempt, error, nowMs)
    this.resume('connection')
  }

  onOutput(connection: NodeConnection): void {
    this.flusher.request(connection)
  }

  onSend(attempt: Attempt, nowMs: number): void {
    const { operation, connection } = attempt
    const { deadlineMs, sentCount } = operation
    const { attemptTimeoutMs } = this.settings
    attempt.deadlineMs = operation.isWrite
      ? nowMs +
        attemptLife(deadlineMs - nowMs, attemptTimeoutMs, connection.writeLatencyMs, sentCount)
      : deadlineMs
    if (operation.isWrite && operation.sentCount > 0) {
      raiseStamp((operation.body as { bytes: Buffer }).bytes, this.pool.stampFloor(nowMs))
    }
    operation.sentCount += 1
    this.setAlarm(operation, nowMs)
  }

  onAnswer(attempt: Attempt, type: number, buffer: Buffer, from: number, to: number): void {
    const { operation, connection } = attempt
    const nowMs = connection.receivedMs
    try {
      if (type === MessageType.FAULT) {
        this.onFault(attempt, readFault(buffer.subarray(from, to)), nowMs)
        return
      }
      const answer = readAnswer(operation.shape, operation.key, type, buffer, from, to)
      connection.observeLatency(attempt, nowMs)
      this.finish(operation)
      operation.resolve(answer)
    } catch (error) {
      if (!(error instanceof CassioError)) throw error
      if (error.code === 'CASSIO_CORRUPT') {
        this.fail(operation, error)
        return
      }
      // The connection is closed for it, and the call goes the way of all that were on it.
      this.lose(attempt, error, nowMs)
      throw error
    }
  }

  private readonly capture = (
    resolve: (answer: unknown) => void,
    reject: (error: unknown) => void,
  ): void => {
    this.resolve = resolve
    this.reject = reject
  }

  /** Sends an operation that has no request out; or leaves it waiting, or ends it. */
  private dispatch(operation: Operation, nowMs: number): void {
    this.stopWaiting(operation)
    const leftMs = operation.deadlineMs - nowMs
    if (leftMs < (operation.sentCount > 0 ? ATTEMPT_MIN_MS : 0)) {
      this.fail(operation, expiredError(operation, this.pool))
      return
    }
    if (this.view === undefined && operation.needsMap) {
      this.wait(operation, 'map', operation.deadlineMs, nowMs)
      return
    }
    const node = this.chooseNode(operation, nowMs)
    if (node !== undefined) {
      this.send(operation, node)
      return
    }
    const error = unroutableError(operation, this.pool)
    if (error === undefined) this.wait(operation, 'connection', operation.deadlineMs, nowMs)
    else this.fail(operation, error)
  }

  private chooseNode(operation: Operation, nowMs: number): PoolNode | undefined {
    const { target } = operation
    if (target !== undefined) {
      return chooseNode([this.pool.reachedAs(target)], [], operation, 0, nowMs)
    }
    this.turn = (this.turn + 1) & 0xffff
    const replicas = this.routes.nodesFor(operation.hash)
    return chooseNode(replicas, this.pool.ready, operation, this.turn, nowMs)
  }

  private send(operation: Operation, node: PoolNode): void {
    const connection = node.connection!
    const { body } = operation
    const valueBytes = body.type === MessageType.PUT ? cellValueBytes(body.bytes) : 0
    if (valueBytes > connection.maxValueBytes) {
      const limit = `${node.address} takes at most ${connection.maxValueBytes}`
      const message = `the value has ${valueBytes} bytes; ${limit}`
      this.fail(operation, operation.failure('CASSIO_VALUE_TOO_LARGE', message))
      return
    }
    const attempt = new Attempt(operation, node, connection)
    operation.begin(attempt)
    connection.enqueue(attempt)
  }

  private wait(operation: Operation, waiting: WaitingFor, untilMs: number, nowMs: number): void {
    operation.waiting = waiting
    operation.resumeMs = untilMs
    if (waiting !== 'pause') this.waiting.add(operation)
    this.setAlarm(operation, nowMs)
  }

  private stopWaiting(operation: Operation): void {
    if (operation.waiting === 'nothing') return
    operation.waiting = 'nothing'
    this.waiting.delete(operation)
  }

  private pause(operation: Operation, waiting: WaitingFor, nowMs: number): void {
    const lengthMs = pauseLength(operation.pauses, this.ports.random.unit())
    operation.pauses += 1
    this.wait(operation, waiting, nowMs + lengthMs, nowMs)
  }

  private resume(reason: WaitingFor): void {
    if (this.waiting.size === 0) return
    const nowMs = this.ports.clock.monotonicMs()
    for (const operation of [...this.waiting]) {
      if (operation.waiting === reason) this.dispatch(operation, nowMs)
    }
  }

  private onFault(attempt: Attempt, error: CassioError, nowMs: number): void {
    const { operation, node } = attempt
    const action = actionAfter(error.code)
    const isUnknown = operation.isWrite && error.applied === 'unknown'
    operation.end(attempt)
    operation.note(node.address, error)
    if (isUnknown) operation.mayBeApplied = true
    if (action === 'fail') {
      this.fail(operation, operation.failureFrom(error))
      return
    }
    if (action === 'askAnother') operation.refuse(node, error)
    const hasNewerMap = attempt.epoch !== this.epoch
    if (action === 'refreshMap' && !hasNewerMap) this.onMapWanted()
    if (action === 'repeat') operation.timeout = error
    // A hedge is still at it.
    if (operation.newest !== undefined) return
    if (isUnknown && action !== 'repeat') {
      this.waitOut(attempt, nowMs)
    } else if (action === 'askAnother' || (action === 'refreshMap' && hasNewerMap)) {
      this.dispatch(operation, nowMs)
    } else if (action === 'pauseIfBudget' && !this.budget.spend()) {
      this.fail(operation, operation.failureFrom(error))
    } else if (action === 'repeat') {
      this.repeat(operation, false, nowMs)
    } else {
      this.pause(operation, action === 'refreshMap' ? 'map' : 'pause', nowMs)
    }
  }

  /** The connection went away under a request. */
  private lose(attempt: Attempt, error: CassioError, nowMs: number): void {
    const { operation, node, isSent } = attempt
    operation.end(attempt)
    if (isSent) operation.note(node.address, error)
    if (operation.isWrite && isSent) this.waitOut(attempt, nowMs)
    else if (operation.newest === undefined) this.dispatch(operation, nowMs)
  }

  /** The write may be spreading yet: until the attempt's own deadline nobody else may have it. */
  private waitOut(attempt: Attempt, nowMs: number): void {
    attempt.operation.mayBeApplied = true
    this.wait(attempt.operation, 'pause', attempt.deadlineMs + ATTEMPT_GRACE_MS, nowMs)
  }

  private repeat(operation: Operation, isFree: boolean, nowMs: number): void {
    if (isFree || this.budget.spend()) this.dispatch(operation, nowMs)
    else this.pause(operation, 'pause', nowMs)
  }

  private setAlarm(operation: Operation, nowMs: number): void {
    this.alarm.set(operation, nextWakeMs(operation, this.settings.hedgeAfterMs, nowMs), nowMs)
  }

  private wake(operation: Operation, nowMs: number): void {
    if (operation.isDone) return
    const { newest, deadlineMs } = operation
    if (newest === undefined && nowMs < deadlineMs) {
      if (nowMs >= operation.resumeMs) this.dispatch(operation, nowMs)
    } else if (newest === undefined || nowMs >= deadlineMs + ATTEMPT_GRACE_MS) {
      this.fail(operation, expiredError(operation, this.pool))
    } else if (newest.isSent) {
      if (operation.isWrite) this.wakeWrite(operation, newest, nowMs)
      else this.wakeRead(operation, newest, nowMs)
    }
    if (!operation.isDone) this.setAlarm(operation, nowMs)
  }

  private wakeWrite(operation: Operation, attempt: Attempt, nowMs: number): void {
    const { connection, node, sentMs, deadlineMs } = attempt
    if (nowMs < deadlineMs + ATTEMPT_GRACE_MS) {
      connection.ping()
      return
    }
    const message = `no answer within ${Math.round(deadlineMs - sentMs)} ms`
    operation.mayBeApplied = true
    operation.note(node.address, new CassioError('CASSIO_TIMEOUT', message))
    operation.end(attempt)
    connection.forget(attempt)
    this.repeat(operation, !connection.isResponsive(nowMs), nowMs)
  }

  /** Hedges. Leaving a silent node is free; asking a second one besides a live one has a budget. */
  private wakeRead(operation: Operation, newest: Attempt, nowMs: number): void {
    const { connection, sentMs } = newest
    if (nowMs - sentMs < patienceOf(newest, this.settings.hedgeAfterMs)) return
    const isSilent = !connection.isResponsive(nowMs)
    connection.ping()
    // Control calls may take their time; they move only when the node shows no life at all.
    if (operation.body.type === MessageType.CALL && !isSilent) return
    if (operation.target !== undefined || operation.outCount >= READ_ATTEMPTS_MAX) return
    const node = this.chooseNode(operation, nowMs)
    if (node === undefined || !node.isResponsive(nowMs)) return
    if (isSilent || this.budget.spend()) this.send(operation, node)
  }

  private fail(operation: Operation, error: CassioError): void {
    this.finish(operation)
    operation.reject(error)
  }

  private finish(operation: Operation): void {
    operation.isDone = true
    const { signal } = operation
    if (signal !== undefined) this.aborts.remove(signal, operation)
    this.alarm.cancel(operation)
    this.stopWaiting(operation)
    for (let each = operation.newest; each !== undefined; each = each.older) {
      each.connection.forget(each)
    }
    this.inFlight -= 1
    if (this.inFlight === 0) this.onIdle?.()
  }
}
