import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Network, nodePorts, type Ports } from '@cassiopeia/env'
import { formatAddress, parseAddress } from '@cassiopeia/protocol'
import { type Cleanup, LOCAL_HOST } from './world'

/** Sockets that are no clients of ours, or stand between them. */

/** Ports of a client that can reach one node only, whatever the cluster map tells it. */
export function confinedTo(address: string): Ports {
  const ports = nodePorts()
  const { network } = ports
  const confined: Network = {
    listen: (at, accept) => network.listen(at, accept),
    dial: (target, handlers) => {
      const isAllowed = formatAddress(target) === address
      // Nobody listens on port 1: refused, as if the other nodes were down.
      return network.dial(isAllowed ? target : { host: LOCAL_HOST, port: 1 }, handlers)
    },
  }
  return { ...ports, network: confined }
}

/** Forwards connections to one port, and keeps all bytes that pass, in both directions. */
export class RecordingProxy {
  private readonly chunks: Buffer[] = []
  private readonly sockets = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (socket) => this.forward(socket))
  }

  static async start(targetPort: number, cleanup: Cleanup): Promise<RecordingProxy> {
    const server = createServer()
    const proxy = new RecordingProxy(server, targetPort)
    cleanup.add(() => proxy.close())
    await listening(server)
    return proxy
  }

  get address(): string {
    return `${LOCAL_HOST}:${(this.server.address() as AddressInfo).port}`
  }

  get recorded(): Buffer {
    return Buffer.concat(this.chunks)
  }

  private forward(near: Socket): void {
    const far = connect({ host: LOCAL_HOST, port: this.targetPort })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from)
      from.on('data', (chunk: Buffer) => {
        this.chunks.push(chunk)
        to.write(chunk)
      })
      from.on('error', () => {})
      from.on('close', () => {
        this.sockets.delete(from)
        to.destroy()
      })
    }
  }

  private close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    return new Promise((resolve) => this.server.close(() => resolve()))
  }
}

const RECEIVED_BYTES_MAX = 64 * 1024

/** A stranger's connection: nothing is said on it but what the test says. */
export class RawConnection {
  private readonly chunks: Buffer[] = []
  private receivedBytes = 0
  readonly closed: Promise<void>
  isClosed = false

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      if (this.receivedBytes < RECEIVED_BYTES_MAX) this.chunks.push(chunk)
      this.receivedBytes += chunk.length
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true
        resolve()
      })
    })
  }

  static open(address: string, cleanup: Cleanup): Promise<RawConnection> {
    const { host, port } = parseAddress(address)
    const socket = connect({ host, port })
    cleanup.add(() => socket.destroy())
    const connection = new RawConnection(socket)
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(connection))
      socket.once('error', reject)
    })
  }

  /** What has come, or the beginning of it. */
  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes)
  }
}

/** Takes a port, as a stranger's server would. @param port 0: any that is free. */
export async function occupyPort(port: number, cleanup: Cleanup): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy())
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  cleanup.add(close)
  await listening(server, port)
  return close
}

function listening(server: Server, port = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: LOCAL_HOST, port }, () => resolve())
  })
}
