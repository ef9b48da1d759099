import { readFile } from 'node:fs/promises'
import {
  ConsistencyLevel,
  DiallerHandshake,
  decodeFault,
  decodeGoodbye,
  FrameReader,
  FrameWriter,
  MessageType,
  NONCE_BYTES,
  PREAMBLE,
  PROTOCOL_VERSION,
  pack,
  Request,
  unpack,
} from '@cassiopeia/protocol'
import { Cluster, type NodeProcess } from './processes'
import { RawConnection } from './sockets'
import { Workload } from './workload'
import { Cleanup, seededRandom, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const MIB = 1024 * 1024
const HANDSHAKE_TIMEOUT_MS = 700
const FRAME_TIMEOUT_MS = 700
const OUTPUT_MAX_BYTES = 32 * MIB
/** What strangers may cost a node, garbage that has not been collected yet included. */
const STRANGERS_BYTES_MAX = 64 * MIB
/** One connection's unread output, and the same again that has not been collected yet. */
const READER_BYTES_MAX = 96 * MIB
const VALUE_BYTES = MIB / 2
/** So many answers are more than one connection may hold. */
const BURST = 90
const FLAGS = [
  ...['--handshake-timeout-ms', String(HANDSHAKE_TIMEOUT_MS)],
  ...['--output-pause-bytes', String(MIB), '--output-max-bytes', String(OUTPUT_MAX_BYTES)],
]

async function residentBytes({ pid }: NodeProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024
}

const onLinux = process.platform === 'linux'

/** A cluster under an ordinary load, and its first node, whose patience is to be tried. */
async function busyCluster(frameTimeoutMs = FRAME_TIMEOUT_MS) {
  const flags = [...FLAGS, '--frame-timeout-ms', String(frameTimeoutMs)]
  const cluster = await Cluster.start(cleanup, { flags })
  const [target] = cluster.nodes
  const client = await cluster.client()
  const workload = new Workload('undisturbed')
  workload.run(client, 6)
  await until('a warm start', () => workload.succeededSince(0) >= 1_000)
  const bytesBefore = onLinux ? await residentBytes(target!) : 0
  const residentGrowth = async () => (onLinux ? (await residentBytes(target!)) - bytesBefore : 0)
  const pidBefore = target!.pid

  return {
    cluster,
    target: target!,
    client,
    residentGrowth,
    /** Others got what they asked for, from the same process, and it is no larger than it may be. */
    async expectUndisturbed(growthMax: number): Promise<void> {
      const fromMs = performance.now()
      await until('calls afterwards', () => workload.succeededSince(fromMs) >= 500)
      await workload.stop()
      expect(workload.failed).toEqual([])
      expect(workload.lies).toEqual([])
      expect([target!.isRunning, target!.pid]).toEqual([true, pidBefore])
      expect(target!.log.filter(({ level }) => level === 'error')).toEqual([])
      const { clients } = await client.status(target!.address)
      expect(clients).toBe(1)
      expect(await residentGrowth()).toBeLessThan(growthMax)
    },
  }
}

/** A client of the wire protocol that shakes hands, and then does as the test says. */
class WireClient {
  readonly found: number[] = []
  readonly refused: string[] = []
  farewell: string | undefined
  private readonly writer = new FrameWriter()
  private readonly reader: FrameReader
  private readonly handshake: DiallerHandshake
  private isWelcome = false
  private nextId = 1

  private constructor(readonly connection: RawConnection) {
    const nonce = Buffer.alloc(NONCE_BYTES, 7)
    const hello = { protocol: PROTOCOL_VERSION, role: 'client' as const, nonce }
    this.handshake = new DiallerHandshake(hello, undefined)
    this.reader = new FrameReader(2 * MIB, (type, buffer, from, to) => {
      this.onMessage(type, buffer.subarray(from, to))
    })
    connection.socket.on('data', (chunk: Buffer) => this.reader.push(Buffer.from(chunk)))
    connection.send(PREAMBLE)
    this.writer.write(MessageType.HELLO, pack(hello))
    this.flush()
  }

  static async open(address: string): Promise<WireClient> {
    const client = new WireClient(await RawConnection.open(address, cleanup))
    await until('a welcome', () => client.isWelcome)
    return client
  }

  /** A GET at ONE; `flush` sends it. */
  askFor(key: string): void {
    const at = this.writer.begin(MessageType.GET, Request.rest + key.length)
    const { buffer } = this.writer
    buffer.writeUInt32BE(this.nextId, at + Request.id)
    buffer[at + Request.level] = ConsistencyLevel.ONE
    buffer.writeUInt32BE(0, at + Request.epoch)
    buffer.writeDoubleBE(Number.MAX_SAFE_INTEGER, at + Request.deadline)
    buffer.write(key, at + Request.rest)
    this.nextId += 1
  }

  flush(): void {
    for (const bytes of this.writer.take()) this.connection.send(bytes)
  }

  /** @throws Error with what has come instead, until so many have come. */
  hasAnswers(count: number): true {
    const { found, refused, farewell, reader, connection } = this
    if (found.length + refused.length === count) return true
    const { bytesRead, bytesWritten } = connection.socket
    const state = { bytesRead, bytesWritten, isClosed: connection.isClosed, fault: reader.fault }
    const answers = `${found.length} found, ${refused.length} refused of ${count}`
    throw new Error(`${answers}, ${JSON.stringify({ farewell, ...state })}`)
  }

  private onMessage(type: number, body: Buffer): void {
    if (type === MessageType.CHALLENGE) {
      this.writer.write(MessageType.PROOF, pack(this.handshake.onChallenge(unpack(body))))
      this.flush()
    } else if (type === MessageType.WELCOME) {
      this.handshake.onWelcome(unpack(body))
      this.isWelcome = true
    } else if (type === MessageType.FOUND) {
      this.found.push(body.length)
    } else if (type === MessageType.FAULT) {
      this.refused.push(decodeFault(body).code)
    } else if (type === MessageType.GOODBYE) {
      this.farewell = decodeGoodbye(body).message
    }
  }
}

describe('processes: strangers on the port', () => {
  test('node: HTTP and RESP: answered in their own words, then closed', async () => {
    const cluster = await Cluster.start(cleanup, { nodes: 1, rf: 1 })
    const [address] = cluster.addresses
    for (const [words, answer] of [
      ['GET /keys/a HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1\.1 400 Bad Request\r\n/],
      ['*1\r\n$4\r\nPING\r\n', /^-ERR CASSIO_PROTOCOL .*\r\n$/],
      ['PING\r\n', /^-ERR CASSIO_PROTOCOL .*\r\n$/],
    ] as const) {
      const stranger = await RawConnection.open(address!, cleanup)
      stranger.send(words)
      await stranger.closed
      expect(stranger.received.toString()).toMatch(answer)
      expect(stranger.received.toString()).toContain('cassio')
    }
  })

  test('node: garbage, half frames and silence: closed in time, others undisturbed (RF=3)', async () => {
    const { target, expectUndisturbed } = await busyCluster()
    const random = seededRandom('strangers')
    const open = () => RawConnection.open(target.address, cleanup)

    const garbage = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const stranger = await open()
        // Half of them begin as friends do.
        if (i % 2 === 0) stranger.send(PREAMBLE)
        stranger.send(random.bytes(1 + random.below(20_000)))
        return stranger
      }),
    )
    const huge = await open()
    huge.send(Buffer.concat([PREAMBLE, Buffer.from('ffffffff00000001deadbeef', 'hex')]))
    const writer = new FrameWriter()
    writer.write(MessageType.HELLO, Buffer.alloc(8_000))
    const frame = Buffer.concat([PREAMBLE, ...writer.take()])
    const half = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const stranger = await open()
        stranger.send(frame.subarray(0, 1 + i * 100))
        return stranger
      }),
    )
    const { connection: welcomed } = await WireClient.open(target.address)
    welcomed.send(Buffer.from('0000040000000099', 'hex'))
    const silent = await Promise.all(Array.from({ length: 200 }, open))
    const heldOpen = silent.filter((each) => !each.isClosed).length
    expect(heldOpen).toBeGreaterThan(0)

    // Nobody is kept for long.
    const all = [...garbage, huge, ...half, welcomed, ...silent]
    await until('strangers are put out', () => all.every((each) => each.isClosed))
    await expectUndisturbed(STRANGERS_BYTES_MAX)
  })

  test('node: a client that asks for much at once and reads nothing: dropped, others undisturbed (RF=3)', async () => {
    const { target, client, expectUndisturbed } = await busyCluster()
    await client.set('large', Buffer.alloc(VALUE_BYTES, 'x'))
    const deaf = await WireClient.open(target.address)
    deaf.connection.socket.pause()
    for (let i = 0; i < BURST; i += 1) deaf.askFor('large')
    deaf.flush()
    await until('the deaf client is dropped', async () => {
      return (await client.status(target.address)).clients === 1
    })
    await expectUndisturbed(READER_BYTES_MAX)
  })

  test('node: a client that asks on and on and reads late: every request is answered then, others undisturbed (RF=3)', async () => {
    const { target, client, residentGrowth, expectUndisturbed } = await busyCluster(30_000)
    await client.set('large', Buffer.alloc(VALUE_BYTES, 'x'))
    const late = await WireClient.open(target.address)
    late.connection.socket.pause()
    const count = 4 * BURST
    for (let i = 0; i < count; i += 1) {
      late.askFor('large')
      late.flush()
      // An answer to somebody else comes in between: each request is in a turn of its own.
      await client.status(target.address)
    }
    expect(await residentGrowth()).toBeLessThan(READER_BYTES_MAX)
    late.connection.socket.resume()
    await until('all answers', () => late.hasAnswers(count))
    // What waited in the socket comes in one turn: as much as may be held is served of it.
    expect(late.found.length * VALUE_BYTES).toBeGreaterThan(OUTPUT_MAX_BYTES / 2)
    expect(new Set(late.found)).toEqual(new Set([late.found[0]]))
    expect(late.refused.filter((code) => code !== 'CASSIO_OVERLOADED')).toEqual([])
    const served = late.found.length
    late.askFor('large')
    late.flush()
    await until('one more answer', () => late.hasAnswers(count + 1))
    expect(late.found.length).toBe(served + 1)
    late.connection.socket.destroy()
    await until('it has gone', async () => (await client.status(target.address)).clients === 1)
    await expectUndisturbed(READER_BYTES_MAX)
  })
})
