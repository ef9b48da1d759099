import { CassioClient } from '@cassiopeia/client'
import { startCluster } from '../../src'

describe('node', () => {
  test('node: its clock is an hour ahead: it stamps nothing, and no key becomes unreadable', async () => {
    const cluster = await startCluster({ simulated: true, seed: 'wrong-clock' })
    const client = new CassioClient({
      contactPoints: cluster.contactPoints,
      ports: cluster.clientPorts(),
    })
    await cluster.run(client.connect())
    cluster.skewClock(0, 3_600_000)
    await cluster.advance(2_000)

    // Whichever node each of these is sent to first, another one stamps it.
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
    await cluster.run(Promise.all(keys.map((key) => client.set(key, key))))
    expect(await cluster.run(client.getMany(keys))).toEqual(keys)
    const asked = cluster.node(0).counters.requests
    expect(asked).toBeGreaterThan(0)

    const alone = new CassioClient({
      contactPoints: cluster.contactPoints,
      ports: cluster.clientPorts('alone'),
    })
    for (const other of [1, 2]) cluster.simulation.cut('alone', `node-${other}`)
    await cluster.run(alone.connect())
    await expect(cluster.run(alone.set('key-0', 'poison'))).rejects.toMatchObject({
      code: 'CASSIO_STAMP_AHEAD',
      applied: 'none',
    })
    expect(await cluster.run(alone.get('key-0'))).toBe('key-0')

    cluster.skewClock(0, -3_600_000)
    await cluster.advance(1_000)
    await cluster.run(alone.set('key-0', 'well'))
    expect(await cluster.run(client.get('key-0'))).toBe('well')
    await cluster.run(Promise.all([client.disconnect(), alone.disconnect()]))
    await cluster.close()
  })
})
