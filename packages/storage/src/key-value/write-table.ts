import { CassioError } from '@cassiopeia/protocol'
import type { WriteSink } from '../store'

type Resolve = () => void
type Reject = (error: CassioError) => void

/**
 * The promises of writes under way, by token: a promise is all that a write allocates. Cells that
 * are given together share a token, and settle once the last of them is answered.
 */
export class WriteTable implements WriteSink {
  private readonly resolves: (Resolve | undefined)[] = []
  private readonly rejects: (Reject | undefined)[] = []
  private readonly unanswered: number[] = []
  private readonly written: number[] = []
  private readonly errors: (CassioError | undefined)[] = []
  private readonly free: number[] = []
  /** What the promise made last was given. */
  private newResolve: Resolve | undefined
  private newReject: Reject | undefined

  /** The token for so many cells, 1 or more, that are about to be given. */
  begin(cells: number): number {
    const token = this.free.pop() ?? this.addToken()
    this.unanswered[token] = cells
    this.written[token] = 0
    return token
  }

  /** The promise of what was begun; once for each token, before the turn ends. */
  promise(token: number): Promise<void> {
    const promise = new Promise<void>(this.takeFunctions)
    this.resolves[token] = this.newResolve
    this.rejects[token] = this.newReject
    return promise
  }

  onWritten(token: number, newest: Buffer | undefined): void {
    if (newest === undefined) this.written[token]! += 1
    else this.errors[token] ??= overtaken()
    this.answer(token)
  }

  onWriteFailed(token: number, error: CassioError): void {
    this.errors[token] ??= error
    // Which of several cells are applied is one question: nobody wants to know of each.
    if (error.applied === 'unknown') this.written[token]! += 1
    this.answer(token)
  }

  private answer(token: number): void {
    const unanswered = this.unanswered[token]! - 1
    this.unanswered[token] = unanswered
    if (unanswered > 0) return
    const resolve = this.resolves[token]!
    const reject = this.rejects[token]!
    const error = this.errors[token]
    // Let go of the promise: the slot may stay free for long.
    this.resolves[token] = undefined
    this.rejects[token] = undefined
    this.errors[token] = undefined
    this.free.push(token)
    if (error === undefined) resolve()
    else reject(this.written[token] === 0 ? error : withUnknown(error))
  }

  private addToken(): number {
    const token = this.resolves.length
    this.resolves.push(undefined)
    this.rejects.push(undefined)
    this.errors.push(undefined)
    this.unanswered.push(0)
    this.written.push(0)
    return token
  }

  /** One function for all promises, instead of a closure for each. */
  private readonly takeFunctions = (resolve: Resolve, reject: Reject): void => {
    this.newResolve = resolve
    this.newReject = reject
  }
}

/** Some of the cells may be there. */
function withUnknown(error: CassioError): CassioError {
  if (error.applied === 'unknown') return error
  return new CassioError(error.code, error.message, { applied: 'unknown' }, { cause: error })
}

function overtaken(): CassioError {
  const message = 'broken invariant: the write met a newer version, but only this store may write'
  return new CassioError('CASSIO_INTERNAL', message)
}
