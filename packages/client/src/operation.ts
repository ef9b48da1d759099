import {
  CassioError,
  type ControlMethod,
  type ErrorDetails,
  MessageType,
  type NodeCause,
} from '@cassiopeia/protocol'
import type { AnswerShape } from './answers'
import { AWAKE, type Sleeper } from './deadline-queue'
import type { NodeConnection } from './node-connection'
import type { PoolNode } from './pool-node'
import { Reluctance, type RoutableRequest } from './routing-policy'

/** Causes kept for a call's error; a call that was refused more often names the first ones. */
const CAUSES_MAX = 16

/** One request of an operation to one node. */
export class Attempt {
  /** False while the request waits for the turn's write; then `id` and `sentMs` mean nothing. */
  isSent = false
  id = 0
  sentMs = 0
  /** Of the cluster map that it was sent by. */
  epoch = 0
  /** By this process's clock: the node drops the request, and never begins it, after this. */
  deadlineMs = 0
  /** Neither an answer nor silence matters any more. */
  isOver = false
  /** The operation's next older attempt that is out. */
  older: Attempt | undefined

  constructor(
    readonly operation: Operation,
    readonly node: PoolNode,
    readonly connection: NodeConnection,
  ) {}
}

/** A GET or PUT to be laid out, or the words of a control call. */
export type Body =
  | { readonly type: typeof MessageType.GET | typeof MessageType.PUT; readonly bytes: Buffer }
  | {
      readonly type: typeof MessageType.CALL
      readonly method: ControlMethod
      readonly params: unknown
    }

/** Where the promise of a call and its signal lead. */
export interface Caller {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
}

/** What an operation without a request under way is waiting for. */
export type WaitingFor = 'connection' | 'map' | 'pause'

/** Bytes that a control call is taken for; they are few and small. */
const CALL_BYTES = 1024

/**
 * One call of the API while it is under way: what was asked, the requests that are out for it, and
 * what the nodes have said so far. The dispatcher decides; this only remembers.
 */
export class Operation implements Sleeper, RoutableRequest<PoolNode> {
  wakeMs = AWAKE.wakeMs
  place = AWAKE.place
  isDone = false
  /** The newest request that is out; the others follow by `older`. Writes have one at most. */
  newest: Attempt | undefined
  /** Requests sent so far. */
  sentCount = 0
  pauses = 0
  /** No request before this. */
  resumeMs = 0
  waiting: WaitingFor | 'nothing' = 'nothing'
  /** Some node may have applied this write, or may do so yet. */
  mayBeApplied = false
  /** The last answer CASSIO_TIMEOUT: it says how far the write got. */
  timeout: CassioError | undefined
  /** The last refusal of the kind that sends us to another node. */
  refusal: CassioError | undefined
  private refusedBy: PoolNode[] | undefined
  private lastNode: PoolNode | undefined
  private causes: NodeCause[] | undefined

  /** When the caller wants an answer at the latest. */
  readonly deadlineMs: number

  constructor(
    readonly body: Body,
    /** The key's hash; -1 when any node will do. */
    readonly hash: number,
    readonly level: number,
    readonly shape: AnswerShape,
    startedMs: number,
    readonly timeoutMs: number,
    /** The one node that can answer, for calls about a node. */
    readonly target: PoolNode | undefined,
    private readonly caller: Caller,
  ) {
    this.deadlineMs = startedMs + timeoutMs
  }

  get signal(): AbortSignal | undefined {
    return this.caller.signal
  }

  resolve(answer: unknown): void {
    this.caller.resolve(answer)
  }

  reject(error: CassioError): void {
    this.caller.reject(error)
  }

  /** The key of a read. */
  get key(): Buffer | undefined {
    return this.body.type === MessageType.GET ? this.body.bytes : undefined
  }

  get isWrite(): boolean {
    return this.body.type === MessageType.PUT
  }

  /** Whether it makes sense only to a cluster that has formed. */
  get needsMap(): boolean {
    const { body } = this
    return body.type !== MessageType.CALL || (body.method !== 'map' && body.method !== 'status')
  }

  get bytes(): number {
    return this.body.type === MessageType.CALL ? CALL_BYTES : this.body.bytes.length
  }

  get verb(): string {
    if (this.body.type === MessageType.CALL) return this.body.method
    return this.isWrite ? 'the write' : 'the read'
  }

  /** How many requests are out. */
  get outCount(): number {
    let count = 0
    for (let each = this.newest; each !== undefined; each = each.older) count += 1
    return count
  }

  begin(attempt: Attempt): void {
    attempt.older = this.newest
    this.newest = attempt
    this.lastNode = attempt.node
  }

  end(attempt: Attempt): void {
    if (this.newest === attempt) {
      this.newest = attempt.older
      return
    }
    let younger = this.newest
    while (younger !== undefined && younger.older !== attempt) younger = younger.older
    if (younger !== undefined) younger.older = attempt.older
  }

  refuse(node: PoolNode, error: CassioError): void {
    this.refusal = error
    this.refusedBy ??= []
    this.refusedBy.push(node)
  }

  note(node: string, error: CassioError): void {
    const { code, message } = error
    if (error.causes.length === 0) this.addCause({ node, code, message })
    for (const cause of error.causes) {
      // Several coordinators may say the same of one replica: the newest of it is enough.
      this.causes = this.causes?.filter(
        (each) => each.node !== cause.node || each.code !== cause.code,
      )
      this.addCause(cause)
    }
  }

  reluctance(node: PoolNode): Reluctance {
    if (this.refusedBy?.includes(node)) return Reluctance.never
    for (let each = this.newest; each !== undefined; each = each.older) {
      if (each.node === node) return Reluctance.never
    }
    return node === this.lastNode ? Reluctance.some : Reluctance.none
  }

  get outcome(): 'none' | 'unknown' {
    const isOut = this.isWrite && this.newest?.isSent === true
    return this.mayBeApplied || isOut ? 'unknown' : 'none'
  }

  /** What is known of the operation, for the error that ends it. */
  failure(
    code: CassioError['code'],
    message: string,
    details: ErrorDetails = {},
    cause?: unknown,
  ): CassioError {
    const causes = [...(this.causes ?? []), ...(details.causes ?? [])].slice(0, CAUSES_MAX)
    const applied = details.applied === 'unknown' ? 'unknown' : this.outcome
    return new CassioError(
      code,
      message,
      { ...details, applied, causes },
      cause === undefined ? undefined : { cause },
    )
  }

  /** A node's own error, with what the operation knows added to it. */
  failureFrom(error: CassioError, message = error.message): CassioError {
    const { code, received, required, stamp, applied } = error
    const details = {
      applied,
      ...(received === undefined ? {} : { received }),
      ...(required === undefined ? {} : { required }),
      ...(stamp === undefined ? {} : { stamp }),
    }
    return this.failure(code, message, details, error.cause)
  }

  private addCause(cause: NodeCause): void {
    this.causes ??= []
    if (this.causes.length < CAUSES_MAX) this.causes.push(cause)
  }
}
