import {
  type Address,
  type Connection,
  type ConnectionHandlers,
  drainHighWaterBytes,
  type Listener,
  type Network,
} from '../../src'

export interface NetworkHarness {
  readonly server: Network
  readonly client: Network
  readonly host: string
  /** Runs the test's body; under simulation it steps the world meanwhile. */
  run<T>(body: () => Promise<T>): Promise<T>
}

/** Records what a connection tells its owner, and fails on a call from within one of the owner's. */
class Peer implements ConnectionHandlers {
  connection!: Connection
  readonly chunks: Buffer[] = []
  receivedBytes = 0
  opens = 0
  drains = 0
  closes = 0
  error: Error | undefined
  private inCall = false
  private waiting: { predicate: () => boolean; resolve: () => void }[] = []
  onBytes: ((chunk: Buffer) => void) | undefined

  onOpen(): void {
    this.told()
    this.opens += 1
    this.wake()
  }

  onData(chunk: Buffer): void {
    this.told()
    this.chunks.push(Buffer.from(chunk))
    this.receivedBytes += chunk.length
    this.onBytes?.(chunk)
    // The chunk is the receiver's to change.
    chunk.fill(0)
    this.wake()
  }

  onDrain(): void {
    this.told()
    this.drains += 1
    this.wake()
  }

  onClose(error?: Error): void {
    this.told()
    this.closes += 1
    this.error = error
    this.wake()
  }

  /** Makes a call of the owner's, during which no handler may be called. */
  call<T>(action: (connection: Connection) => T): T {
    this.inCall = true
    try {
      return action(this.connection)
    } finally {
      this.inCall = false
    }
  }

