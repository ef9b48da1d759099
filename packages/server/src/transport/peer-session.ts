import {
  Call,
  CassioError,
  decodeCall,
  encodeFault,
  encodeResult,
  type Hello,
  MessageType,
} from '@cassiopeia/protocol'
import type { ReplicaService } from '../replica/replica-service'
import type { Link, LinkOwner } from './link'

/** Where a peer's requests and rumours go. */
export interface PeerSessionOwner {
  readonly replica: ReplicaService
  onGossip(address: string, body: Buffer): void
  onFounding(address: string, body: Buffer): void
  nowMs(): number
  /** @throws CassioError which is sent back as the answer. */
  onPeerCall(method: string, params: unknown): Promise<unknown>
}

/** A connection that another node has dialled: its questions come in, the answers go out. */
export class PeerSession implements LinkOwner {
  private readonly address: string

  constructor(
    private readonly link: Link,
    hello: Hello,
    private readonly owner: PeerSessionOwner,
  ) {
    this.address = hello.address!
  }

  onMessage(type: number, buffer: Buffer, from: number, to: number): void {
    if (type === MessageType.WRITE) {
      this.owner.replica.onWriteRequest(this.link, buffer, from, to)
    } else if (type === MessageType.READ) {
      this.owner.replica.onReadRequest(this.link, buffer, from, to)
    } else {
      this.onRareMessage(type, buffer.subarray(from, to))
    }
  }

  /** What its requests are still waiting for is dropped when the answer meets a closed link. */
  onLinkClosed(): void {}

  private onRareMessage(type: number, body: Buffer): void {
    try {
      if (type === MessageType.GOSSIP) this.owner.onGossip(this.address, body)
      else if (type === MessageType.FOUNDING) this.owner.onFounding(this.address, body)
      else if (type === MessageType.CALL) this.onCall(body)
      // A message of a later version's peer is none of ours.
    } catch (error) {
      if (error instanceof CassioError) this.link.reject(error)
      else if (error instanceof RangeError) {
        this.link.reject(new CassioError('CASSIO_PROTOCOL', error.message))
      } else throw error
    }
  }

  private onCall(body: Buffer): void {
    if (body.length < Call.rest) throw new RangeError('a call is too short')
    const { method, params } = decodeCall(body)
    const id = body.readUInt32BE(Call.id)
    // Work past its deadline is dropped: the asker has given up already.
    if (!(this.owner.nowMs() <= body.readDoubleBE(Call.deadline))) return
    void answerCall(this.link, id, this.owner.onPeerCall(method, params))
  }
}

/** Sends the outcome of a control call; never rejects. */
export async function answerCall(link: Link, id: number, outcome: Promise<unknown>): Promise<void> {
  try {
    const result = encodeResult(id, await outcome)
    if (!link.hasRoomFor(result.length)) {
      throw new CassioError('CASSIO_OVERLOADED', 'answers that were not read yet are waiting')
    }
    link.send(MessageType.RESULT, result)
  } catch (error) {
    const failure =
      error instanceof CassioError
        ? error
        : new CassioError('CASSIO_INTERNAL', `the call failed: ${(error as Error).message}`)
    link.send(MessageType.FAULT, encodeFault(id, failure))
  }
}
