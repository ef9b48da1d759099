import type { Random, Timer } from '@cassiopeia/env'
import { ReplicaOutcome } from '@cassiopeia/protocol'
import { Backoff } from '../transport/backoff'
import type { HintCursor } from './hint-cursor'
import type { HintLedger } from './hint-ledger'
import type { HintLog, HintPorts } from './hint-log'
import { type HintSender, HintState, type HintTokens, WindowHint } from './hint-window'
import type { HintWriter } from './hint-writer'
import type { HintOwner } from './hints'

/** Hints sent and not settled, counted from the first that is not settled. */
export const WINDOW_HINTS_MAX = 256
/** Their cells; a larger one goes alone. */
export const WINDOW_BYTES_MAX = 1024 * 1024
/** A hint that is not answered for so long is sent again. */
const ANSWER_TIMEOUT_MS = 5_000
const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 5_000
/** A place in a file that cannot be read is tried so often. */
const LOAD_ATTEMPTS = 8

export interface HintReplayParts {
  readonly log: HintLog
  readonly writer: HintWriter
  readonly cursor: HintCursor
  readonly tokens: HintTokens
  readonly ledger: HintLedger
  readonly owner: HintOwner
  readonly ports: HintPorts & { readonly random: Random }
  readonly hintAgeMaxMs: number
}

/**
 * Sends one member the hints kept for it, in order, a window at a time. Whatever happens calls `pump`,
 * which looks at where things stand and does what can be done.
 */
export class HintReplay implements HintSender {
  /** In the order of the files. The first is never a settled one when `pump` has run. */
  private readonly window: WindowHint[] = []
  private windowBytes = 0
  /** Of those in the window. */
  private waiting = 0
  private inFlight = 0
  private readonly backoff: Backoff
  private pause: Timer | undefined
  /** The pause ends when the member may have come back. */
  private isPauseSoft = false
  private isLoading = false
  private failedLoads = 0
  private isPumping = false
  private mustPumpAgain = false
  private isClosed = false

  constructor(
    private readonly memberId: string,
    private readonly parts: HintReplayParts,
  ) {
    this.backoff = new Backoff(BACKOFF_MIN_MS, BACKOFF_MAX_MS, parts.ports.random)
  }

  /** When the oldest hint was kept, or some time before; undefined without any. */
  get oldestMs(): number | undefined {
    return (
      this.window[0]?.batch.keptMs ?? this.parts.cursor.oldestMs() ?? this.parts.writer.pendingMs
    )
  }

  onAnswer(hint: WindowHint, outcome: number): void {
    this.inFlight -= 1
    if (isSettling(outcome)) {
      hint.state = HintState.settled
      if (outcome < ReplicaOutcome.overloaded) this.parts.ledger.onReplayed()
      else this.parts.ledger.onRefused()
      this.backoff.reset()
    } else {
      hint.state = HintState.waiting
      this.waiting += 1
      this.stop(false)
    }
    this.pump()
  }

  onPeerLost(): void {
    if (this.inFlight === 0) return
    this.recall()
    this.stop(true)
    this.pump()
  }

  /** The member may have come back. */
  wake(): void {
    // An owner that wakes from inside `sendHint`, and refuses, would be asked for ever.
    if (this.isPumping) return
    if (this.isPauseSoft) this.goOn()
    this.pump()
  }

  /** From time to time: sees what has become late, or old. */
  tick(): void {
    const lateMs = this.parts.ports.clock.monotonicMs() - ANSWER_TIMEOUT_MS
    if (this.inFlight > 0 && this.recall(lateMs) > 0) this.stop(false)
    this.pump()
  }

  close(): void {
    this.recall()
    this.goOn()
    this.isClosed = true
    this.parts.cursor.release()
  }

  /** The owner's methods may call it back from inside: then it looks once more. */
  readonly pump = (): void => {
    this.mustPumpAgain = true
    if (this.isPumping) return
    this.isPumping = true
    while (this.mustPumpAgain && !this.isClosed) {
      this.mustPumpAgain = false
      this.step()
    }
    this.isPumping = false
  }

  private step(): void {
    const { owner, ports, hintAgeMaxMs } = this.parts
    const oldestMs = ports.clock.wallMs() - hintAgeMaxMs
    this.shrinkWindow()
    if (!owner.isLive(this.memberId)) this.rest(oldestMs)
    else if (this.pause === undefined) this.send(oldestMs)
    this.tidy()
  }

  /** The settled hints at the window's front leave it. */
  private shrinkWindow(): void {
    const { window } = this
    while (window[0]?.state === HintState.settled) this.windowBytes -= window.shift()!.bytes
  }

