import { CassioClient } from '@cassiopeia/client'
import { startCluster } from '@cassiopeia/server'

/** How far the first coordinator's clock is ahead; more than an attempt of a write lasts. */
const AHEAD_MS = 4_000

/**
 * A write is sent to a coordinator that stamps it, keeps it in its own store alone, and is stopped. The
 * client repeats the write through another node, which acknowledges it under a stamp of its own; then it
 * writes something newer. When the first coordinator goes on, what it kept must not beat that.
 */
test('scenario: the first attempt of a repeated write does not beat what was written after it', async () => {
  const cluster = await startCluster({ simulated: true, nodes: 3, seed: 'ghost-attempt' })
  const { simulation } = cluster
  cluster.skewClock(0, AHEAD_MS)
  await cluster.advance(1_000)

  const client = new CassioClient({
    contactPoints: cluster.contactPoints,
    ports: cluster.clientPorts(),
    timeoutMs: 20_000,
  })
  await cluster.run(client.connect())
  await cluster.advance(3_000)
  // Only node 0 is left to send to, and it reaches nobody else.
  for (const other of [1, 2]) simulation.resetConnections('client', `node-${other}`)
  for (const other of [1, 2]) simulation.cut('client', `node-${other}`)
  await cluster.advance(20)
  for (const other of [1, 2]) simulation.cut('node-0', `node-${other}`)
  const first = client.set('key', 'one')
  await cluster.advance(40)
  expect(cluster.node(0).counters.writes).toBe(1)
  cluster.pause(0)

  for (const other of [1, 2]) simulation.heal('client', `node-${other}`)
  await cluster.run(first)
  await cluster.run(client.set('key', 'two'))
  cluster.resume(0)
  simulation.heal()
  await cluster.advance(15_000)

  // Read with node 0 among the quorum, whichever it is.
  const values = []
  for (let i = 0; i < 10; i += 1) values.push(await cluster.run(client.get('key')))
  expect(new Set(values)).toEqual(new Set(['two']))
  expect(await cluster.run(client.get('key', { consistency: 'ALL' }))).toBe('two')
  await cluster.run(client.disconnect())
  await cluster.close()
})
