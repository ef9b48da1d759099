import type { Connection, SimProcess, Simulation } from '@cassiopeia/env'
import {
  CELL_STAMP_AT,
  CellFlag,
  type ConsistencyCode,
  ConsistencyLevel,
  type ControlMethod,
  cellBytes,
  DiallerHandshake,
  decodeFault,
  decodeGoodbye,
  decodeResult,
  encodeCall,
  FrameReader,
  FrameWriter,
  type Hello,
  MessageType,
  NONCE_BYTES,
  PREAMBLE,
  PROTOCOL_VERSION,
  pack,
  parseAddress,
  parseStamp,
  RemoteClock,
  Request,
  unpack,
  type Welcome,
  writeCell,
} from '@cassiopeia/protocol'

export interface Message {
  readonly type: number
  readonly body: Buffer
}

const MIB = 1024 * 1024

/** A connection by hand: everything that a client may do, and what none should. */
export class WireClient {
  readonly messages: Message[] = []
  readonly raw: Buffer[] = []
  readonly writer = new FrameWriter()
  readonly clock = new RemoteClock()
  opened = false
  closed = false
  error: Error | undefined
  welcome: Welcome | undefined
  private readonly reader = new FrameReader(64 * MIB, (type, buffer, from, to) => {
    this.messages.push({ type, body: Buffer.from(buffer.subarray(from, to)) })
  })
  private readonly connection: Connection

  constructor(
    private readonly simulation: Simulation,
    readonly process: SimProcess,
    address: string,
  ) {
    this.connection = process.ports.network.dial(parseAddress(address), {
      onOpen: () => {
        this.opened = true
      },
      onData: (chunk) => {
        this.raw.push(chunk)
        this.reader.push(Buffer.from(chunk))
      },
      onClose: (error) => {
        this.closed = true
        this.error = error
      },
    })
  }

  static async dial(simulation: Simulation, address: string, name = 'wire'): Promise<WireClient> {
    const known = simulation.processes.find((process) => process.name === name)
    const client = new WireClient(simulation, known ?? simulation.process(name), address)
    await simulation.runUntil(() => client.opened || client.closed, 30_000)
    return client
  }

  /** A client whose handshake is done. */
  static async connect(
    simulation: Simulation,
    address: string,
    options: { name?: string; secret?: string } = {},
  ): Promise<WireClient> {
    const client = await WireClient.dial(simulation, address, options.name)
    await client.handshake(options.secret)
    return client
  }

  get text(): string {
    return Buffer.concat(this.raw).toString('latin1')
  }

  get nowMs(): number {
    return this.process.ports.clock.monotonicMs()
  }

  write(bytes: Buffer): void {
    this.connection.write(Buffer.from(bytes))
  }

  send(type: number, body: Uint8Array): void {
    this.writer.write(type, body)
    this.flush()
  }

  flush(): void {
    for (const bytes of this.writer.take()) this.connection.write(bytes)
  }

  pause(): void {
    this.connection.pause()
  }

  resume(): void {
    this.connection.resume()
  }

  destroy(): void {
    this.connection.destroy()
  }

  async handshake(secret?: string, changes: Partial<Hello> = {}): Promise<void> {
    const hello: Hello = {
      protocol: PROTOCOL_VERSION,
      role: 'client',
      nonce: this.process.ports.random.bytes(NONCE_BYTES),
      ...changes,
    }
    const handshake = new DiallerHandshake(hello, secret)
    this.write(PREAMBLE)
    this.send(MessageType.HELLO, pack(hello))
    const challenge = await this.next(MessageType.CHALLENGE)
    this.send(MessageType.PROOF, pack(handshake.onChallenge(unpack(challenge))))
    this.welcome = handshake.onWelcome(unpack(await this.next(MessageType.WELCOME)))
    this.clock.observe(this.welcome.monotonicMs, this.nowMs)
  }

