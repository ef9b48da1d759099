import {
  CellFlag,
  compareStamps,
  reconcile,
  VOTE_BYTES,
  votesAgree,
  writeVote,
} from '@cassiopeia/protocol'

/** What to do next with a read. */
export const ReadStep = Object.freeze({
  wait: 0,
  /** Ask one more replica for its vote: those asked can no longer make up the level. */
  askMore: 1,
  /** `winner` is the answer; -1 says that the key has no cell. */
  answer: 2,
  /** Ask the replicas for which `wantsCell` is true for their cells. */
  fetch: 3,
  /** Write `winner`'s cell to the replicas for which `wantsRepair` is true, then wait for `onHolds`. */
  repair: 4,
  /** Write it to one more replica, any that does not hold it. */
  repairMore: 5,
})
export type ReadStep = (typeof ReadStep)[keyof typeof ReadStep]

/** `holds`: has confirmed a repair without having voted. */
const State = Object.freeze({
  unasked: 0,
  silent: 1,
  none: 2,
  vote: 3,
  cell: 4,
  lost: 5,
  holds: 6,
})
const Phase = Object.freeze({ vote: 0, fetch: 1, repair: 2 })

/**
 * Decides one read by the votes of its replicas. Pure, and reused from operation to operation, so it
 * fills its own slots instead of returning objects.
 *
 * Every answer is a vote, "I have nothing" too. When as many as the level requires agree, that is the
 * answer. When they differ, the newest wins (`reconcile`), and before anyone is told, it is written
 * back until as many replicas as the level requires hold it: a value once read at QUORUM is never
 * un-read.
 */
export class ReadCore {
  replicas = 0
  required = 0
  /** Votes so far. */
  votes = 0
  winner = -1
  /** Whether the votes differed. */
  disagreed = false
  private phase: number = Phase.vote
  /** Questions of the present phase that are not answered yet. */
  outstanding = 0
  /** Replicas known to hold the winner, or something newer, durably. */
  holders = 0
  private state = new Uint8Array(8)
  private pending = new Uint8Array(8)
  private ballot = Buffer.alloc(8 * VOTE_BYTES)
  private readonly cells: (Buffer | undefined)[] = []
  private readonly cellsAt: number[] = []

  begin(replicas: number, required: number): void {
    if (this.state.length < replicas) {
      this.state = new Uint8Array(replicas)
      this.pending = new Uint8Array(replicas)
      this.ballot = Buffer.alloc(replicas * VOTE_BYTES)
    }
    this.state.fill(State.unasked, 0, replicas)
    this.cells.length = 0
    this.replicas = replicas
    this.required = required
    this.votes = 0
    this.holders = 0
    this.winner = -1
    this.disagreed = false
    this.enter(Phase.vote)
  }

  /** Lets go of the buffers that answers came in. */
  release(): void {
    this.cells.length = 0
  }

  isUnasked(replica: number): boolean {
    return this.state[replica] === State.unasked
  }

  get isVoting(): boolean {
    return this.phase === Phase.vote
  }

  get isRepairing(): boolean {
    return this.phase === Phase.repair
  }

  /** A question has gone to a replica: for its vote, for its cell, or a repair. */
  asked(replica: number): void {
    if (this.state[replica] === State.unasked) this.state[replica] = State.silent
    this.pending[replica] = 1
    this.outstanding += 1
  }

  /** Whether a replica owes an answer in the present phase; others do not count. */
  isPending(replica: number): boolean {
    return this.pending[replica] === 1
  }

  onNone(replica: number): ReadStep {
    return this.onVoteIn(replica, State.none)
  }

  onVote(replica: number, vote: Buffer, at: number): ReadStep {
    if (!this.isPending(replica)) return ReadStep.wait
    vote.copy(this.ballot, replica * VOTE_BYTES, at, at + VOTE_BYTES)
    return this.onVoteIn(replica, State.vote)
  }

  /** @param cell Kept by reference until `release`, or until `keepCell` has copied it. */
  onCell(replica: number, cell: Buffer, at: number): ReadStep {
    if (!this.isPending(replica)) return ReadStep.wait
    writeVote(this.ballot, replica * VOTE_BYTES, cell, at)
    this.cells[replica] = cell
    this.cellsAt[replica] = at
    return this.onVoteIn(replica, State.cell)
  }

  /** The replica refused, or its connection is gone. */
  onLost(replica: number): ReadStep {
    if (!this.settlePending(replica)) return ReadStep.wait
    if (this.phase === Phase.repair) {
      if (!this.hasVoted(replica)) this.state[replica] = State.lost
      const possible = this.holders + this.outstanding
      return possible < this.required ? ReadStep.repairMore : ReadStep.wait
    }
    // A vote whose cell cannot be had any more is no vote: the level needs another one.
    if (this.hasVoted(replica)) this.votes -= 1
    this.state[replica] = State.lost
    return this.phase === Phase.fetch ? this.judgeFetched() : this.judgeVotes()
  }

  /** A replica has confirmed a repair: it holds the winner, or something newer. */
  onHolds(replica: number): ReadStep {
    if (!this.settlePending(replica)) return ReadStep.wait
    // It must not be chosen for a further repair, and be counted twice.
    if (!this.hasVoted(replica)) this.state[replica] = State.holds
    this.holders += 1
    return this.holders >= this.required ? ReadStep.answer : ReadStep.wait
  }

  /** Whether the replica's vote counts. */
  hasVoted(replica: number): boolean {
    const state = this.state[replica]!
    return state === State.none || state === State.vote || state === State.cell
  }

