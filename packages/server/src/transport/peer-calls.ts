import type { Timer, Timers } from '@cassiopeia/env'
import {
  CassioError,
  type ControlMethod,
  decodeFault,
  decodeResult,
  encodeCall,
  MessageType,
  Reply,
} from '@cassiopeia/protocol'
import type { LoopTime } from './loop-time'
import type { PeerLink } from './peer-link'

interface PendingCall {
  readonly peer: PeerLink
  readonly timer: Timer
  readonly resolve: (result: unknown) => void
  readonly reject: (error: CassioError) => void
}

/** Control calls to other nodes, as promises: for scans and explanations, not for the hot path. */
export class PeerCalls {
  private readonly pending = new Map<number, PendingCall>()
  private lastId = 0

  constructor(
    private readonly timers: Timers,
    private readonly time: LoopTime,
  ) {}

  /** @param timeoutMs The promise settles by then. @throws CassioError of the peer, or CASSIO_TIMEOUT. */
  call(
    peer: PeerLink,
    method: ControlMethod,
    params: unknown,
    timeoutMs: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!peer.open) {
        reject(
          peer.lastError ?? new CassioError('CASSIO_CONNECTION', `${peer.name}: not connected`),
        )
        return
      }
      this.lastId = (this.lastId + 1) >>> 0
      const id = this.lastId
      const timer = this.timers.after(timeoutMs, () => {
        this.pending.delete(id)
        reject(new CassioError('CASSIO_TIMEOUT', `${peer.name}: no answer in ${timeoutMs} ms`))
      })
      this.pending.set(id, { peer, timer, resolve, reject })
      const deadline = peer.deadlineFor(this.time.nowMs + timeoutMs)
      peer.link!.send(MessageType.CALL, encodeCall(id, deadline, method, params))
    })
  }

  /** RESULT or FAULT from a peer. */
  onAnswer(peer: PeerLink, type: number, body: Buffer): void {
    if (body.length < Reply.rest) return
    const id = body.readUInt32BE(Reply.id)
    const call = this.pending.get(id)
    if (call?.peer !== peer) return
    this.forget(id, call)
    try {
      if (type === MessageType.RESULT) call.resolve(decodeResult(body))
      else call.reject(decodeFault(body))
    } catch (error) {
      const message = `${peer.name}: ${(error as Error).message}`
      call.reject(new CassioError('CASSIO_PROTOCOL', message, {}, { cause: error }))
    }
  }

  onPeerLost(peer: PeerLink): void {
    for (const [id, call] of this.pending) {
      if (call.peer !== peer) continue
      this.forget(id, call)
      call.reject(new CassioError('CASSIO_CONNECTION', `${peer.name}: the connection was lost`))
    }
  }

  close(): void {
    for (const [id, call] of this.pending) {
      this.forget(id, call)
      call.reject(new CassioError('CASSIO_CLOSED', 'the node is stopping'))
    }
  }

  private forget(id: number, call: PendingCall): void {
    call.timer.cancel()
    this.pending.delete(id)
  }
}
