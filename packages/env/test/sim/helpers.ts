import type { Connection, ConnectionHandlers, SimProcess, Simulation } from '../../src'

/** What a connection has told its owner. */
export class Recorder implements ConnectionHandlers {
  opened = false
  closed = false
  error: Error | undefined
  readonly chunks: Buffer[] = []
  /** Virtual times of the chunks. */
  readonly timesMs: number[] = []

  constructor(private readonly simulation: Simulation) {}

  onOpen(): void {
    this.opened = true
  }

  onData(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.timesMs.push(this.simulation.nowMs)
  }

  onClose(error?: Error): void {
    this.closed = true
    this.error = error
  }

  get numbers(): number[] {
    return this.chunks.map((chunk) => chunk.readUInt32BE(0))
  }
}

export function numbered(value: number): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.writeUInt32BE(value)
  return bytes
}

export interface Pair {
  readonly near: Connection
  readonly far: Connection
  readonly nearSide: Recorder
  readonly farSide: Recorder
}

/** A connection from `a` to `b`, open at both ends. */
export async function connect(simulation: Simulation, a: SimProcess, b: SimProcess): Promise<Pair> {
  const farSide = new Recorder(simulation)
  const nearSide = new Recorder(simulation)
  let far: Connection | undefined
  const listening = b.ports.network.listen({ host: b.host, port: 0 }, (connection) => {
    far = connection
    connection.setHandlers(farSide)
  })
  const listener = await simulation.run(listening)
  const near = a.ports.network.dial(listener.address, nearSide)
  await simulation.runUntil(() => nearSide.opened && far !== undefined)
  await simulation.run(listener.close())
  return { near, far: far!, nearSide, farSide }
}
