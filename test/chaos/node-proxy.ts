import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { FrameReader, MessageType, PREAMBLE, unpack } from '@cassiopeia/protocol'
import { LOCAL_HOST } from '../integration/world'
import type { Links } from './links'
import { Pipe } from './pipe'

/** A handshake is within this. */
const HELLO_BYTES_MAX = 16 * 1024
const STRANGER = 'stranger'

/**
 * Stands in front of one node: other nodes dial its address, each client a door of its own. So it
 * knows who is at both ends of each connection, and `Links` says what happens to the bytes.
 */
export class NodeProxy {
  private readonly servers: Server[] = []
  private readonly sockets = new Set<Socket>()
  private readonly doors = new Map<string, number>()
  /** Connections so far. */
  accepted = 0

  constructor(
    private readonly links: Links,
    /** The node behind it. */
    readonly name: string,
    private readonly targetPort: number,
    /** The party that an address belongs to. */
    private readonly partyAt: (address: string) => string | undefined,
  ) {}

  /** Where nodes find it; whoever comes says in the handshake who it is. */
  async open(port: number): Promise<void> {
    await this.listen(port, (near) => this.identify(near))
  }

  /** @returns the port on which only this party comes. */
  async doorFor(party: string): Promise<number> {
    const known = this.doors.get(party)
    if (known !== undefined) return known
    const port = await this.listen(0, (near) => this.forward(near, party))
    this.doors.set(party, port)
    return port
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await Promise.all(
      this.servers.map((server) => new Promise<void>((done) => server.close(() => done()))),
    )
  }

  private listen(port: number, accept: (near: Socket) => void): Promise<number> {
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true }
    const server = createServer(options, (near) => {
      this.accepted += 1
      this.keep(near)
      accept(near)
    })
    this.servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: LOCAL_HOST, port }, () => {
        resolve((server.address() as AddressInfo).port)
      })
    })
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
  }

  /** Reads the first frame without taking it away. */
  private identify(near: Socket): void {
    const chunks: Buffer[] = []
    const settle = (party: string) => {
      near.off('data', onData)
      near.off('end', onEnd)
      near.pause()
      if (near.destroyed) return
      if (chunks.length > 0) near.unshift(Buffer.concat(chunks))
      this.forward(near, party)
    }
    const onEnd = () => near.destroy()
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      const party = partyIn(Buffer.concat(chunks), this.partyAt)
      if (party !== undefined) settle(party)
    }
    near.on('data', onData)
    near.on('end', onEnd)
    near.resume()
  }

  private forward(near: Socket, party: string): void {
    const far = connect({
      host: LOCAL_HOST,
      port: this.targetPort,
      allowHalfOpen: true,
      noDelay: true,
    })
    this.keep(far)
    // Each pipe lets both sockets flow, so both must be there first.
    new Pipe(this.links, near, far, party, this.name)
    new Pipe(this.links, far, near, this.name, party)
    near.resume()
  }
}

/** @returns undefined while that is not clear yet. */
function partyIn(
  bytes: Buffer,
  partyAt: (address: string) => string | undefined,
): string | undefined {
  if (bytes.length < PREAMBLE.length) return undefined
  if (!bytes.subarray(0, PREAMBLE.length).equals(PREAMBLE)) return STRANGER
  let party: string | undefined
  const reader = new FrameReader(HELLO_BYTES_MAX, (type, buffer, from, to) => {
    if (type === MessageType.HELLO) party ??= partyAt(addressIn(buffer.subarray(from, to)))
  })
  // The reader may keep what it is given.
  reader.push(Buffer.from(bytes.subarray(PREAMBLE.length)))
  const isOver = reader.fault !== undefined || reader.frames > 0
  return isOver ? (party ?? STRANGER) : undefined
}

/** Empty when there is none, as in the HELLO of a client. */
function addressIn(hello: Buffer): string {
  try {
    return (unpack(hello) as { address?: string }).address ?? ''
  } catch {
    return ''
  }
}
