import type { HintStatus, ReplicaOutcome } from '@cassiopeia/protocol'

/**
 * Hints: writes that a replica has missed, kept by their coordinator until the replica is back. They
 * make it current within seconds; they promise nothing: one that is lost leaves its work to repair.
 * A hint never counts as an acknowledgement.
 *
 * `hint-service` is what a node opens: it has a `HintLog` and a `HintReplay` for each member, and
 * `hint-ledger` is what these share. `hint-log` knows a member's files, `hint-writer` gathers hints in
 * `gathered-batch` and appends them. `hint-cursor` goes through the files in order, each with
 * `hint-file-reader`, and `hint-replay` sends what it finds there. `hint-format` has the bytes.
 */
export interface Hints {
  /** Bytes kept for all members, in memory and in files. */
  readonly bytes: number

  /**
   * Keeps a sound cell for a member; copies it. When a bound is reached, or the disk fails, the hint is
   * dropped, and `HintOwner.onHintDropped` is told, perhaps before this returns. Never throws, and waits
   * for nothing: a hint survives the process's end some milliseconds later, and a power cut about a
   * second later. Hints that a crash takes are not told of.
   */
  keep(memberId: string, partition: number, cell: Buffer, at: number): void

  /** The answer to the hint that was sent with `token`. Answers that come too late are ignored. */
  onAnswer(token: number, outcome: ReplicaOutcome): void

  /** The connection to the member has gone, and with it the answers that it owed. */
  onPeerLost(memberId: string): void

  /** A member may have come back, or can take more. Also looked for from time to time. */
  wake(): void

  status(): HintStatus

  /**
   * Makes durable what is in memory, and lets go of the files. Idempotent; never rejects. What is to be
   * kept afterwards is dropped, and told.
   */
  close(): Promise<void>
}

/** All of it is called from the event loop's turns, and returns soon: `onHintDropped` once per hint. */
export interface HintOwner {
  /** Whether it is worth sending the member something. Asked often. */
  isLive(memberId: string): boolean
  /** HOST:PORT, for `status`; undefined when the member is unknown. */
  addressOf(memberId: string): string | undefined
  /**
   * Sends a hint, whose bytes are copied. @param token Below 2^31; comes back with `onAnswer`.
   * @returns false when the member cannot take it now; `wake` when it can again.
   */
  sendHint(memberId: string, token: number, cell: Buffer, at: number): boolean
  /** The partition's replicas differ now, and only repair will find out. */
  onHintDropped(partition: number): void
  /** As `onHintDropped`, when a file was damaged or unreadable: it may be any partition. */
  onHintsLost(): void
}

export interface HintSettings {
  /** Where hints are kept; made when the first one is. */
  readonly directory: string
  /** Bytes of hints for all members; 0: none are kept. */
  readonly hintBytesMax: number
  /** Older hints are dropped. By the wall clock, as hints outlive the process. */
  readonly hintAgeMaxMs: number
}
