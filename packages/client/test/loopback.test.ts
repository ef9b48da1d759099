import { nodePorts } from '@cassiopeia/env'
import { CassioClient } from '../src'
import { type FakeCluster, FakeNode, type FakeSession } from './fake-node'
import { clusterMap, nodeId } from './world'

/** The same client over real sockets and the real clock. */
describe('client: over loopback', () => {
  it('client: connects, writes, reads, scans, disconnects', async () => {
    const cluster: FakeCluster = { map: undefined, cells: new Map() }
    const node = new FakeNode(nodePorts(), { host: '127.0.0.1', nodeId: nodeId('n1'), cluster })
    const listener = await node.ports.network.listen({ host: '127.0.0.1', port: 0 }, node.accept)
    const address = `127.0.0.1:${listener.address.port}`
    const map = clusterMap(['n1'])
    cluster.map = { ...map, members: map.members.map((member) => ({ ...member, address })) }
    const client = new CassioClient({ contactPoints: [address] })
    await client.connect()
    await client.setMany(Array.from({ length: 500 }, (_, n) => [`key-${n}`, { n }]))
    expect(await client.get('key-7')).toEqual({ n: 7 })
    expect(await client.getMany(['key-1', 'none'])).toEqual([{ n: 1 }, undefined])
    const large = Buffer.alloc(900_000, 7)
    await client.set('large', large)
    expect(large.equals((await client.get('large')) as Buffer)).toBe(true)
    let count = 0
    for await (const _ of client.keys({ pageSize: 100 })) count += 1
    expect(count).toBe(501)
    await client.disconnect()
    await listener.close()
    node.sessions.forEach(({ connection }: FakeSession) => {
      connection.destroy()
    })
  })

  it('client: nobody listens: the error names address and reason', async () => {
    const { network } = nodePorts()
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, () => {})
    const { port } = listener.address
    await listener.close()
    const contactPoints = [`127.0.0.1:${port}`]
    const client = new CassioClient({ contactPoints, connectTimeoutMs: 200 })
    await expect(client.connect()).rejects.toMatchObject({
      code: 'CASSIO_CONNECTION',
      message: expect.stringContaining(`127.0.0.1:${port}: ECONNREFUSED`),
    })
  })
})
