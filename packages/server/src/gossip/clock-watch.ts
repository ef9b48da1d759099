/**
 * How far this node's wall clock is ahead of the others', by what they say of theirs. Pure.
 *
 * A clock that is ahead of most is wrong, whoever is right: its stamps would be refused by the
 * replicas that they are sent to and kept by the one that gave them.
 */
export class ClockWatch {
  /**
   * Milliseconds by which most of the peers are behind; 0 when this clock is not ahead of most. Every
   * write asks, so it is worked out when something is heard.
   */
  aheadMs = 0
  private readonly aheadByPeer = new Map<string, number>()

  /** A peer has said what its wall clock shows; the message's own time of travel adds to the result. */
  observe(peer: string, peerWallMs: number, ownWallMs: number): void {
    this.aheadByPeer.set(peer, ownWallMs - peerWallMs)
    this.update()
  }

  /** A peer has gone; what it last said does not count any more. */
  forget(peer: string): void {
    this.aheadByPeer.delete(peer)
    this.update()
  }

  private update(): void {
    const ahead = [...this.aheadByPeer.values()].sort((a, b) => b - a)
    this.aheadMs = Math.max(0, ahead[Math.floor(ahead.length / 2)] ?? 0)
  }
}
