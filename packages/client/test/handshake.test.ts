import { MessageType } from '@cassiopeia/protocol'
import { World } from './world'

describe('client: handshake', () => {
  it('client: both know the secret: connected', async () => {
    const world = await World.make({ node: { secret: 'swordfish' } })
    const client = await world.connected({ secret: 'swordfish' })
    await world.run(client.set('k', 'v'))
    expect(world.all.every((node) => node.sessions.some((session) => session.isReady))).toBe(true)
  })

  it('client: no secret anywhere: connected', async () => {
    const world = await World.make()
    await world.connected()
  })

  it.each([
    { has: 'swordfish', wants: 'tunafish', says: 'does not know the shared secret' },
    { has: undefined, wants: 'tunafish', says: 'requires a shared secret' },
    { has: 'swordfish', wants: undefined, says: 'the node asks for none' },
  ])('client: secret $has, node $wants: refused at once, by code', async ({ has, wants, says }) => {
    const world = await World.make(wants === undefined ? {} : { node: { secret: wants } })
    const client = world.client(has === undefined ? {} : { secret: has })
    const error = await world.failure(client.connect())
    expect(error).toMatchObject({ name: 'CassioError', code: 'CASSIO_UNAUTHORIZED' })
    expect(error.message).toContain(says)
    expect(world.nowMs).toBeLessThan(100)
    expect(world.all.flatMap((node) => node.requests)).toEqual([])
  })

  it('client: the secret itself: is in no byte sent', async () => {
    const world = await World.make({ nodes: ['n1'], node: { secret: 'swordfish' } })
    const seen: Buffer[] = []
    const { network } = world.clientProcess.ports
    const spying: typeof network = {
      listen: (address, accept) => network.listen(address, accept),
      dial(address, handlers) {
        const connection = network.dial(address, handlers)
        const write = connection.write.bind(connection)
        connection.write = (bytes) => {
          seen.push(Buffer.from(bytes))
          write(bytes)
        }
        return connection
      },
    }
    const ports = { ...world.clientProcess.ports, network: spying }
    await world.connected({ ports, secret: 'swordfish', contactPoints: ['n1:9000'] })
    expect(seen.length).toBeGreaterThan(1)
    expect(Buffer.concat(seen).includes('swordfish')).toBe(false)
  })

  it.each([
    ['a challenge without a nonce', MessageType.CHALLENGE, { nonce: undefined }],
    ['a short nonce', MessageType.CHALLENGE, { nonce: Buffer.alloc(8) }],
    ['a welcome by another node', MessageType.WELCOME, { nodeId: 'stranger' }],
    ['a welcome without a clock', MessageType.WELCOME, { monotonicMs: 'noon' }],
    ['a welcome with a clock that is no number', MessageType.WELCOME, { monotonicMs: Number.NaN }],
    ['a welcome that allows values of 1 GiB', MessageType.WELCOME, { maxValueBytes: 2 ** 30 }],
    ['a welcome that allows no values', MessageType.WELCOME, { maxValueBytes: 0 }],
    ['a welcome without an epoch', MessageType.WELCOME, { epoch: undefined }],
  ])('client: %s: CASSIO_PROTOCOL', async (_, type, change) => {
    const world = await World.make({ nodes: ['n1'] })
    world.node('n1').onHandshake = (said, message) =>
      said === type ? { ...(message as object), ...change } : message
    const client = world.client({ contactPoints: ['n1:9000'] })
    expect(await world.failure(client.connect())).toMatchObject({ code: 'CASSIO_PROTOCOL' })
  })

  it('client: one node knows another secret: the others serve, it is a cause', async () => {
    const world = await World.make()
    world.node('n2').onHandshake = (type, message) =>
      type === MessageType.CHALLENGE
        ? { ...(message as object), secretRequired: true, proof: Buffer.alloc(32) }
        : message
    const client = await world.connected()
    await world.run(client.setMany([1, 2, 3, 4].map((n) => [`key-${n}`, n])))
    expect(world.node('n2').requests).toEqual([])
    const error = await world.failure(client.status('n2:9000'))
    expect(error).toMatchObject({ code: 'CASSIO_UNAUTHORIZED' })
  })
})
