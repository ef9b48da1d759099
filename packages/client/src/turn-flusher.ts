import type { Ports } from '@cassiopeia/env'
import type { NodeConnection } from './node-connection'

/** Writes each connection once a turn, at the turn's end, however many calls the turn made. */
export class TurnFlusher {
  private outputs: NodeConnection[] = []
  private turnMs = 0

  constructor(
    private readonly ports: Pick<Ports, 'clock' | 'timers'>,
    /** The epoch of the cluster map in use; 0 while there is none. */
    private readonly epoch: () => number,
  ) {}

  /** Once for a connection until its `flush` has run. */
  request(connection: NodeConnection): void {
    if (this.outputs.push(connection) > 1) return
    this.turnMs = this.ports.clock.monotonicMs()
    this.ports.timers.soon(this.flush)
  }

  /** The time, as exactly as a call needs it: read once while the turn's calls gather. */
  nowMs(): number {
    return this.outputs.length > 0 ? this.turnMs : this.ports.clock.monotonicMs()
  }

  private readonly flush = (): void => {
    const { outputs } = this
    this.outputs = []
    const nowMs = this.ports.clock.monotonicMs()
    const epoch = this.epoch()
    for (const connection of outputs) connection.flush(nowMs, epoch)
  }
}
