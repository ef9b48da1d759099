/** Streams of bytes between processes, as callbacks: no promise per message. */
export interface Network {
  /**
   * Accepts connections on `address`; port 0 asks for any free port.
   * @throws Error with code 'EADDRINUSE' when the port is taken, 'EADDRNOTAVAIL' or 'EACCES'.
   */
  listen(address: Address, accept: (connection: Connection) => void): Promise<Listener>
  /** Starts to connect at once; `onOpen` or `onClose` of the handlers follows, never before return. */
  dial(address: Address, handlers: ConnectionHandlers): Connection
}

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Listener {
  /** Where it really listens: the port is filled in. */
  readonly address: Address
  /** Stops accepting. Connections already accepted live on. Idempotent. */
  close(): Promise<void>
}

/**
 * What a connection tells its owner. All calls come from the event loop, never from inside a call
 * that the owner made; after `onClose` no other call follows.
 */
export interface ConnectionHandlers {
  /** Only for dialled connections: the peer has accepted. */
  onOpen?(): void
  /** The next bytes in order. The chunk is the receiver's to keep and to change. */
  onData(chunk: Buffer): void
  /** What had been buffered beyond the high-water mark has been handed to the system. */
  onDrain?(): void
  /** Exactly once, whoever closed; `error` (with a `code` such as ECONNREFUSED) when it failed. */
  onClose(error?: Error): void
}

export interface Connection {
  /** An accepted connection stays silent until this is called (once); dialled ones have theirs. */
  setHandlers(handlers: ConnectionHandlers): void
  /**
   * Queues bytes for sending; they belong to the connection from now on. Ignored after close.
   * The caller watches `bufferedBytes` and stops before its own limit.
   */
  write(bytes: Buffer): void
  /** Bytes accepted by `write` and not yet handed to the system. */
  readonly bufferedBytes: number
  /** Stops `onData` until `resume`; the peer is slowed by the transport's own flow control. */
  pause(): void
  resume(): void
  /** Sends what is buffered, then closes. Idempotent. */
  end(): void
  /** Closes at once and forgets what is buffered. Idempotent. */
  destroy(): void
  /** The other side as 'host:port', for logs and errors. */
  readonly remote: string
}
