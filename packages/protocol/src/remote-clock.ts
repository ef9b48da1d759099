/**
 * What another process's monotonic clock shows at least. A reading came with WELCOME or PONG; when it
 * arrived, that clock had gone on by the transfer time, so deadlines made from it err on the early
 * side and a late request can be recognised as late wherever it was held up.
 */
export class RemoteClock {
  private remoteMs = 0
  private localMs = 0

  /** @param remoteMs The reading. @param nowMs This process's monotonic clock as it arrived. */
  observe(remoteMs: number, nowMs: number): void {
    this.remoteMs = remoteMs
    this.localMs = nowMs
  }

  /** The remote clock's reading at this process's `localMs`, at least. */
  at(localMs: number): number {
    return this.remoteMs + (localMs - this.localMs)
  }
}