  private send(oldestMs: number): void {
    if (this.waiting > 0 && !this.sendWaiting(oldestMs)) return
    const { cursor } = this.parts
    while (this.window.length < WINDOW_HINTS_MAX) {
      if (!cursor.toHint()) {
        if (!cursor.isAtEnd) this.load()
        return
      }
      const hint = new WindowHint(this, cursor.batch!, cursor.index, cursor.at)
      if (hint.batch.keptMs < oldestMs) {
        this.parts.ledger.onExpired(hint.partition)
        cursor.pass()
        continue
      }
      const { bytes } = hint
      if (this.windowBytes > 0 && this.windowBytes + bytes > WINDOW_BYTES_MAX) return
      cursor.pass()
      this.window.push(hint)
      this.windowBytes += bytes
      this.waiting += 1
      if (!this.trySend(hint)) return
    }
  }

  /** Sends what the member has refused, or not answered. @returns false when it takes no more now. */
  private sendWaiting(oldestMs: number): boolean {
    for (const hint of this.window) {
      if (hint.state !== HintState.waiting) continue
      if (hint.batch.keptMs < oldestMs) {
        hint.state = HintState.settled
        this.waiting -= 1
        this.parts.ledger.onExpired(hint.partition)
      } else if (!this.trySend(hint)) {
        return false
      }
    }
    this.shrinkWindow()
    return true
  }

  private trySend(hint: WindowHint): boolean {
    const { owner, tokens, ports } = this.parts
    tokens.give(hint)
    hint.state = HintState.sent
    hint.sentMs = ports.clock.monotonicMs()
    this.waiting -= 1
    this.inFlight += 1
    const { token } = hint
    if (owner.sendHint(this.memberId, token, hint.batch.buffer, hint.cellAt)) return true
    // What is false may have been preceded by the loss of the connection, and all in flight recalled.
    if (hint.token === token) {
      this.takeBack(hint)
      if (this.inFlight === 0) this.stop(true)
    }
    return false
  }

  /** Nobody will answer what was sent by then. @returns how many hints that is. */
  private recall(sentMsMax = Number.POSITIVE_INFINITY): number {
    let recalled = 0
    for (const hint of this.window) {
      if (hint.state !== HintState.sent || hint.sentMs > sentMsMax) continue
      this.takeBack(hint)
      recalled += 1
    }
    return recalled
  }

  private takeBack(hint: WindowHint): void {
    this.parts.tokens.forget(hint)
    hint.state = HintState.waiting
    this.inFlight -= 1
    this.waiting += 1
  }

  /** Sends nothing for a while. */
  private stop(isSoft: boolean): void {
    if (!isSoft) this.isPauseSoft = false
    if (this.pause !== undefined || this.isClosed) return
    this.isPauseSoft = isSoft
    this.pause = this.parts.ports.timers.after(this.backoff.next(), () => {
      this.goOn()
      this.pump()
    })
  }

  private goOn(): void {
    this.pause?.cancel()
    this.pause = undefined
    this.isPauseSoft = false
  }

  /** The member is away: nothing of its hints is held in memory, and those that are too old go. */
  private rest(oldestMs: number): void {
    const { cursor, ledger } = this.parts
    const [first] = this.window
    if (first !== undefined) {
      this.recall()
      cursor.rewind(first.batch, first.index)
      this.window.length = 0
      this.windowBytes = 0
      this.waiting = 0
    }
    while ((cursor.oldestMs() ?? oldestMs) < oldestMs) {
      if (!cursor.toHint()) {
        if (cursor.isAtEnd) break
        if (this.pause === undefined) this.load()
        return
      }
      // It may be younger than was known.
      const { batch, at } = cursor
      if (batch!.keptMs >= oldestMs) break
      ledger.onExpired(batch!.buffer.readUInt32BE(at))
      cursor.pass()
    }
    cursor.release()
  }

  /** Files of which all hints are settled are removed. */
  private tidy(): void {
    const { log, cursor, writer } = this.parts
    const [first] = this.window
    if (first !== undefined) {
      log.removeBelow(first.batch.file.number)
    } else if (!cursor.isAtEnd || !writer.isIdle || log.fileAfter(cursor.fileNumber)) {
      log.removeBelow(cursor.fileNumber)
    } else {
      writer.endTail()
      cursor.release()
      log.removeBelow(Number.POSITIVE_INFINITY)
    }
  }

  private load(): void {
    if (this.isLoading) return
    this.isLoading = true
    void this.parts.cursor.load().then(this.onLoaded, this.onLoadFailed)
  }

  private readonly onLoaded = (): void => {
    this.isLoading = false
    this.failedLoads = 0
    this.pump()
  }

  private readonly onLoadFailed = (error: Error): void => {
    this.isLoading = false
    this.failedLoads += 1
    if (this.isClosed) return
    if (this.failedLoads >= LOAD_ATTEMPTS) {
      this.failedLoads = 0
      this.parts.cursor.giveUp(error.message)
    } else {
      this.stop(false)
    }
    this.pump()
  }
}

function isSettling(outcome: number): boolean {
  switch (outcome) {
    case ReplicaOutcome.applied:
    case ReplicaOutcome.dominated:
    case ReplicaOutcome.settled:
    case ReplicaOutcome.fenced:
    case ReplicaOutcome.invalid:
      return true
    default:
      return false
  }
}
