import type { CassioError } from '@cassiopeia/client'
import { Cluster, cassio } from './processes'
import { confinedTo } from './sockets'
import { Cleanup, freePorts, LOCAL_HOST, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const errorOf = (call: Promise<unknown>): Promise<CassioError> =>
  call.then(
    () => {
      throw new Error('it should have been refused')
    },
    (error: CassioError) => error,
  )

describe('processes: founding and identity', () => {
  test('founding: one of three is missing: requests name it; it comes, and the cluster serves', async () => {
    const cluster = await Cluster.plan(cleanup)
    const [first, second, late] = cluster.nodes
    first!.start()
    second!.start()
    await Promise.all([first!.untilSaid('listening'), second!.untilSaid('listening')])

    const early = cluster.newClient({
      contactPoints: [first!.address, second!.address],
      connectTimeoutMs: 1_500,
    })
    const connecting = errorOf(early.connect())
    // Until both are connected to each other, each of them misses the other one too.
    const status = await until('only one is missing', async () => {
      const { missing, members, clusterId } = await early.status(first!.address)
      return missing.length === 1 && { missing, members, clusterId }
    })
    expect(status).toEqual({ missing: [late!.address], members: [], clusterId: '' })
    const calls = [early.get('key'), early.set('key', 1), early.del('key')]
    for (const error of await Promise.all(calls.map(errorOf))) {
      expect(error.code).toBe('CASSIO_UNAVAILABLE')
      expect(error.message).toContain(late!.address)
      expect(error.causes.map(({ node }) => node)).toContain(late!.address)
      expect(error.applied).toBe('none')
    }
    const failure = await connecting
    expect(failure.code).toBe('CASSIO_UNAVAILABLE')
    expect(failure.message).toContain(late!.address)
    const command = ['get', 'key', '--contact', first!.address, '--timeout-ms', '500']
    const { code, stdout, stderr } = await cassio(command, cleanup)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('CASSIO_UNAVAILABLE')
    expect(stderr).toContain(late!.address)
    expect(first!.hasSaid('formed')).toBe(false)

    // A client that is patient is there when the cluster is.
    const patient = cluster.newClient({ contactPoints: [first!.address] })
    const connected = patient.connect()
    late!.start()
    await connected
    await cluster.untilWhole()
    await patient.set('key', 'value', { consistency: 'ALL' })
    expect(await patient.get('key')).toBe('value')
  })

  test('founding: all restarted from disk, one after the other: same cluster, same data (any order)', async () => {
    const cluster = await Cluster.start(cleanup)
    const client = await cluster.client()
    const { clusterId, epoch } = client.clusterMap()
    await client.set('key', 'value', { consistency: 'ALL' })
    await client.disconnect()
    for (const order of [
      [2, 0, 1],
      [1, 2, 0],
    ]) {
      await cluster.killAll()
      for (const index of order) {
        cluster.nodes[index]!.start()
        // It knows the cluster from its disk: nobody else is needed for that.
        await cluster.nodes[index]!.untilSaid('formed')
      }
      await cluster.untilWhole()
      const again = await cluster.client()
      expect(again.clusterMap()).toMatchObject({ clusterId, epoch })
      expect(await again.get('key', { consistency: 'ALL' })).toBe('value')
      await again.disconnect()
    }
  })

  test('identity: started with another member list: refused, both lists are named, nothing changed', async () => {
    const cluster = await Cluster.start(cleanup)
    const client = await cluster.client()
    await client.set('key', 'value', { consistency: 'ALL' })
    const [node] = cluster.nodes
    await node!.stop()
    const stranger = `${LOCAL_HOST}:${await freePorts(1)}`
    const other = [...cluster.addresses.slice(0, 2), stranger]
    node!.start(other)
    const { code, stdout, stderr } = await node!.exited
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('CASSIO_FOUNDING_MISMATCH')
    expect(stderr).toContain([...cluster.addresses].sort().join())
    expect(stderr).toContain([...other].sort().join())

    node!.start()
    await cluster.untilWhole()
    expect(await client.get('key', { consistency: 'ALL' })).toBe('value')
  })

  test('identity: a wiped node under its old address: refused by the others, it says why', async () => {
    const cluster = await Cluster.start(cleanup)
    const client = await cluster.client()
    await client.set('key', 'value', { consistency: 'ALL' })
    const [first, second, wiped] = cluster.nodes
    const before = await client.status(wiped!.address)
    await wiped!.stop()
    await wiped!.wipe()
    wiped!.start()
    await wiped!.untilSaid('listening')

    const error = await until('the wiped node has been refused', async () => {
      const direct = cluster.newClient({
        contactPoints: [wiped!.address],
        ports: confinedTo(wiped!.address),
        connectTimeoutMs: 500,
      })
      const found = await errorOf(direct.connect())
      const codes = found.causes.map((cause) => cause.code)
      return codes.length === 2 && codes.every((code) => code === 'CASSIO_IDENTITY') && found
    })
    expect(error.code).toBe('CASSIO_UNAVAILABLE')
    expect(error.causes.map(({ node }) => node).sort()).toEqual(
      [first!.address, second!.address].sort(),
    )
    for (const { message } of error.causes) expect(message).toContain(before.nodeId)
    expect(wiped!.hasSaid('formed')).toBe(false)
    const isRefusal = ({ event }: { event: string }) => event === 'peer refused'
    await until('the refusal is in the log', () => first!.log.some(isRefusal))
    // It is dialled again and again: the log says it once.
    expect(first!.log.filter(isRefusal)).toEqual([
      expect.objectContaining({ code: 'CASSIO_IDENTITY', peer: wiped!.address }),
    ])
    // Whoever reads the wiped node's own log learns it too, and is told once by each of the others.
    const told = wiped!.log.filter(({ code }) => code === 'CASSIO_IDENTITY')
    expect(told.map(({ peer }) => peer).sort()).toEqual([first!.address, second!.address].sort())
    for (const { reason } of told) expect(reason).toContain(before.nodeId)

    // The others go on without it, and know that it is not there.
    await client.set('key', 'other')
    expect(await client.get('key')).toBe('other')
    const unavailable = await errorOf(client.get('key', { consistency: 'ALL' }))
    expect(unavailable.code).toBe('CASSIO_UNAVAILABLE')
    expect(unavailable.message).toContain(wiped!.address)
  })
})
