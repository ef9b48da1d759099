import { connect, createServer, type Server, type Socket } from 'node:net'
import { drainHighWaterBytes, formatAddress } from '../format-address'
import { type Logger, silentLogger } from '../logger'
import type { Address, Connection, ConnectionHandlers, Listener, Network } from '../network'

/** Silence after which the system begins to ask an idle connection's peer whether it still lives. */
const keepAliveDelayMs = 10_000
/** How long `end` waits for the peer's own end, once everything has been sent. */
const lingerMs = 5_000

const socketOptions = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: keepAliveDelayMs,
} as const

export class TcpNetwork implements Network {
  constructor(private readonly logger: Logger = silentLogger) {}

  listen(address: Address, accept: (connection: Connection) => void): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const server = createServer({
        ...socketOptions,
        highWaterMark: drainHighWaterBytes,
        pauseOnConnect: true,
      })
      server.once('error', reject)
      server.listen({ host: address.host, port: address.port }, () => {
        server.off('error', reject)
        // For example EMFILE: this one is lost, the next may be accepted.
        server.on('error', (error) => this.logger.warn('accept failed', { error }))
        server.on('connection', (socket) => accept(new TcpConnection(socket, remoteOf(socket))))
        resolve(new TcpListener(server, address.host))
      })
    })
  }

  dial(address: Address, handlers: ConnectionHandlers): Connection {
    const socket = connect({
      ...socketOptions,
      host: address.host,
      port: address.port,
      // Handed through to the stream; the type of `connect` does not name them.
      ...{ readableHighWaterMark: drainHighWaterBytes, writableHighWaterMark: drainHighWaterBytes },
    })
    const connection = new TcpConnection(socket, formatAddress(address))
    connection.setHandlers(handlers)
    return connection
  }
}

function remoteOf(socket: Socket): string {
  return formatAddress({ host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 })
}

class TcpListener implements Listener {
  readonly address: Address
  private closed: Promise<void> | undefined

  constructor(
    private readonly server: Server,
    host: string,
  ) {
    const bound = server.address()
    this.address = { host, port: bound !== null && typeof bound === 'object' ? bound.port : 0 }
  }

  close(): Promise<void> {
    this.closed ??= new Promise((resolve) => {
      // The server's own callback waits for the accepted connections too, which live on; the port
      // itself is free as soon as close() has returned.
      this.server.close()
      setImmediate(resolve)
    })
    return this.closed
  }
}

/** A socket without its surprises: node:net calls back on a later tick, except where noted here. */
class TcpConnection implements Connection {
  private handlers: ConnectionHandlers | undefined
  private failure: Error | undefined
  private closed = false
  private ending = false
  private paused = false
  private linger: NodeJS.Timeout | undefined

  constructor(
    private readonly socket: Socket,
    readonly remote: string,
  ) {
    socket.on('error', (error) => {
      this.failure = error
    })
    // After the peer's end the socket flushes and closes by itself; a write would only fail.
    socket.on('end', () => {
      this.ending = true
    })
    socket.on('close', () => this.onClose())
  }

  setHandlers(handlers: ConnectionHandlers): void {
    if (this.handlers !== undefined) throw new Error('setHandlers may be called only once')
    this.handlers = handlers
    const { socket } = this
    if (this.closed) {
      process.nextTick(() => handlers.onClose(this.failure))
      return
    }
    // Before the connection is open a 'drain' only says that the system has taken early writes.
    socket.on('connect', () => handlers.onOpen?.())
    socket.on('drain', () => handlers.onDrain?.())
    socket.on('data', (chunk: Buffer) => {
      // Paused and ended: read on, so as to see the peer's end, but the owner wants no more.
      if (!this.paused) handlers.onData(chunk)
    })
    if (!this.paused) socket.resume()
  }

  write(bytes: Buffer): void {
    if (!this.ending && !this.closed) this.socket.write(bytes)
  }

  get bufferedBytes(): number {
    return this.closed ? 0 : this.socket.writableLength
  }

  pause(): void {
    this.paused = true
    if (!this.ending) this.socket.pause()
  }

  resume(): void {
    this.paused = false
    if (this.handlers !== undefined) this.socket.resume()
  }

  end(): void {
    if (this.ending || this.closed) return
    this.ending = true
    // Closing with unread bytes would reset the connection under what we have just sent, so the
    // peer's end is waited for: a while.
    this.socket.end(() => {
      if (!this.closed) this.linger = setTimeout(() => this.socket.destroy(), lingerMs)
    })
    this.socket.resume()
  }

  destroy(): void {
    this.ending = true
    this.socket.destroy()
  }

  private onClose(): void {
    this.closed = true
    clearTimeout(this.linger)
    this.handlers?.onClose(this.failure)
  }
}
