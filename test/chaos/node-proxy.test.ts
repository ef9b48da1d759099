import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { KeyedRandom } from '@cassiopeia/env'
import { FrameWriter, MessageType, PREAMBLE, pack } from '@cassiopeia/protocol'
import { Cleanup, freePorts, LOCAL_HOST, until } from '../integration/world'
import type { LinkEffect } from './faults'
import { Links } from './links'
import { NodeProxy } from './node-proxy'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const OTHER_ADDRESS = '127.0.0.1:7777'
const TO = ['client-0', 'node-0'] as const
const FROM = ['node-0', 'client-0'] as const

/** One end of a connection, and what has come. */
class End {
  received = Buffer.alloc(0)
  chunks = 0
  ended = false
  closed = false

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.chunks += 1
    })
    socket.on('error', () => {})
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('close', () => {
      this.closed = true
    })
    cleanup.add(() => socket.destroy())
  }

  has(bytes: number): Promise<unknown> {
    return until(`${bytes} bytes`, () => this.received.length >= bytes)
  }
}

/** A server behind a proxy, and a connection of client-0 to it. */
async function connected() {
  const accepted: End[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(new End(socket))
  })
  cleanup.add(() => server.close())
  await new Promise<void>((done) => server.listen(0, LOCAL_HOST, done))
  const links = new Links(new KeyedRandom(1, 'test'))
  const { port } = server.address() as AddressInfo
  const partyAt = (address: string) => (address === OTHER_ADDRESS ? 'node-1' : undefined)
  const proxy = new NodeProxy(links, 'node-0', port, partyAt)
  cleanup.add(() => proxy.close())
  const door = await proxy.doorFor('client-0')
  const near = new End(connect({ host: LOCAL_HOST, port: door, allowHalfOpen: true }))
  const far = await until('a connection', () => accepted[0])
  return { links, proxy, near, far, accepted }
}

const TEXT = Buffer.from('0123456789'.repeat(2_000))

describe('chaos proxy', () => {
  test('at rest: bytes and ends pass in both directions', async () => {
    const { near, far } = await connected()
    near.socket.end(TEXT)
    await until('the end', () => far.ended)
    expect(far.received).toEqual(TEXT)
    far.socket.end('answer')
    await until('the end', () => near.ended)
    expect(near.received.toString()).toBe('answer')
  })

  test('one direction held: the other passes; what was held comes later, in order, with its end', async () => {
    const { links, near, far } = await connected()
    const lift = links.lay([TO], { hold: true })
    near.socket.end(TEXT)
    far.socket.write('answer')
    await near.has(6)
    expect([far.received.length, far.ended]).toEqual([0, false])
    lift()
    await until('the end', () => far.ended)
    expect(far.received).toEqual(TEXT)
  })

  test.each<[string, LinkEffect]>([
    ['delayed', { delayMs: 5, jitterMs: 20 }],
    ['slow', { bytesPerSecond: 200_000 }],
    ['in portions', { portionBytesMax: 7 }],
    ['all of it', { delayMs: 2, bytesPerSecond: 400_000, portionBytesMax: 1_000 }],
  ])('%s: the same bytes in the same order', async (_, effect) => {
    const { links, near, far } = await connected()
    links.lay([['*', '*']], effect)
    for (let at = 0; at < TEXT.length; at += 999) near.socket.write(TEXT.subarray(at, at + 999))
    await far.has(TEXT.length)
    expect(far.received).toEqual(TEXT)
  })

  test('a flipped bit: one, once, in the direction that was asked for', async () => {
    const { links, near, far } = await connected()
    links.flipNext(TO, 0.5)
    far.socket.write(TEXT)
    near.socket.write(TEXT)
    await near.has(TEXT.length)
    await far.has(TEXT.length)
    expect(near.received).toEqual(TEXT)
    const differing = [...far.received].filter((byte, at) => byte !== TEXT[at])
    expect([differing.length, links.flipped]).toEqual([1, 1])
  })

  test('reset: both ends lose the connection', async () => {
    const { links, near, far } = await connected()
    links.reset('node-0')
    await until('both are closed', () => near.closed && far.closed)
  })

  test('the far end dies: the near one learns it only once bytes pass again', async () => {
    const { links, near, far } = await connected()
    const lift = links.lay([FROM], { hold: true })
    far.socket.resetAndDestroy()
    await until('the far end is gone', () => far.closed)
    expect([near.ended, near.closed]).toEqual([false, false])
    lift()
    await until('the near end is closed', () => near.closed)
  })

  test('a peer says who it is: faults on its link are those of that node', async () => {
    const { links, proxy, accepted } = await connected()
    const port = await freePorts(1)
    await proxy.open(port)
    links.lay([['node-1', 'node-0']], { hold: true })
    const open = (address: string) => {
      const writer = new FrameWriter()
      writer.write(MessageType.HELLO, pack({ address }))
      const end = new End(connect({ host: LOCAL_HOST, port }))
      end.socket.write(Buffer.concat([PREAMBLE, ...writer.take()]))
      return end
    }
    open(OTHER_ADDRESS)
    const other = await until('a second connection', () => accepted[1])
    open('127.0.0.1:1')
    const stranger = await until('a third connection', () => accepted[2])
    await stranger.has(PREAMBLE.length)
    expect(other.received.length).toBe(0)
    links.clear()
    await other.has(PREAMBLE.length)
    expect(other.received.subarray(0, PREAMBLE.length)).toEqual(PREAMBLE)
  })
})
