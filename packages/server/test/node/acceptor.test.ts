import { KeyedRandom } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  ConsistencyLevel,
  encodeCall,
  FRAME_HEADER_BYTES,
  FrameWriter,
  MessageType,
  NONCE_BYTES,
  PREAMBLE,
  PROTOCOL_VERSION,
  pack,
  ReplicaRequest,
  Request,
} from '@cassiopeia/protocol'
import type { SimulatedCluster } from '../../src'
import { connectClient, withCluster } from './support'
import { cellOf, WireClient } from './wire-client'

const one = { nodes: 1, seed: 1 }

function address(cluster: SimulatedCluster, index = 0): string {
  return cluster.contactPoints[index]!
}

describe('acceptor', () => {
  it.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 Bad Request\r\n/],
    ['HTTP with a body', 'POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello', /^HTTP\/1.1 400/],
    ['RESP', '*1\r\n$4\r\nPING\r\n', /^-ERR CASSIO_PROTOCOL/],
    ['inline RESP', 'PING\r\n', /^-ERR CASSIO_PROTOCOL/],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^-ERR CASSIO_PROTOCOL/],
    ['zeros', '\0'.repeat(100), /^-ERR CASSIO_PROTOCOL/],
    ['half a preamble, then garbage', '\xca\x55\xff', /^-ERR CASSIO_PROTOCOL/],
    ['another version of the preamble', '\xca\x55\x10\x02', /^-ERR CASSIO_PROTOCOL/],
  ])(
    'acceptor: %s: told in words what this port is, and closed',
    async (_what, greeting, answer) => {
      await withCluster(one, async (cluster) => {
        const wire = await WireClient.dial(cluster.simulation, address(cluster))
        wire.write(Buffer.from(greeting, 'latin1'))
        await wire.untilClosed(2_000)
        expect(wire.text).toMatch(answer)
        expect(wire.text).toContain("speaks Cassiopeia's native protocol")
        const length = /Content-Length: (\d+)/.exec(wire.text)
        if (length !== null) expect(wire.text.split('\r\n\r\n')[1]).toHaveLength(Number(length[1]))
      })
    },
  )

  it('acceptor: preamble and handshake byte by byte: welcome', async () => {
    await withCluster(one, async (cluster) => {
      const { simulation } = cluster
      const wire = await WireClient.dial(simulation, address(cluster))
      const writer = new FrameWriter()
      const nonce = Buffer.alloc(NONCE_BYTES, 1)
      writer.write(MessageType.HELLO, pack({ protocol: PROTOCOL_VERSION, role: 'client', nonce }))
      for (const byte of Buffer.concat([PREAMBLE, ...writer.take()])) {
        wire.write(Buffer.from([byte]))
        await simulation.advance(1)
      }
      await wire.next(MessageType.CHALLENGE)
      writer.write(MessageType.PROOF, pack({}))
      for (const byte of Buffer.concat(writer.take())) wire.write(Buffer.from([byte]))
      await wire.next(MessageType.WELCOME)
      expect(wire.closed).toBe(false)
    })
  })

  it.each([
    ['nothing at all', Buffer.alloc(0)],
    ['half a preamble', PREAMBLE.subarray(0, 2)],
    ['the preamble alone', PREAMBLE],
    ['half a frame', Buffer.concat([PREAMBLE, Buffer.from([0, 0, 0, 50, 0, 0, 0, 1, 0])])],
  ])(
    'acceptor: %s, then silence: closed when the handshake has had its time',
    async (_what, bytes) => {
      await withCluster({ ...one, node: { handshakeTimeoutMs: 500 } }, async (cluster) => {
        const wire = await WireClient.dial(cluster.simulation, address(cluster))
        if (bytes.length > 0) wire.write(bytes)
        await cluster.advance(400)
        expect(wire.closed).toBe(false)
        await cluster.advance(200)
        expect([wire.closed, wire.farewell]).toEqual([
          true,
          'CASSIO_PROTOCOL: the handshake took too long',
        ])
      })
    },
  )

  it('acceptor: a byte now and then keeps no handshake open', async () => {
    await withCluster({ ...one, node: { handshakeTimeoutMs: 500 } }, async (cluster) => {
      const wire = await WireClient.dial(cluster.simulation, address(cluster))
      wire.write(Buffer.concat([PREAMBLE, Buffer.from([0, 0, 1, 0])]))
      for (let i = 0; i < 60 && !wire.closed; i += 1) {
        wire.write(Buffer.from([0]))
        await cluster.advance(10)
      }
      expect(wire.closed).toBe(true)
    })
  })

  it('acceptor: a frame that never ends, on a client that is welcome: closed after its time', async () => {
    await withCluster({ ...one, node: { frameTimeoutMs: 1_000 } }, async (cluster) => {
      const idle = await WireClient.connect(cluster.simulation, address(cluster), { name: 'idle' })
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      const frame = new FrameWriter()
      frame.write(MessageType.GET, Buffer.alloc(1_000))
      wire.write(Buffer.concat(frame.take()).subarray(0, 500))
      for (let i = 0; i < 25 && !wire.closed; i += 1) {
        wire.write(Buffer.from([0]))
        await cluster.advance(100)
      }
      expect(wire.farewell).toBe('CASSIO_PROTOCOL: a frame took too long to arrive')
      await cluster.advance(5_000)
      expect(idle.closed).toBe(false)
    })
  })

  it.each([
    ['16 KiB and a byte', 16 * 1024 + 1],
    ['2^32 - 1 bytes', 0xffffffff],
  ])(
    'acceptor: a frame of %s before the handshake: refused from its header',
    async (_what, length) => {
      await withCluster(one, async (cluster) => {
        const wire = await WireClient.dial(cluster.simulation, address(cluster))
        const header = Buffer.alloc(FRAME_HEADER_BYTES)
        header.writeUInt32BE(length, 0)
        wire.write(Buffer.concat([PREAMBLE, header]))
        await wire.untilClosed(1_000)
        expect(wire.farewell).toMatch(
          /^CASSIO_PROTOCOL: a frame of \d+ bytes is over the limit of 16384/,
        )
      })
    },
  )

  it.each<[string, number, Buffer]>([
    ['a GET', MessageType.GET, Buffer.alloc(40)],
    ['a PROOF', MessageType.PROOF, pack({})],
    ['HELLO with damage', MessageType.HELLO, Buffer.from([0xc1])],
    ['HELLO with a bomb', MessageType.HELLO, Buffer.from('ddffffffff', 'hex')],
    ['HELLO nested deep', MessageType.HELLO, Buffer.alloc(100, 0x91)],
    ['HELLO of another version', MessageType.HELLO, pack({ protocol: 99 })],
    ['a WRITE', MessageType.WRITE, Buffer.alloc(80)],
  ])('acceptor: %s first: CASSIO_PROTOCOL, and closed', async (_what, type, body) => {
    await withCluster(one, async (cluster) => {
      const wire = await WireClient.dial(cluster.simulation, address(cluster))
      wire.write(PREAMBLE)
      wire.send(type, body)
      await wire.untilClosed(1_000)
      expect(wire.farewell).toMatch(/^CASSIO_PROTOCOL/)
    })
  })

  it('acceptor: more connections than allowed: refused, until one has gone', async () => {
    await withCluster({ ...one, node: { connectionsMax: 3 } }, async (cluster) => {
      const { simulation } = cluster
      const wires: WireClient[] = []
      for (let i = 0; i < 3; i += 1)
        wires.push(await WireClient.connect(simulation, address(cluster)))
      const refused = await WireClient.dial(simulation, address(cluster))
      await refused.untilClosed(1_000)
      wires[0]!.destroy()
      await cluster.advance(50)
      await WireClient.connect(simulation, address(cluster))
    })
  })

  it('acceptor: callers that were turned away and linger: count as connections', async () => {
    await withCluster({ ...one, node: { connectionsMax: 3 } }, async (cluster) => {
      const { simulation } = cluster
      for (let i = 0; i < 3; i += 1) {
        const stranger = await WireClient.dial(simulation, address(cluster), 'stranger')
        // It takes nothing, so it does not see the end either.
        stranger.pause()
        stranger.write(Buffer.from('nonsense'))
        await cluster.advance(5)
      }
      const fourth = await WireClient.dial(simulation, address(cluster))
      await cluster.advance(50)
      expect(fourth.closed).toBe(true)
      await cluster.advance(10_000)
      await WireClient.connect(simulation, address(cluster))
    })
  })

  it.each([
    ['none', undefined, /requires a shared secret/],
    ['a wrong one', 'wrong', /does not know the shared secret/],
  ])(
    'acceptor: a secret is set, the client has %s: CASSIO_UNAUTHORIZED',
    async (_what, secret, text) => {
      await withCluster({ ...one, node: { secret: 'right' } }, async (cluster) => {
        const attempt = WireClient.connect(cluster.simulation, address(cluster), {
          ...(secret === undefined ? {} : { secret }),
        })
        await expect(attempt).rejects.toThrow(text)
        const options = secret === undefined ? {} : { secret }
        await expect(connectClient(cluster, options)).rejects.toMatchObject({
          code: 'CASSIO_UNAUTHORIZED',
        })
        const right = await connectClient(cluster, { secret: 'right', name: 'right' })
        await cluster.run(right.set('a', 'b'))
        await cluster.run(right.disconnect())
      })
    },
  )

  it('acceptor: a client that skips the proof: CASSIO_UNAUTHORIZED, nothing is served', async () => {
    await withCluster({ ...one, node: { secret: 'right' } }, async (cluster) => {
      const wire = await WireClient.dial(cluster.simulation, address(cluster))
      const nonce = Buffer.alloc(NONCE_BYTES)
      wire.write(PREAMBLE)
      wire.writer.write(
        MessageType.HELLO,
        pack({ protocol: PROTOCOL_VERSION, role: 'client', nonce }),
      )
      wire.writer.write(MessageType.PROOF, pack({}))
      wire.writer.write(MessageType.CALL, encodeCall(1, Number.MAX_VALUE, 'status', null))
      wire.flush()
      await wire.untilClosed(1_000)
      expect(wire.farewell).toMatch(/^CASSIO_UNAUTHORIZED: the shared secret is missing or wrong/)
      expect(wire.messages.some(({ type }) => type === MessageType.RESULT)).toBe(false)
    })
  })
})

