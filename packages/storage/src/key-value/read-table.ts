import type { Clock } from '@cassiopeia/env'
import type { CassioError } from '@cassiopeia/protocol'
import { invariant } from '../invariant'
import type { ReadSink } from '../store'
import { isLive } from './live-value'

/** What a read gives: `pick` of a live cell, valid during the call only, or of none. */
export type PickAnswer<Answer> = (cell: Buffer | undefined, at: number) => Answer

type Resolve<Answer> = (answer: Answer) => void
type Reject = (error: CassioError) => void

const NONE = -1

/**
 * Reads under way, by token. One that is answered within the call, as from memory, needs no slot but
 * its token; a later answer finds its promise here.
 */
export class ReadTable<Answer> implements ReadSink {
  private readonly resolves: (Resolve<Answer> | undefined)[] = []
  private readonly rejects: (Reject | undefined)[] = []
  private readonly free: number[] = []
  /** The read that is being called, until it is answered. */
  private current = NONE
  private currentAnswer: Answer | undefined
  private currentError: CassioError | undefined
  private newResolve: Resolve<Answer> | undefined
  private newReject: Reject | undefined

  constructor(
    private readonly clock: Clock,
    private readonly pick: PickAnswer<Answer>,
  ) {}

  /** The token of a read that is about to be called; `promise` or `takeAnswer` must follow. */
  begin(): number {
    const token = this.free.pop() ?? this.addToken()
    this.current = token
    return token
  }

  /** After the call of `read`. */
  promise(token: number): Promise<Answer> {
    if (this.current === NONE) {
      this.free.push(token)
      return this.currentError === undefined
        ? Promise.resolve(this.takeCurrent())
        : Promise.reject(this.takeError())
    }
    this.current = NONE
    const promise = new Promise<Answer>(this.takeFunctions)
    this.resolves[token] = this.newResolve
    this.rejects[token] = this.newReject
    return promise
  }

  /** After the call of `readSync`. @throws what the read failed with. */
  takeAnswer(token: number): Answer {
    invariant(this.current === NONE, 'a synchronous read was not answered')
    this.free.push(token)
    if (this.currentError !== undefined) throw this.takeError()
    return this.takeCurrent()
  }

  onRead(token: number, cell: Buffer | undefined, at: number): void {
    const isThere = cell !== undefined && isLive(cell, at, this.clock)
    const answer = this.pick(isThere ? cell : undefined, at)
    if (token === this.current) {
      this.current = NONE
      this.currentAnswer = answer
      return
    }
    const resolve = this.resolves[token]!
    this.release(token)
    resolve(answer)
  }

  onReadFailed(token: number, error: CassioError): void {
    if (token === this.current) {
      this.current = NONE
      this.currentError = error
      return
    }
    const reject = this.rejects[token]!
    this.release(token)
    reject(error)
  }

  private takeCurrent(): Answer {
    const answer = this.currentAnswer as Answer
    this.currentAnswer = undefined
    return answer
  }

  private takeError(): CassioError {
    const error = this.currentError!
    this.currentError = undefined
    return error
  }

  private release(token: number): void {
    this.resolves[token] = undefined
    this.rejects[token] = undefined
    this.free.push(token)
  }

  private addToken(): number {
    this.rejects.push(undefined)
    return this.resolves.push(undefined) - 1
  }

  private readonly takeFunctions = (resolve: (answer: Answer) => void, reject: Reject): void => {
    this.newResolve = resolve
    this.newReject = reject
  }
}