  /** Waits for a message of this type and takes it. */
  async next(type: number, limitMs = 60_000): Promise<Buffer> {
    const find = () => this.messages.findIndex((message) => message.type === type)
    await this.simulation.runUntil(() => find() >= 0 || this.closed, limitMs)
    const at = find()
    if (at < 0) throw new Error(`closed before message ${type}: ${this.farewell ?? this.text}`)
    return this.messages.splice(at, 1)[0]!.body
  }

  /** Waits for the answer to a request: its type, and an error's code. */
  async answer(id: number, limitMs = 60_000): Promise<string> {
    const find = () =>
      this.messages.findIndex(
        ({ type, body }) => ANSWERS.has(type) && body.length >= 4 && body.readUInt32BE(0) === id,
      )
    await this.simulation.runUntil(() => find() >= 0 || this.closed, limitMs)
    const at = find()
    if (at < 0) return `closed: ${this.farewell ?? ''}`
    const { type, body } = this.messages.splice(at, 1)[0]!
    if (type === MessageType.FAULT) return decodeFault(body).code
    if (type === MessageType.RESULT)
      return `result ${JSON.stringify(decodeResult(body)).slice(0, 40)}`
    return ANSWERS.get(type)!
  }

  async untilClosed(limitMs = 60_000): Promise<void> {
    await this.simulation.runUntil(() => this.closed, limitMs)
  }

  /** The code and message of the node's last words. */
  get farewell(): string | undefined {
    const goodbye = this.messages.find(({ type }) => type === MessageType.GOODBYE)
    if (goodbye === undefined) return undefined
    const { code, message } = decodeGoodbye(goodbye.body)
    return `${code}: ${message}`
  }

  /** By the node's clock. */
  deadline(inMs = 5_000): number {
    return this.clock.at(this.nowMs) + inMs
  }

  get(id: number, key: string | Buffer, options: RequestOptions = {}): void {
    this.send(MessageType.GET, this.requestBody(id, Buffer.from(key), options))
  }

  put(id: number, cell: Buffer, options: RequestOptions = {}): void {
    this.send(MessageType.PUT, this.requestBody(id, cell, options))
  }

  call(id: number, method: string, params: unknown = null, deadline = this.deadline()): void {
    this.send(MessageType.CALL, encodeCall(id, deadline, method as ControlMethod, params))
  }

  requestBody(id: number, rest: Buffer, options: RequestOptions): Buffer {
    const { level = ConsistencyLevel.QUORUM, epoch = 0, deadline = this.deadline() } = options
    const body = Buffer.alloc(Request.rest + rest.length)
    body.writeUInt32BE(id, Request.id)
    body[Request.level] = level
    body.writeUInt32BE(epoch, Request.epoch)
    body.writeDoubleBE(deadline, Request.deadline)
    rest.copy(body, Request.rest)
    return body
  }
}

export interface RequestOptions {
  readonly level?: ConsistencyCode
  readonly epoch?: number
  readonly deadline?: number
}

const ANSWERS = new Map<number, string>([
  [MessageType.FOUND, 'found'],
  [MessageType.NOT_FOUND, 'not found'],
  [MessageType.WRITTEN, 'written'],
  [MessageType.FAULT, 'fault'],
  [MessageType.RESULT, 'result'],
])

/** A cell to be PUT: without a stamp, unless one is given. */
export function cellOf(
  key: string | Buffer,
  value: string | Buffer | null,
  stamp?: string | number,
): Buffer {
  const [keyBytes, valueBytes] = [Buffer.from(key), Buffer.from(value ?? '')]
  const flags =
    (value === null ? CellFlag.tombstone : 0) | (stamp === undefined ? 0 : CellFlag.clientStamp)
  const cell = Buffer.alloc(cellBytes(keyBytes.length, valueBytes.length))
  writeCell(cell, 0, keyBytes, valueBytes, flags, 1)
  if (stamp !== undefined) parseStamp(stamp).copy(cell, CELL_STAMP_AT)
  return cell
}
