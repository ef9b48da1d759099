import { CassioClient } from '@cassiopeia/client'
import { type SimulatedCluster, startCluster } from '@cassiopeia/server'

/** Node 0's clock is behind by this much, so that other nodes' versions stand above what it stamps. */
const BEHIND_MS = 1_500
/** It is stopped for longer: what it stamps when it goes on would stand above all of them. */
const LATE_MS = 2_000

async function clientOf(cluster: SimulatedCluster, name: string, node: number) {
  const ports = cluster.clientPorts(name)
  for (let other = 0; other < 3; other += 1) {
    if (other !== node) cluster.simulation.cut(name, `node-${other}`)
  }
  const contactPoints = [cluster.contactPoints[node]!]
  const client = new CassioClient({ contactPoints, ports })
  await cluster.run(client.connect())
  return client
}

/** @returns undefined when the write was over before the pause. */
async function readAfterPause(pauseAfterMs: number): Promise<unknown> {
  // The log is written by another thread, so that there is a time between asking and having.
  // And nothing may bring node 0 the first version meanwhile, or its clock would rise above that.
  const quiet = { inlineWriteBytesMax: 0, hintBytesMax: 0, antiEntropy: false }
  // It could stamp at once when it goes on, without waiting for the disk.
  const node = { ...quiet, reserveAheadMs: 5_000 }
  const cluster = await startCluster({ simulated: true, nodes: 3, seed: 'late-stamp', node })
  cluster.skewClock(0, -BEHIND_MS)
  // A node whose clock has jumped stamps only once it has heard of the others' clocks.
  await cluster.advance(1_000)
  const ours = await clientOf(cluster, 'ours', 0)
  const theirs = await clientOf(cluster, 'theirs', 1)
  const { simulation } = cluster

  // Node 0 does not get the first version, so it will have to stamp again.
  simulation.cut('node-0', 'node-1')
  simulation.cut('node-0', 'node-2')
  await cluster.run(theirs.set('key', 'first', { timeoutMs: 200 }))
  await cluster.advance(300)
  simulation.heal('node-0', 'node-1')
  await cluster.advance(700)

  cluster.machine(0).disk.faults.slowFactor = 10
  const late = ours.set('key', 'late', { timeoutMs: 100 }).catch((error: Error) => error)
  await cluster.advance(pauseAfterMs)
  cluster.pause(0)
  const outcome = await cluster.run(late)
  if (!(outcome instanceof Error)) {
    cluster.resume(0)
    await cluster.run(Promise.all([ours.disconnect(), theirs.disconnect()]))
    await cluster.close()
    return undefined
  }
  expect(outcome).toMatchObject({ code: 'CASSIO_TIMEOUT', applied: 'unknown' })

  await cluster.run(theirs.set('key', 'second'))
  await cluster.advance(LATE_MS)
  cluster.resume(0)
  await cluster.advance(1_000)
  const read = await cluster.run(theirs.get('key'))
  await cluster.run(Promise.all([ours.disconnect(), theirs.disconnect()]))
  await cluster.close()
  return read
}

/**
 * A coordinator is stopped between a peer's answer, which tells of a newer version, and its own disk's.
 * When it goes on, the write's time has long been up, and whoever asked may have sent it elsewhere.
 * Stamped again now, it would beat everything written meanwhile.
 */
test('scenario: a coordinator paused during a write does not stamp it after its deadline', async () => {
  // Only for a few of these milliseconds is the node where it hurts: all that the write lasts.
  let paused = 0
  for (let pauseAfterMs = 1; pauseAfterMs <= 40; pauseAfterMs += 1) {
    const read = await readAfterPause(pauseAfterMs)
    if (read === undefined) continue
    paused += 1
    expect([pauseAfterMs, read]).toEqual([pauseAfterMs, 'second'])
  }
  expect(paused).toBeGreaterThan(8)
})