describe('client session', () => {
  it.each<[string, number, Buffer, RegExp]>([
    ['an unknown type', 99, Buffer.alloc(40), /unexpected message 99/],
    ["a peer's WRITE", MessageType.WRITE, Buffer.alloc(80), /unexpected message 32/],
    ['a second HELLO', MessageType.HELLO, Buffer.alloc(10), /unexpected message 1/],
    ['an empty GET', MessageType.GET, Buffer.alloc(0), /shorter than its header/],
    ['a GET without its last byte', MessageType.GET, Buffer.alloc(16), /shorter than its header/],
    ['a PUT without its last byte', MessageType.PUT, Buffer.alloc(16), /shorter than its header/],
    ['a CALL without its last byte', MessageType.CALL, Buffer.alloc(11), /shorter than its header/],
  ])('client session: %s: CASSIO_PROTOCOL, and closed', async (_what, type, body, text) => {
    await withCluster(one, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      wire.send(type, body)
      await wire.untilClosed(1_000)
      expect(wire.farewell).toMatch(/^CASSIO_PROTOCOL/)
      expect(wire.farewell).toMatch(text)
    })
  })

  it('client session: a damaged frame: CASSIO_PROTOCOL, and closed', async () => {
    await withCluster(one, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      wire.writer.write(MessageType.GET, wire.requestBody(1, Buffer.from('key'), {}))
      const [frame] = wire.writer.take()
      frame![20]! ^= 1
      wire.write(frame!)
      await wire.untilClosed(1_000)
      expect(wire.farewell).toBe('CASSIO_PROTOCOL: a frame fails its checksum')
    })
  })

  it('client session: an id that is in flight already: CASSIO_PROTOCOL, and closed', async () => {
    for (const kind of ['get', 'call'] as const) {
      await withCluster({ nodes: 3, seed: 2 }, async (cluster) => {
        const wire = await WireClient.connect(cluster.simulation, address(cluster))
        wire.writer.write(MessageType.GET, wire.requestBody(7, Buffer.from('key'), {}))
        if (kind === 'get') wire.get(7, 'other')
        else wire.call(7, 'status')
        await wire.untilClosed(1_000)
        expect(wire.farewell).toBe('CASSIO_PROTOCOL: request 7 is in flight already')
      })
    }
  })

  it('client session: an id that has been answered: may be used again', async () => {
    await withCluster(one, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      for (let i = 0; i < 3; i += 1) {
        wire.put(7, cellOf('k', 'v'))
        expect(await wire.answer(7)).toBe('written')
        wire.get(7, 'k')
        expect(await wire.answer(7)).toBe('found')
        wire.call(7, 'status')
        expect(await wire.answer(7)).toMatch(/^result/)
      }
    })
  })

  it('client session: requests that cannot be carried out: answered, and the connection stays', async () => {
    await withCluster(one, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      const cell = cellOf('key', 'value')
      const damaged = Buffer.from(cell)
      damaged[6] = 0x80
      const cases: [() => void, string][] = [
        [() => wire.get(1, ''), 'CASSIO_INVALID'],
        [() => wire.get(1, Buffer.alloc(65_535, 1)), 'not found'],
        [() => wire.get(1, Buffer.alloc(65_536, 1)), 'CASSIO_KEY_TOO_LARGE'],
        [() => wire.get(1, 'k', { level: 0 as 1 }), 'CASSIO_INVALID'],
        [() => wire.get(1, 'k', { level: 6 as 1 }), 'CASSIO_INVALID'],
        [() => wire.get(1, 'k', { epoch: 2 }), 'CASSIO_STALE_MAP'],
        [() => wire.get(1, 'k', { epoch: 1 }), 'not found'],
        [() => wire.get(1, 'k', { deadline: Number.NaN }), 'CASSIO_TIMEOUT'],
        [() => wire.get(1, 'k', { deadline: -1 }), 'CASSIO_TIMEOUT'],
        [() => wire.get(1, 'k', { deadline: wire.deadline(-1) }), 'CASSIO_TIMEOUT'],
        [() => wire.get(1, 'k', { level: ConsistencyLevel.TWO }), 'CASSIO_UNAVAILABLE'],
        [() => wire.put(1, damaged), 'CASSIO_INVALID'],
        [() => wire.put(1, Buffer.alloc(0)), 'CASSIO_INVALID'],
        [() => wire.call(1, 'drop'), 'CASSIO_INVALID'],
        [() => wire.call(1, 'page', { epoch: 1, partitions: [1], limit: 1 }), 'CASSIO_INVALID'],
        [() => wire.call(1, 'explain', null), 'CASSIO_INVALID'],
        [() => wire.call(1, 'explain', { key: 'text' }), 'CASSIO_INVALID'],
        [() => wire.call(1, 'explain', { key: Buffer.alloc(65_536) }), 'CASSIO_INVALID'],
        [() => wire.call(1, 'scan', { partition: -1 }), 'CASSIO_INVALID'],
        [() => wire.call(1, 'scan', []), 'CASSIO_INVALID'],
        [() => wire.call(1, 'status', null, Number.NaN), 'CASSIO_TIMEOUT'],
        [() => wire.call(1, 'status', null, wire.deadline(-1)), 'CASSIO_TIMEOUT'],
        [
          () =>
            wire.send(
              MessageType.CALL,
              Buffer.concat([
                Buffer.from('00000001', 'hex'),
                f64(wire.deadline()),
                Buffer.from([0xc1]),
              ]),
            ),
          'CASSIO_INVALID',
        ],
      ]
      for (let length = 0; length < cell.length; length += 1) {
        cases.push([() => wire.put(1, cell.subarray(0, length)), 'CASSIO_INVALID'])
      }
      for (const [i, [send, expected]] of cases.entries()) {
        send()
        expect([i, await wire.answer(1)]).toEqual([i, expected])
      }
      expect(wire.closed).toBe(false)
      wire.put(2, cell)
      expect(await wire.answer(2)).toBe('written')
    })
  })

  it.each([Number.POSITIVE_INFINITY, Number.MAX_VALUE, 2 ** 53])(
    'client session: a deadline of %d: taken for the longest there is, the node goes on',
    async (deadline) => {
      await withCluster({ nodes: 3, seed: 3 }, async (cluster) => {
        const wire = await WireClient.connect(cluster.simulation, address(cluster))
        wire.put(1, cellOf('k', 'v'), { deadline })
        expect(await wire.answer(1)).toBe('written')
        wire.get(2, 'k', { deadline })
        expect(await wire.answer(2)).toBe('found')
        for (const [id, method, params] of [
          [3, 'status', null],
          [4, 'explain', { key: Buffer.from('k') }],
          [5, 'scan', { partition: 0, limit: 10, level: 'QUORUM', keysOnly: true }],
        ] as const) {
          wire.call(id, method, params, deadline)
          expect(await wire.answer(id)).toMatch(/^result/)
        }
        await cluster.advance(20_000)
        expect(cluster.isRunning(0)).toBe(true)
      })
    },
  )

  it('client session: values and keys: taken at the limit, refused one byte beyond', async () => {
    await withCluster({ ...one, node: { maxValueBytes: 5_000 } }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      expect(wire.welcome!.maxValueBytes).toBe(5_000)
      wire.put(1, cellOf('k', Buffer.alloc(5_000)))
      expect(await wire.answer(1)).toBe('written')
      wire.put(2, cellOf('k', Buffer.alloc(5_001)))
      expect(await wire.answer(2)).toBe('CASSIO_VALUE_TOO_LARGE')
      wire.put(3, cellOf(Buffer.alloc(65_535, 1), Buffer.alloc(5_000)))
      expect(await wire.answer(3)).toBe('written')
      wire.put(4, cellOf('k', Buffer.alloc(500_000)))
      await wire.untilClosed(1_000)
      expect(wire.farewell).toMatch(/^CASSIO_PROTOCOL: a frame of \d+ bytes is over the limit/)
    })
  })

  it('client session: a stamp of the client: taken at the limit ahead, refused beyond', async () => {
    await withCluster({ nodes: 3, seed: 4 }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      const wallMs = wire.process.ports.clock.wallMs()
      wire.put(1, cellOf('k', 'v', wallMs + 9_000))
      expect(await wire.answer(1)).toBe('written')
      wire.put(2, cellOf('k', 'v', wallMs + 11_000))
      expect(await wire.answer(2)).toBe('CASSIO_STAMP_AHEAD')
      wire.put(3, cellOf('k', 'v', 2 ** 48 - 1))
      expect(await wire.answer(3)).toBe('CASSIO_STAMP_AHEAD')
      wire.put(4, cellOf('k', 'w', 0))
      expect(await wire.answer(4)).toBe('written')
    })
  })

  it('client session: more calls at once than allowed: CASSIO_OVERLOADED, the rest are answered', async () => {
    await withCluster({ nodes: 3, seed: 5 }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      const params = { key: Buffer.from('k') }
      for (let id = 1; id <= 300; id += 1) {
        wire.writer.write(MessageType.CALL, encodeCall(id, wire.deadline(), 'explain', params))
      }
      wire.flush()
      const answers: string[] = []
      for (let id = 1; id <= 300; id += 1) answers.push((await wire.answer(id)).slice(0, 17))
      expect(answers.filter((answer) => answer === 'CASSIO_OVERLOADED')).toHaveLength(300 - 256)
      expect(answers.filter((answer) => answer.startsWith('result'))).toHaveLength(256)
    })
  })

  it('client session: many large answers asked for in one breath: bounded, and none is dropped', async () => {
    const limits = { outputPauseBytes: 1_000_000, outputMaxBytes: 4_000_000 }
    await withCluster({ ...one, node: limits }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      wire.put(1, cellOf('big', Buffer.alloc(1_000_000)))
      expect(await wire.answer(1)).toBe('written')
      for (let id = 10; id < 60; id += 1) {
        wire.writer.write(MessageType.GET, wire.requestBody(id, Buffer.from('big'), {}))
      }
      wire.flush()
      const answers: string[] = []
      for (let id = 10; id < 60; id += 1) answers.push(await wire.answer(id))
      expect(answers.filter((answer) => answer === 'found').length).toBeGreaterThanOrEqual(2)
      expect(answers.filter((answer) => answer === 'CASSIO_OVERLOADED').length).toBeGreaterThan(40)
      wire.get(70, 'big')
      expect(await wire.answer(70)).toBe('found')
    })
  })

  it('client session: a client that does not read: paused, then dropped; another is not affected', async () => {
    const limits = { outputPauseBytes: 600_000, outputMaxBytes: 2_000_000, frameTimeoutMs: 1_000 }
    await withCluster({ ...one, node: limits }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      wire.put(1, cellOf('big', Buffer.alloc(300_000)))
      expect(await wire.answer(1)).toBe('written')
      const other = await connectClient(cluster)
      wire.pause()
      const before = (await cluster.run(other.status())).counters.requests!
      for (let id = 10; id < 500; id += 1) {
        wire.get(id, 'big')
        if (id % 50 === 0) await cluster.advance(5)
      }
      await cluster.advance(500)
      expect(await cluster.run(other.get<Buffer>('none'))).toBeUndefined()
      // Not all of its requests were even read.
      const { counters, clients } = await cluster.run(other.status())
      expect(counters.requests! - before).toBeLessThan(400)
      expect(clients).toBe(2)
      await cluster.advance(9_000)
      expect((await cluster.run(other.status())).clients).toBe(1)
      await cluster.run(other.disconnect())
    })
  })

  it('client session: a slow but living reader: is not dropped', async () => {
    const limits = { outputPauseBytes: 600_000, outputMaxBytes: 4_000_000, frameTimeoutMs: 500 }
    await withCluster({ ...one, node: limits }, async (cluster) => {
      cluster.simulation.setLink({ bytesPerMs: 500 }, 'node-0', 'wire')
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      wire.put(1, cellOf('big', Buffer.alloc(400_000)))
      expect(await wire.answer(1)).toBe('written')
      for (let id = 10; id < 18; id += 1) wire.get(id, 'big')
      for (let id = 10; id < 18; id += 1) expect(await wire.answer(id)).toBe('found')
    })
  })

  it("client session: a frame held up by this side's own limit: is not held against the client", async () => {
    const limits = { connectionBytesMax: 100_000, frameTimeoutMs: 200 }
    await withCluster({ ...one, node: limits }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, address(cluster))
      cluster.machine(0).disk.faults.slowFactor = 3_000
      const big = new FrameWriter()
      Object.assign(big, { sequence: Reflect.get(wire.writer, 'sequence') })
      for (let id = 1; id <= 4; id += 1) {
        big.write(
          MessageType.PUT,
          wire.requestBody(id, cellOf(`k${id}`, Buffer.alloc(90_000)), {
            deadline: wire.deadline(30_000),
          }),
        )
      }
      const bytes = Buffer.concat(big.take())
      for (let at = 0; at < bytes.length; at += 30_000) wire.write(bytes.subarray(at, at + 30_000))
      for (let id = 1; id <= 4; id += 1) expect(await wire.answer(id)).toBe('written')
    })
  })
})

