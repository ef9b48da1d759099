/**
 * How far this node's wall clock is ahead of the others', by what they say of theirs. Pure.
 *
 * A clock that is ahead of most is wrong, whoever is right: its stamps would be refused by the
 * replicas that they are sent to and kept by the one that gave them.
 */
export class ClockWatch {
  /**
   * Milliseconds by which most of the peers are behind; below 0 when this clock is behind most; 0 when
   * nothing was heard. Every write asks, so it is worked out when something is heard.
   */
  aheadMs = 0
  /** So many peers must say what time it is before this node's own clock is to be believed. */
  private readonly awaited: number
  /** Whether the clock has jumped since the start. */
  jumped = false
  private readonly aheadByPeer = new Map<string, number>()

  /** @param peers How many other nodes there are. */
  constructor(peers: number) {
    this.awaited = Math.ceil(peers / 2)
  }

  /**
   * A peer has said what its wall clock shows; the message's own time of travel adds to the result. It
   * counts for as long as this node's clock does not jump, also when the peer has gone.
   */
  observe(peer: string, peerWallMs: number, ownWallMs: number): void {
    this.aheadByPeer.set(peer, ownWallMs - peerWallMs)
    this.update()
  }

  /** This node's clock has jumped: what was heard before says nothing any more. */
  restart(): void {
    this.jumped = true
    this.aheadByPeer.clear()
    this.update()
  }

  /** Whether too few peers have been heard since the start, or since the clock has jumped. */
  get isAwaiting(): boolean {
    return this.aheadByPeer.size < this.awaited
  }

  private update(): void {
    const ahead = [...this.aheadByPeer.values()].sort((a, b) => b - a)
    this.aheadMs = ahead[Math.floor(ahead.length / 2)] ?? 0
  }
}
