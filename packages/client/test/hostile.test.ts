import {
  CassioError,
  cellBytes,
  type ErrorCode,
  FrameWriter,
  MessageType,
  pack,
  writeCell,
} from '@cassiopeia/protocol'
import type { FakeNode, FakeRequest } from './fake-node'
import { World } from './world'

const { FOUND, GET, NOT_FOUND, PONG, PUT, RESULT, WRITTEN } = MessageType

/** The ends that a call may come to when its only node lies. */
const HONEST_ENDS: readonly ErrorCode[] = ['CASSIO_TIMEOUT', 'CASSIO_CONNECTION', 'CASSIO_PROTOCOL']

function cell(key: string, value = 'v', kind = 1): Buffer {
  const bytes = Buffer.alloc(cellBytes(Buffer.byteLength(key), Buffer.byteLength(value)))
  writeCell(bytes, 0, Buffer.from(key), Buffer.from(value), 0, kind)
  return bytes
}

function frame(type: number, body: Buffer): Buffer {
  const writer = new FrameWriter()
  writer.write(type, body)
  return Buffer.concat(writer.take())
}

/** Damages a sound frame. */
function damaged(change: (bytes: Buffer) => void): Buffer {
  const bytes = frame(PONG, Buffer.alloc(24))
  change(bytes)
  return bytes
}

function raw(request: FakeRequest, bytes: Buffer): void {
  request.session.connection.write(bytes)
}

/** One node, which answers every read and write in this way. */
async function lyingNode(lie: (request: FakeRequest) => void): Promise<World> {
  const world = await World.make({ nodes: ['n1'] })
  world.node('n1').script = (request) => {
    if (request.type !== GET && request.type !== PUT) return false
    lie(request)
    return true
  }
  return world
}

