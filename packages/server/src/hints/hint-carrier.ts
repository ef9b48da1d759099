import type { Ports } from '@cassiopeia/env'
import { ReplicaAnswer, type ReplicaOutcome, WriteMode } from '@cassiopeia/protocol'
import { sendCell } from '../coordinator/replica-channel'
import type { ClusterView } from '../topology/cluster-view'
import type { LoopTime } from '../transport/loop-time'
import type { HintOwner, Hints } from './hints'

/** Slots from here on are hints' tokens; the coordinator's operations have those below. */
const FIRST_SLOT = 2 ** 31
/** Time for a replica to take a hint. */
const HINT_MS = 5_000

/** Takes hints to the members of the cluster map, and their answers back. */
export class HintCarrier implements HintOwner {
  /** Set once the cluster map is known. */
  view: ClusterView | undefined
  hints: Hints | undefined
  onHintDropped: (partition: number) => void = () => {}
  onHintsLost: () => void = () => {}

  constructor(
    private readonly time: LoopTime,
    private readonly buggify: Ports['buggify'],
  ) {}

  isLive(memberId: string): boolean {
    const member = this.memberOf(memberId)
    return member >= 0 && this.view!.isLive(member)
  }

  addressOf(memberId: string): string | undefined {
    return this.view?.map.members.find(({ id }) => id === memberId)?.address
  }

  sendHint(memberId: string, token: number, cell: Buffer, at: number): boolean {
    const member = this.memberOf(memberId)
    const peer = member < 0 ? undefined : this.view!.peers[member]
    if (peer === undefined || this.buggify?.('hints.cannot-send')) return false
    const { epoch } = this.view!.map
    const deadlineMs = this.time.nowMs + HINT_MS
    const slot = FIRST_SLOT + token
    return sendCell(peer, WriteMode.hint, slot, 0, epoch, deadlineMs, cell, at)
  }

  /** @returns whether the WRITE_ACK is for a hint. */
  onWriteAck(buffer: Buffer, from: number, to: number): boolean {
    if (to - from < ReplicaAnswer.rest) return false
    const slot = buffer.readUInt32BE(from + ReplicaAnswer.slot)
    if (slot < FIRST_SLOT) return false
    if (this.buggify?.('hints.lose-answer')) return true
    const outcome = buffer[from + ReplicaAnswer.outcome] as ReplicaOutcome
    this.hints?.onAnswer(slot - FIRST_SLOT, outcome)
    return true
  }

  private memberOf(memberId: string): number {
    return this.view?.map.members.findIndex(({ id }) => id === memberId) ?? -1
  }
}
