import type { CassioError } from '@cassiopeia/protocol'
import type { WriteSink } from '../store'

/** Writes refused in this turn. Their sinks hear of it only at its end, never inside `write`. */
export class Refusals {
  private sinks: WriteSink[] = []
  private tokens: number[] = []
  private errors: CassioError[] = []

  add(sink: WriteSink, token: number, error: CassioError): void {
    this.sinks.push(sink)
    this.tokens.push(token)
    this.errors.push(error)
  }

  deliver(): void {
    if (this.sinks.length === 0) return
    // A sink may write again at once; that refusal waits for the next turn.
    const { sinks, tokens, errors } = this
    this.sinks = []
    this.tokens = []
    this.errors = []
    for (let i = 0; i < sinks.length; i += 1) sinks[i]!.onWriteFailed(tokens[i]!, errors[i]!)
  }
}