  /** Whether the replica has answered, with a vote or by confirming a repair. */
  hasAnswered(replica: number): boolean {
    return this.hasVoted(replica) || this.state[replica] === State.holds
  }

  /** Whether `fetch` is to ask this replica. */
  wantsCell(replica: number): boolean {
    return this.state[replica] === State.vote && this.hasWinningStamp(replica)
  }

  /** Whether `repair` is to write to this replica: it voted, and for something else. */
  wantsRepair(replica: number): boolean {
    return this.hasVoted(replica) && !this.agreesWithWinner(replica)
  }

  /** Whether `repairMore` may write to this replica: it has not voted and is not being written to. */
  mayRepair(replica: number): boolean {
    const state = this.state[replica]!
    return !this.isPending(replica) && (state === State.unasked || state === State.silent)
  }

  /** Whether the repairs on their way can still make up the level. */
  get repairIsPossible(): boolean {
    return this.holders + this.outstanding >= this.required
  }

  /** The winner's cell, when `winner` is not negative and its vote came with one. */
  get winningCell(): Buffer | undefined {
    return this.winner < 0 ? undefined : this.cells[this.winner]
  }

  get winningCellAt(): number {
    return this.cellsAt[this.winner]!
  }

  /** Copies a cell that was shown for the duration of a call only. */
  keepCell(replica: number, size: number): void {
    const cell = this.cells[replica]
    if (cell === undefined) return
    const at = this.cellsAt[replica]!
    this.cells[replica] = Buffer.from(cell.subarray(at, at + size))
    this.cellsAt[replica] = 0
  }

  private onVoteIn(replica: number, state: number): ReadStep {
    if (!this.settlePending(replica)) return ReadStep.wait
    this.state[replica] = state
    if (this.phase === Phase.fetch) return this.judgeFetched()
    this.votes += 1
    return this.judgeVotes()
  }

  private settlePending(replica: number): boolean {
    if (!this.isPending(replica)) return false
    this.pending[replica] = 0
    this.outstanding -= 1
    return true
  }

  private enter(phase: number): void {
    this.phase = phase
    this.pending.fill(0)
    this.outstanding = 0
  }

  private judgeVotes(): ReadStep {
    if (this.votes < this.required) {
      return this.votes + this.outstanding < this.required ? ReadStep.askMore : ReadStep.wait
    }
    this.findWinner()
    if (!this.disagreed && this.answersWithoutCell()) return ReadStep.answer
    return this.settle()
  }

  private judgeFetched(): ReadStep {
    if (this.votes < this.required) {
      this.enter(Phase.vote)
      // Their answers are late by now: whoever did not vote may be asked anew.
      for (let replica = 0; replica < this.replicas; replica += 1) {
        if (this.state[replica] === State.silent) this.state[replica] = State.unasked
      }
      return ReadStep.askMore
    }
    this.findWinner()
    const isMissing = this.winner >= 0 && (this.winningCell === undefined || this.isTied())
    return isMissing && this.outstanding > 0 ? ReadStep.wait : this.settle()
  }

  private settle(): ReadStep {
    if (this.winner >= 0 && (this.winningCell === undefined || this.isTied())) {
      this.enter(Phase.fetch)
      return ReadStep.fetch
    }
    if (!this.disagreed) return ReadStep.answer
    this.enter(Phase.repair)
    this.holders = 0
    for (let replica = 0; replica < this.replicas; replica += 1) {
      if (this.hasVoted(replica) && this.agreesWithWinner(replica)) this.holders += 1
    }
    return this.holders >= this.required ? ReadStep.answer : ReadStep.repair
  }

  private findWinner(): void {
    this.winner = -1
    this.disagreed = false
    let voters = 0
    for (let replica = 0; replica < this.replicas; replica += 1) {
      if (!this.hasVoted(replica)) continue
      voters += 1
      if (voters > 1 && !this.agreesWithWinner(replica)) this.disagreed = true
      if (this.beatsWinner(replica)) this.winner = replica
    }
  }

  private agreesWithWinner(replica: number): boolean {
    if (this.winner < 0) return this.state[replica] === State.none
    if (this.state[replica] === State.none) return false
    return votesAgree(this.ballot, replica * VOTE_BYTES, this.ballot, this.winner * VOTE_BYTES)
  }

  private beatsWinner(replica: number): boolean {
    if (this.state[replica] === State.none) return false
    if (this.winner < 0) return true
    const byStamp = compareStamps(
      this.ballot,
      replica * VOTE_BYTES,
      this.ballot,
      this.winner * VOTE_BYTES,
    )
    if (byStamp !== 0) return byStamp > 0
    const cell = this.cells[replica]
    const best = this.winningCell
    if (cell === undefined) return false
    return (
      best === undefined || reconcile(cell, this.cellsAt[replica]!, best, this.winningCellAt) > 0
    )
  }

  /** Whether some voter shares the winner's stamp, differs from it, and has not shown its cell. */
  private isTied(): boolean {
    for (let replica = 0; replica < this.replicas; replica += 1) {
      if (this.wantsCell(replica) && !this.agreesWithWinner(replica)) return true
    }
    return false
  }

  private hasWinningStamp(replica: number): boolean {
    const at = replica * VOTE_BYTES
    return compareStamps(this.ballot, at, this.ballot, this.winner * VOTE_BYTES) === 0
  }

  private answersWithoutCell(): boolean {
    if (this.winner < 0 || this.winningCell !== undefined) return true
    return (this.ballot[this.winner * VOTE_BYTES + 16]! & CellFlag.tombstone) !== 0
  }
}