function f64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}

describe('peer session', () => {
  async function peer(cluster: SimulatedCluster): Promise<WireClient> {
    const { simulation } = cluster
    const wire = await WireClient.dial(simulation, address(cluster), 'false-peer')
    // What the member at the second address says; in this world nobody checks that it calls from there.
    const status = cluster.node(1)
    const founding = Reflect.get(Reflect.get(cluster.node(0), 'membership'), 'foundingText')
    await wire.handshake(undefined, {
      role: 'peer',
      nodeId: status.nodeId,
      address: address(cluster, 1),
      generation: 1,
      founding,
      clusterId: '',
    })
    return wire
  }

  it('peer session: truncated WRITE and READ bodies: refused or ignored, the node goes on', async () => {
    await withCluster({ nodes: 3, seed: 6 }, async (cluster) => {
      const wire = await peer(cluster)
      const body = Buffer.alloc(ReplicaRequest.rest + CELL_HEADER_BYTES + 10)
      body.writeUInt32BE(1, ReplicaRequest.epoch)
      body.writeDoubleBE(wire.deadline(), ReplicaRequest.deadline)
      cellOf('key', 'value').copy(body, ReplicaRequest.rest)
      for (const type of [MessageType.WRITE, MessageType.READ]) {
        for (let length = 0; length <= body.length; length += 1) {
          wire.writer.write(type, body.subarray(0, length))
        }
      }
      wire.flush()
      await cluster.advance(100)
      expect([wire.closed, cluster.isRunning(0)]).toEqual([false, true])
      const acks = wire.messages.filter(({ type }) => type === MessageType.WRITE_ACK)
      // Nothing shorter than a slot and a sequence can be answered.
      expect(acks.length).toBe(body.length + 1 - 8)
    })
  })

  it.each<[string, number, Buffer]>([
    ['damaged gossip', MessageType.GOSSIP, Buffer.from([0xc1])],
    ['damaged founding', MessageType.FOUNDING, Buffer.from([0xdd, 1, 1, 1, 1])],
    ['a short call', MessageType.CALL, Buffer.alloc(3)],
    [
      'a damaged call',
      MessageType.CALL,
      Buffer.concat([Buffer.alloc(4), f64(1e12), Buffer.from([0xc1])]),
    ],
  ])('peer session: %s: CASSIO_PROTOCOL, and closed', async (_what, type, body) => {
    await withCluster({ nodes: 3, seed: 7 }, async (cluster) => {
      const wire = await peer(cluster)
      wire.send(type, body)
      await wire.untilClosed(1_000)
      expect(wire.farewell).toMatch(/^CASSIO_PROTOCOL/)
      expect(cluster.isRunning(0)).toBe(true)
    })
  })

  it('peer session: a call past its deadline: is not carried out', async () => {
    await withCluster({ nodes: 3, seed: 8 }, async (cluster) => {
      const wire = await peer(cluster)
      const params = { epoch: 1, key: Buffer.from('k') }
      wire.call(1, 'vote', params, wire.deadline(-1))
      wire.call(2, 'vote', params)
      expect(await wire.answer(2)).toMatch(/^result/)
      await cluster.advance(1_000)
      expect(wire.messages).toEqual([])
    })
  })
})

