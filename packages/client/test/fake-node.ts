import type { Connection, Ports } from '@cassiopeia/env'
import {
  AcceptorHandshake,
  Call,
  CassioError,
  CELL_STAMP_AT,
  CellFlag,
  type ClusterMap,
  cellExpiryMs,
  cellFlags,
  cellKey,
  cellWithoutValue,
  decodeCall,
  encodeClusterMap,
  encodeFault,
  encodeResult,
  errorToWire,
  FrameReader,
  FrameWriter,
  isTombstone,
  MessageType,
  NONCE_BYTES,
  nodeTag,
  PREAMBLE,
  pack,
  Request,
  type ScanParams,
  setCellExpiryMs,
  unpack,
  Written,
  writeStamp,
} from '@cassiopeia/protocol'

/** What the nodes of one cluster share: the map, and cells by their keys in hex. */
export interface FakeCluster {
  map: ClusterMap | undefined
  readonly cells: Map<string, Buffer>
}

export interface FakeNodeOptions {
  readonly host: string
  readonly nodeId: string
  readonly secret?: string
  readonly maxValueBytes?: number
  readonly cluster: FakeCluster
}

/**
 * A node that does as a test tells it: by default it speaks the protocol correctly, over cells that it
 * shares with the others. `script` takes a request over.
 */
export class FakeNode {
  /** Every GET, PUT and CALL that arrived, in order. */
  readonly requests: FakeRequest[] = []
  readonly sessions: FakeSession[] = []
  /** Chunks of bytes after the handshake, PINGs among them. */
  chunks = 0
  /** Answers a request, or leaves it, by returning true. */
  script: (request: FakeRequest) => boolean = () => false
  /** Takes over a connection before the handshake, by returning true. */
  onConnection: (connection: Connection) => boolean = () => false
  /** Changes what is said during the handshake. */
  onHandshake: (type: number, message: unknown) => unknown = (_, message) => message
  onPing: () => void = () => {}

  constructor(
    readonly ports: Ports,
    readonly options: FakeNodeOptions,
  ) {}

  get address(): string {
    return `${this.options.host}:9000`
  }

  async listen(): Promise<void> {
    const { network } = this.ports
    await network.listen({ host: this.options.host, port: 9000 }, this.accept)
  }

  readonly accept = (connection: Connection): void => {
    if (!this.onConnection(connection)) this.sessions.push(new FakeSession(this, connection))
  }

  ofType(type: number): FakeRequest[] {
    return this.requests.filter((request) => request.type === type)
  }

  serve(request: FakeRequest): void {
    this.requests.push(request)
    if (!this.script(request)) request.answer()
  }
}

export class FakeSession {
  readonly writer = new FrameWriter()
  readonly reader: FrameReader
  isReady = false
  private preamble = Buffer.alloc(0)
  private readonly handshake: AcceptorHandshake

  constructor(
    readonly node: FakeNode,
    readonly connection: Connection,
  ) {
    const { nodeId, secret } = node.options
    const nonce = node.ports.random.bytes(NONCE_BYTES)
    this.handshake = new AcceptorHandshake(nodeId, secret, nonce)
    this.reader = new FrameReader(64 * 1024 * 1024, (type, buffer, from, to) => {
      this.onMessage(type, Buffer.from(buffer.subarray(from, to)))
    })
    connection.setHandlers({ onData: (chunk) => this.onData(chunk), onClose: () => {} })
  }

  send(type: number, body: Buffer): void {
    this.writer.write(type, body)
    for (const bytes of this.writer.take()) this.connection.write(bytes)
  }

  private onData(chunk: Buffer): void {
    if (this.isReady) this.node.chunks += 1
    if (this.preamble.length < PREAMBLE.length) {
      this.preamble = Buffer.concat([this.preamble, chunk])
      if (this.preamble.length < PREAMBLE.length) return
      expect(this.preamble.subarray(0, PREAMBLE.length)).toEqual(PREAMBLE)
      this.reader.push(this.preamble.subarray(PREAMBLE.length))
    } else {
      this.reader.push(chunk)
    }
    expect(this.reader.fault).toBeUndefined()
  }

  private onMessage(type: number, body: Buffer): void {
    const { node } = this
    try {
      if (type === MessageType.HELLO) {
        this.say(MessageType.CHALLENGE, this.handshake.onHello(unpack(body)))
      } else if (type === MessageType.PROOF) {
        this.handshake.onProof(unpack(body))
        this.isReady = true
        this.say(MessageType.WELCOME, this.welcome())
      } else if (type === MessageType.PING) {
        node.onPing()
        this.pong(body)
      } else {
        node.serve(new FakeRequest(this, type, body))
      }
    } catch (error) {
      if (!(error instanceof CassioError)) throw error
      this.send(MessageType.GOODBYE, pack(errorToWire(error)))
      this.connection.end()
    }
  }

  private say(type: number, message: unknown): void {
    this.send(type, pack(this.node.onHandshake(type, message)))
  }

  private welcome() {
    const { nodeId, cluster, maxValueBytes = 1024 * 1024 } = this.node.options
    return {
      nodeId,
      address: this.node.address,
      generation: 1,
      clusterId: cluster.map?.clusterId ?? '',
      epoch: cluster.map?.epoch ?? 0,
      monotonicMs: this.node.ports.clock.monotonicMs(),
      hybridMs: this.node.ports.clock.wallMs(),
      wallMs: this.node.ports.clock.wallMs(),
      maxValueBytes,
      version: '0.1.0',
    }
  }