const LIES: readonly [string, (request: FakeRequest) => void][] = [
  ['garbage', (r) => raw(r, Buffer.alloc(1_000, 0xa5))],
  ['an HTTP answer', (r) => raw(r, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
  [
    'a frame of 4 GiB',
    (r) =>
      raw(
        r,
        damaged((bytes) => bytes.writeUInt32BE(2 ** 32 - 1, 0)),
      ),
  ],
  [
    'a frame with a wrong checksum',
    (r) =>
      raw(
        r,
        damaged((bytes) => bytes.writeUInt8(1, 9)),
      ),
  ],
  ['half a frame', (r) => raw(r, damaged(() => {}).subarray(0, 15))],
  ['an answer without an id', (r) => r.session.send(NOT_FOUND, Buffer.alloc(3))],
  ['an answer to nobody', (r) => r.session.send(NOT_FOUND, Buffer.from([9, 9, 9, 9]))],
  ['a NOT_FOUND that is too long', (r) => r.reply(NOT_FOUND, Buffer.alloc(1))],
  ['a FOUND without a cell', (r) => r.reply(FOUND, Buffer.alloc(0))],
  ['a FOUND of another key', (r) => r.reply(FOUND, cell('other'))],
  ['a cell with a wrong size', (r) => r.reply(FOUND, cell('k').subarray(0, 33))],
  ['a WRITTEN that is too short', (r) => r.reply(WRITTEN, Buffer.alloc(18))],
  [
    'an answer of the other kind',
    (r) => r.reply(r.type === GET ? WRITTEN : NOT_FOUND, Buffer.alloc(19)),
  ],
  ['a RESULT nobody asked for', (r) => r.reply(RESULT, pack({}))],
  ['an error that is none', (r) => r.reply(MessageType.FAULT, pack('no'))],
  [
    'an error with an unknown code',
    (r) => r.reply(MessageType.FAULT, pack({ code: 'X', message: '' })),
  ],
  ['a message of a type of peers', (r) => r.session.send(MessageType.GOSSIP, pack({}))],
  ['a message of no type', (r) => r.session.send(255, Buffer.alloc(4))],
  ['a PONG that is too short', (r) => r.session.send(PONG, Buffer.alloc(8))],
  ['a PONG with a clock that is no number', (r) => r.session.send(PONG, Buffer.alloc(24, 0xff))],
  ['a second WELCOME', (r) => r.session.send(MessageType.WELCOME, pack({}))],
  [
    'a GOODBYE that cannot be read',
    (r) => r.session.send(MessageType.GOODBYE, Buffer.from([0xc1])),
  ],
  ['the end of the connection', (r) => r.session.connection.destroy()],
  ['silence', () => {}],
]

describe('client: a hostile node', () => {
  it.each(LIES)('client: %s: an error in time, for a read and for a write', async (_, lie) => {
    const world = await lyingNode(lie)
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    for (const call of [
      client.get('k', { timeoutMs: 900 }),
      client.set('k', 1, { timeoutMs: 900 }),
    ]) {
      const error = await world.failure(call)
      expect(HONEST_ENDS).toContain(error.code)
    }
    expect(world.nowMs).toBeLessThan(2_000)
    // And it can be used again as soon as the node behaves.
    world.node('n1').script = () => false
    await world.run(client.set('k', 'fine'))
    expect(await world.run(client.get('k'))).toBe('fine')
  })

  it.each(LIES)('client: %s, but other nodes are honest: reads do not fail', async (_, lie) => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(client.set('k', 'v'))
    world.node('n1').script = (request) => {
      if (request.type !== GET) return false
      lie(request)
      return true
    }
    for (let i = 0; i < 12; i += 1) expect(await world.run(client.get('k'))).toBe('v')
  })

  it('client: a value that cannot be decoded: CASSIO_CORRUPT, and the connection lives', async () => {
    const world = await lyingNode((request) => request.reply(FOUND, cell('k', '\u00c1\u0000', 2)))
    const client = await world.connected({ contactPoints: ['n1:9000'] })
    expect(await world.failure(client.get('k'))).toMatchObject({ code: 'CASSIO_CORRUPT' })
    expect(world.node('n1').sessions).toHaveLength(1)
  })

  it.each<[string, (node: FakeNode) => void]>([
    ['no map', (node) => answerMap(node, 'no map')],
    ['a map of another form', (node) => answerMap(node, pack({ epoch: 1 }))],
    ['bytes that are no map', (node) => answerMap(node, Buffer.from([0xc1, 0xff]))],
  ])('client: %s for a map: connect fails with CASSIO_PROTOCOL', async (_, script) => {
    const world = await World.make({ nodes: ['n1'] })
    script(world.node('n1'))
    const client = world.client({ contactPoints: ['n1:9000'] })
    expect(await world.failure(client.connect())).toMatchObject({ code: 'CASSIO_PROTOCOL' })
  })

  it('client: an endless stream of sound frames before the handshake: closed', async () => {
    const world = await World.make({ nodes: ['n1'] })
    world.node('n1').onConnection = (connection) => {
      connection.setHandlers({ onData: () => {}, onClose: () => {} })
      connection.write(frame(NOT_FOUND, Buffer.alloc(17 * 1024)))
      return true
    }
    const client = world.client({ contactPoints: ['n1:9000'] })
    expect(await world.failure(client.connect())).toMatchObject({ code: 'CASSIO_PROTOCOL' })
  })

  it('client: a frame that never ends: the connection is given up', async () => {
    const world = await World.make({ nodes: ['n1'] })
    await world.connected({ contactPoints: ['n1:9000'] })
    const node = world.node('n1')
    const [session] = node.sessions
    const header = Buffer.alloc(12)
    header.writeUInt32BE(1_000_000, 0)
    session!.connection.write(header)
    // It goes on sending, so it is not silent.
    const drip = () => {
      session!.connection.write(Buffer.alloc(1))
      node.ports.timers.after(100, drip)
    }
    drip()
    await world.simulation.advance(15_000)
    expect(node.sessions).toHaveLength(2)
  })

  it('client: random bytes at every moment: never an exception, never a hang', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const world = await World.make({ seed })
      const random = world.simulation.random('lies')
      const client = await world.connected()
      world.simulation.setLink({ corruptProbability: 0.05 }, 'n1', 'client')
      world.simulation.setLink({ corruptProbability: 0.05 }, 'n2', 'client')
      world.node('n3').script = (request) => {
        if (!random.chance(0.1)) return false
        raw(request, random.bytes(1 + random.below(100)))
        return true
      }
      const work = Array.from({ length: 100 }, async (_, n) => {
        await world.simulation.sleep(n * 10)
        await client.set(`key-${n}`, n, { timeoutMs: 1_000 })
        return client.get(`key-${n}`, { timeoutMs: 1_000 })
      })
      const settled = await world.run(Promise.allSettled(work))
      settled.forEach((each, n) => {
        if (each.status === 'fulfilled') expect(each.value).toBe(n)
        else expect(each.reason).toBeInstanceOf(CassioError)
      })
      await world.run(client.disconnect())
    }
  })
})

function answerMap(node: FakeNode, result: unknown): void {
  node.script = (request) => {
    request.result(result)
    return true
  }
}