describe('node under attack', () => {
  it.each([1, 2, 3])(
    'node under attack: mutated frames from strangers, clients and peers: another client works on undisturbed (seed %d)',
    async (seed) => {
      const cluster = await withCluster(
        { nodes: 3, seed, node: { partitionBits: 10 } },
        async (cluster) => {
          const { simulation } = cluster
          const random = new KeyedRandom(seed, 'attack')
          const client = await connectClient(cluster)
          let attacks = 0
          let answered = 0
          let wire = await WireClient.connect(simulation, address(cluster))
          const deadlineOf = () =>
            [wire.deadline(), Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300][random.below(5)]!
          const bodies: (() => [number, Buffer])[] = [
            () => [
              MessageType.GET,
              wire.requestBody(random.below(20), random.bytes(random.below(40)), {
                deadline: deadlineOf(),
              }),
            ],
            () => [
              MessageType.PUT,
              wire.requestBody(
                random.below(20),
                cellOf(random.bytes(1 + random.below(9)), random.bytes(random.below(99))),
                { deadline: deadlineOf() },
              ),
            ],
            () => [
              MessageType.CALL,
              encodeCall(
                random.below(20),
                deadlineOf(),
                (['map', 'status', 'scan', 'explain'] as const)[random.below(4)]!,
                {
                  key: random.bytes(3),
                  partition: random.below(1100),
                  limit: random.below(5),
                  level: 'ONE',
                  keysOnly: true,
                },
              ),
            ],
            () => [random.below(64), random.bytes(random.below(80))],
            () => [MessageType.PING, random.bytes(random.below(12))],
          ]
          while (attacks < 3_000) {
            if (wire.closed) {
              wire = random.chance(0.8)
                ? await WireClient.connect(simulation, address(cluster))
                : await WireClient.dial(simulation, address(cluster))
              if (wire.welcome === undefined)
                wire.write(random.chance(0.7) ? PREAMBLE : random.bytes(9))
            }
            const [type, body] = bodies[random.below(bodies.length)]!()
            if (wire.welcome === undefined) {
              wire.send(
                [1, 3, 5, 16][random.below(4)]!,
                random.chance(0.5) ? body : pack({ protocol: 1, role: 'peer', nonce: body }),
              )
            } else {
              for (let i = random.below(3); i > 0 && body.length > 0; i -= 1) {
                body[random.below(body.length)] = random.below(256)
              }
              const cut = random.chance(0.2) ? random.below(body.length + 1) : body.length
              wire.writer.write(type, body.subarray(0, cut))
              const frames = wire.writer.take()
              if (random.chance(0.02))
                frames[0]![random.below(frames[0]!.length)]! ^= 1 << random.below(8)
              for (const frame of frames) wire.write(frame)
            }
            attacks += 1
            if (attacks % 20 !== 0) continue
            await simulation.advance(3)
            if (attacks % 100 !== 0) continue
            const key = `mine-${random.below(10)}`
            await cluster.run(client.set(key, attacks))
            expect(await cluster.run(client.get(key))).toBe(attacks)
            answered += 1
          }
          expect(answered).toBe(30)
          await cluster.run(client.disconnect())
        },
      )
      expect(cluster.fatalErrors).toEqual([])
    },
  )

  it('node under attack: the layouts it depends on are the documented ones', () => {
    expect([Request.rest, ReplicaRequest.rest, CELL_HEADER_BYTES]).toEqual([17, 21, 32])
  })
})