  private pong(token: Buffer): void {
    const body = Buffer.alloc(24)
    token.copy(body)
    body.writeDoubleBE(this.node.ports.clock.monotonicMs(), 8)
    body.writeDoubleBE(this.node.ports.clock.wallMs(), 16)
    this.send(MessageType.PONG, body)
  }
}

export class FakeRequest {
  readonly id: number
  readonly arrivedMs: number

  constructor(
    readonly session: FakeSession,
    readonly type: number,
    readonly body: Buffer,
  ) {
    this.id = body.readUInt32BE(0)
    this.arrivedMs = session.node.ports.clock.monotonicMs()
  }

  /** By this node's clock. */
  get deadlineMs(): number {
    return this.body.readDoubleBE(this.type === MessageType.CALL ? Call.deadline : Request.deadline)
  }

  get level(): number {
    return this.body[Request.level]!
  }

  get epoch(): number {
    return this.body.readUInt32BE(Request.epoch)
  }

  get cell(): Buffer {
    return this.body.subarray(Request.rest)
  }

  get key(): string {
    const bytes = this.type === MessageType.PUT ? cellKey(this.cell, 0) : this.cell
    return bytes.toString()
  }

  get call(): { method: string; params: unknown } {
    return decodeCall(this.body)
  }

  get isExpired(): boolean {
    return this.session.node.ports.clock.monotonicMs() > this.deadlineMs
  }

  /** As a correct node would. */
  answer(): void {
    const { map } = this.session.node.options.cluster
    const isCall = this.type === MessageType.CALL
    if (this.isExpired) this.fault(new CassioError('CASSIO_TIMEOUT', 'it came too late'))
    else if (map === undefined && (!isCall || this.call.method === 'scan')) this.fault(notFormed())
    else if (this.type === MessageType.GET) this.answerGet()
    else if (this.type === MessageType.PUT) this.answerPut()
    else this.answerCall()
  }

  answerLater(delayMs: number): void {
    this.session.node.ports.timers.after(delayMs, () => this.answer())
  }

  reply(type: number, rest: Buffer): void {
    const id = Buffer.alloc(4)
    id.writeUInt32BE(this.id)
    this.session.send(type, Buffer.concat([id, rest]))
  }

  fault(error: CassioError): void {
    this.session.send(MessageType.FAULT, encodeFault(this.id, error))
  }

  result(result: unknown): void {
    this.session.send(MessageType.RESULT, encodeResult(this.id, result))
  }

  private answerGet(): void {
    const cell = this.session.node.options.cluster.cells.get(this.cell.toString('hex'))
    if (cell === undefined || isTombstone(cell, 0)) {
      this.reply(MessageType.NOT_FOUND, Buffer.alloc(0))
    } else {
      this.reply(MessageType.FOUND, cell)
    }
  }

  private answerPut(): void {
    const { node } = this.session
    const { cluster, nodeId } = node.options
    const cell = Buffer.from(this.cell)
    const flags = cellFlags(cell, 0)
    const wallMs = node.ports.clock.wallMs()
    if ((flags & CellFlag.expires) !== 0) setCellExpiryMs(cell, 0, wallMs + cellExpiryMs(cell, 0))
    if ((flags & CellFlag.clientStamp) === 0) {
      writeStamp(cell, CELL_STAMP_AT, wallMs, 0, nodeTag(nodeId))
    }
    cluster.cells.set(cellKey(cell, 0).toString('hex'), cell)
    const body = Buffer.alloc(Written.bytes - 4)
    body[0] = 2
    body[1] = 2
    cell.copy(body, Written.stamp - 4, CELL_STAMP_AT, CELL_STAMP_AT + 16)
    this.reply(MessageType.WRITTEN, body)
  }

  private answerCall(): void {
    const { cluster, nodeId } = this.session.node.options
    const { method, params } = this.call
    if (method === 'scan') {
      this.result(this.page(params as ScanParams))
    } else if (method === 'status') {
      this.result({ nodeId, address: this.session.node.address })
    } else if (method === 'explain') {
      this.result({ winner: null, outcome: 'none', votes: [] })
    } else if (cluster.map === undefined) {
      this.fault(notFormed())
    } else {
      this.result(encodeClusterMap(cluster.map))
    }
  }

  /** All cells as if they lay in partition 7. */
  private page({ partition, afterKey, prefix, limit, keysOnly }: ScanParams) {
    const { cells } = this.session.node.options.cluster
    const found = [...cells.values()]
      .filter((cell) => !isTombstone(cell, 0))
      .filter((cell) => {
        const key = cellKey(cell, 0)
        const isAfter = afterKey === undefined || Buffer.compare(key, Buffer.from(afterKey)) > 0
        const start = Buffer.from(prefix ?? [])
        return partition <= 7 && isAfter && key.subarray(0, start.length).equals(start)
      })
      .sort((a, b) => Buffer.compare(cellKey(a, 0), cellKey(b, 0)))
    const page = found.slice(0, limit)
    const shown = keysOnly ? page.map((cell) => cellWithoutValue(cell, 0)) : page
    if (found.length <= limit) return { cells: shown }
    return { cells: shown, next: { partition: 7, afterKey: cellKey(page[page.length - 1]!, 0) } }
  }
}

function notFormed(): CassioError {
  return new CassioError('CASSIO_UNAVAILABLE', 'the cluster has not formed: n3 is missing')
}