  until(predicate: () => boolean): Promise<void> {
    if (predicate()) return Promise.resolve()
    return new Promise((resolve) => {
      this.waiting.push({ predicate, resolve })
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  private told(): void {
    if (this.inCall) throw new Error('a handler was called from inside a call of the owner')
    if (this.closes > 0) throw new Error('a handler was called after onClose')
  }

  private wake(): void {
    const due = this.waiting.filter(({ predicate }) => predicate())
    this.waiting = this.waiting.filter((entry) => !due.includes(entry))
    for (const { resolve } of due) resolve()
  }
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index += 1) bytes[index] = (index * 31 + (index >>> 8)) & 255
  return bytes
}

/** What every `Network` promises. */
export function networkConformance(name: string, makeHarness: () => Promise<NetworkHarness>): void {
  let harness: NetworkHarness
  let listeners: Listener[]
  let peers: Peer[]

  beforeEach(async () => {
    harness = await makeHarness()
    listeners = []
    peers = []
  })

  const check = (title: string, body: () => Promise<void>) =>
    it(`${name}: ${title}`, () =>
      harness.run(async () => {
        try {
          await body()
          for (const peer of peers) expect(peer.closes).toBeLessThanOrEqual(1)
        } finally {
          for (const peer of peers) peer.connection?.destroy()
          for (const listener of listeners) await listener.close()
        }
      }))

  async function listen(accept: (connection: Connection) => void): Promise<Address> {
    const listener = await harness.server.listen({ host: harness.host, port: 0 }, accept)
    listeners.push(listener)
    return listener.address
  }

  function dial(address: Address): Peer {
    const peer = new Peer()
    peers.push(peer)
    peer.call(() => {
      peer.connection = harness.client.dial(address, peer)
    })
    return peer
  }

  function adopt(connection: Connection): Peer {
    const peer = new Peer()
    peers.push(peer)
    peer.connection = connection
    peer.call(() => connection.setHandlers(peer))
    return peer
  }

  /** A dialled and an accepted end, open. */
  async function pair(): Promise<[Peer, Peer]> {
    let accepted: Peer | undefined
    let arrived = () => {}
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const address = await listen((connection) => {
      accepted = adopt(connection)
      arrived()
    })
    const dialled = dial(address)
    await Promise.all([dialled.until(() => dialled.opens > 0), arrival])
    return [dialled, accepted!]
  }

  /** Time for anything that is on its way to arrive: round trips over a connection of their own. */
  async function roundTrips(count: number): Promise<void> {
    const [near, far] = await pair()
    far.onBytes = (chunk) => far.connection.write(Buffer.from(chunk))
    for (let sent = 1; sent <= count; sent += 1) {
      near.connection.write(Buffer.from('x'))
      await near.until(() => near.receivedBytes === sent)
    }
  }

  check('dial: somebody listens: opens once, echoes, closes once at both ends', async () => {
    const [near, far] = await pair()
    expect(near.opens).toBe(1)
    expect(far.opens).toBe(0)
    far.onBytes = (chunk) => far.connection.write(Buffer.from(chunk))
    near.call((connection) => connection.write(Buffer.from('hello')))
    await near.until(() => near.receivedBytes === 5)
    expect(near.received.toString()).toBe('hello')
    near.call((connection) => connection.end())
    await Promise.all([near.until(() => near.closes > 0), far.until(() => far.closes > 0)])
    expect([near.error, far.error]).toEqual([undefined, undefined])
  })

  check('dial: before onOpen: what is written is sent', async () => {
    let far: Peer | undefined
    const address = await listen((connection) => {
      far = adopt(connection)
    })
    const near = dial(address)
    near.call((connection) => connection.write(Buffer.from('early')))
    await near.until(() => near.opens > 0)
    near.call((connection) => connection.end())
    await near.until(() => near.closes > 0)
    expect(far?.received.toString()).toBe('early')
  })

  check('dial: nobody listens: ECONNREFUSED, never open', async () => {
    const address = await listen(() => {})
    await listeners.pop()?.close()
    const near = dial(address)
    near.call((connection) => connection.write(Buffer.from('lost')))
    await near.until(() => near.closes > 0)
    expect(near.opens).toBe(0)
    expect(near.error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  check('listen: port in use: EADDRINUSE; free again after close', async () => {
    const address = await listen(() => {})
    expect(address.port).toBeGreaterThan(0)
    const second = harness.server.listen(address, () => {})
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await Promise.all([listeners[0]?.close(), listeners[0]?.close()])
    listeners.push(await harness.server.listen(address, () => {}))
  })

  check('write: many sizes both ways: every byte in order', async () => {
    const [near, far] = await pair()
    const bytes = pattern(1_500_000)
    for (let from = 0, size = 1; from < bytes.length; from += size, size = (size * 7) % 65_521) {
      near.call((connection) => connection.write(Buffer.from(bytes.subarray(from, from + size))))
      far.call((connection) => connection.write(Buffer.from(bytes.subarray(from, from + size))))
    }
    const whole = (peer: Peer) => peer.until(() => peer.receivedBytes === bytes.length)
    await Promise.all([whole(near), whole(far)])
    expect(near.received.equals(bytes)).toBe(true)
    expect(far.received.equals(bytes)).toBe(true)
  })

  check('end: with much buffered: all arrives, then both close', async () => {
    const [near, far] = await pair()
    const bytes = pattern(3_000_000)
    near.call((connection) => connection.write(Buffer.from(bytes)))
    near.call((connection) => connection.end())
    near.call((connection) => connection.end())
    near.call((connection) => connection.write(Buffer.from('ignored')))
    await Promise.all([near.until(() => near.closes > 0), far.until(() => far.closes > 0)])
    expect(far.received.equals(bytes)).toBe(true)
    expect([near.error, far.error]).toEqual([undefined, undefined])
  })

  check('end: by a reader that is paused: closes all the same', async () => {
    const [near, far] = await pair()
    near.call((connection) => connection.pause())
    far.call((connection) => connection.write(pattern(100_000)))
    near.call((connection) => connection.end())
    await Promise.all([near.until(() => near.closes > 0), far.until(() => far.closes > 0)])
    expect(near.receivedBytes).toBe(0)
  })

  check('end: by both at once: both close without error', async () => {
    const [near, far] = await pair()
    near.call((connection) => connection.end())
    far.call((connection) => connection.end())
    await Promise.all([near.until(() => near.closes > 0), far.until(() => far.closes > 0)])
    expect([near.error, far.error]).toEqual([undefined, undefined])
  })

  check('destroy: at once and repeatedly: closes once, the peer too', async () => {
    const [near, far] = await pair()
    near.call((connection) => connection.destroy())
    near.call((connection) => connection.destroy())
    near.call((connection) => connection.write(Buffer.from('ignored')))
    near.call((connection) => connection.end())
    await Promise.all([near.until(() => near.closes > 0), far.until(() => far.closes > 0)])
    await roundTrips(2)
    expect([near.closes, far.closes, near.error]).toEqual([1, 1, undefined])
    expect(near.connection.bufferedBytes).toBe(0)
  })

  check('destroy: while dialling: onClose once, never open', async () => {
    const address = await listen((connection) => adopt(connection))
    const near = dial(address)
    near.call((connection) => connection.destroy())
    await near.until(() => near.closes > 0)
    await roundTrips(2)
    expect([near.opens, near.closes]).toEqual([0, 1])
  })

  check('pause: a reader that does not read: the writer buffers; resume drains it', async () => {
    const [near, far] = await pair()
    far.call((connection) => connection.pause())
    const chunk = pattern(1 << 20)
    const count = 24
    for (let index = 0; index < count; index += 1) {
      near.call((connection) => connection.write(Buffer.from(chunk)))
    }
    await roundTrips(5)
    expect(far.receivedBytes).toBe(0)
    expect(near.connection.bufferedBytes).toBeGreaterThan(drainHighWaterBytes)
    expect(near.drains).toBe(0)
    far.call((connection) => connection.resume())
    await far.until(() => far.receivedBytes === count * chunk.length)
    await near.until(() => near.drains > 0)
    expect(near.connection.bufferedBytes).toBe(0)
    expect(far.received.subarray(-chunk.length).equals(chunk)).toBe(true)
  })

  check('pause: from inside onData: no more until resume', async () => {
    const [near, far] = await pair()
    far.onBytes = () => far.connection.pause()
    const bytes = pattern(400_000)
    near.call((connection) => connection.write(Buffer.from(bytes)))
    near.call((connection) => connection.write(Buffer.from(bytes)))
    await far.until(() => far.chunks.length === 1)
    await roundTrips(3)
    expect(far.chunks.length).toBe(1)
    far.onBytes = undefined
    far.call((connection) => connection.resume())
    await far.until(() => far.receivedBytes === 2 * bytes.length)
    expect(far.received.equals(Buffer.concat([bytes, bytes]))).toBe(true)
  })

  check('accept: silent until setHandlers, then everything', async () => {
    let accepted: Connection | undefined
    const address = await listen((connection) => {
      accepted = connection
    })
    const near = dial(address)
    near.call((connection) => connection.write(Buffer.from('waiting')))
    await near.until(() => near.opens > 0)
    await roundTrips(3)
    expect(accepted).toBeDefined()
    const far = adopt(accepted!)
    await far.until(() => far.receivedBytes === 7)
    expect(() => accepted?.setHandlers(new Peer())).toThrow('only once')
  })

  check('accept: destroyed by the peer before setHandlers: still told once', async () => {
    let accepted: Connection | undefined
    const address = await listen((connection) => {
      accepted = connection
    })
    const near = dial(address)
    await near.until(() => near.opens > 0)
    near.call((connection) => connection.destroy())
    await roundTrips(3)
    const far = adopt(accepted!)
    await far.until(() => far.closes > 0)
  })

  check('accept: destroyed here before setHandlers: still told once', async () => {
    let accepted: Connection | undefined
    const address = await listen((connection) => {
      accepted = connection
      connection.destroy()
    })
    const near = dial(address)
    await near.until(() => near.closes > 0)
    await roundTrips(2)
    const far = adopt(accepted!)
    await far.until(() => far.closes > 0)
  })

  check('listener close: accepted connections live on, new ones are refused', async () => {
    const [near, far] = await pair()
    const { address } = listeners[0]!
    await listeners[0]?.close()
    far.onBytes = (chunk) => far.connection.write(Buffer.from(chunk))
    near.call((connection) => connection.write(Buffer.from('still')))
    await near.until(() => near.receivedBytes === 5)
    const late = dial(address)
    await late.until(() => late.closes > 0)
    expect(late.error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  check('remote: names the other side as host:port', async () => {
    const [near, far] = await pair()
    const { host, port } = listeners[0]!.address
    expect(near.connection.remote).toBe(
      host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    )
    expect(far.connection.remote).toMatch(/^.+:\d+$/)
  })
}
