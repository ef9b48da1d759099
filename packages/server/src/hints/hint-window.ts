import { cellSize } from '@cassiopeia/protocol'
import type { HintBatch } from './hint-file-reader'
import { HINT_HEADER_BYTES } from './hint-format'

/** What has become of a hint in the window. */
export const HintState = Object.freeze({ waiting: 0, sent: 1, settled: 2 })
export type HintState = (typeof HintState)[keyof typeof HintState]

/** Whose hint an answer settles. */
export interface HintSender {
  onAnswer(hint: WindowHint, outcome: number): void
}

/** A hint that its member has been sent, or is to be sent next. */
export class WindowHint {
  state: HintState = HintState.waiting
  token = -1
  sentMs = 0

  /** @param at Where it begins in the batch's buffer. */
  constructor(
    readonly sender: HintSender,
    readonly batch: HintBatch,
    readonly index: number,
    private readonly at: number,
  ) {}

  get partition(): number {
    return this.batch.buffer.readUInt32BE(this.at)
  }

  get cellAt(): number {
    return this.at + HINT_HEADER_BYTES
  }

  get bytes(): number {
    return cellSize(this.batch.buffer, this.cellAt)
  }
}

const TOKENS = 2 ** 31

/**
 * The hints in flight to all members, by the token that their answer brings back. A token is used again
 * only after all others have been, so that a late answer does not settle somebody else's hint.
 */
export class HintTokens {
  private readonly inFlight = new Map<number, WindowHint>()
  private last = 0

  give(hint: WindowHint): void {
    do this.last = (this.last + 1) % TOKENS
    while (this.inFlight.has(this.last))
    hint.token = this.last
    this.inFlight.set(hint.token, hint)
  }

  /** The hint that was sent with a token, which is not in flight any more. */
  take(token: number): WindowHint | undefined {
    const hint = this.inFlight.get(token)
    if (hint !== undefined) this.forget(hint)
    return hint
  }

  forget(hint: WindowHint): void {
    this.inFlight.delete(hint.token)
    hint.token = -1
  }
}
