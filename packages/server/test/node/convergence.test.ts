import type { CellStore } from '@cassiopeia/storage'
import type { NodeOptions, SimulatedCluster } from '../../src'
import { connectClient, failure, withCluster } from './support'

const OPTIONS: Partial<NodeOptions> = {
  partitionBits: 10,
  repairIntervalMs: 5_000,
  repairLagMs: 1_000,
  repairShare: 100,
}

function storeOf(cluster: SimulatedCluster, node: number): CellStore {
  return (cluster.node(node) as unknown as { store: CellStore }).store
}

/** What a node itself holds: key to value, null for a tombstone. */
async function contents(cluster: SimulatedCluster, node: number): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>()
  const scan = storeOf(cluster, node).scan(0, 1_023, undefined, (cell, at) => {
    const keyLength = cell.readUInt16BE(at + 4)
    const key = cell.toString('utf8', at + 32, at + 32 + keyLength)
    found.set(key, (cell[at + 6]! & 1) === 0)
    return true
  })
  await cluster.run(scan)
  return found
}

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key-${i}`)
}

test('convergence: a node that was away gets its hints within seconds, without any read', async () => {
  await withCluster(
    { nodes: 3, seed: 1, node: { ...OPTIONS, antiEntropy: false } },
    async (cluster) => {
      const client = await connectClient(cluster)
      cluster.kill(2)
      await cluster.advance(3_000)
      for (const key of keysOf(200)) await cluster.run(client.set(key, 'v'))
      await cluster.run(client.del('key-7'))
      await cluster.run(cluster.restart(2))
      await cluster.advance(5_000)
      const found = await contents(cluster, 2)
      expect(found.size).toBe(200)
      expect(found.get('key-7')).toBe(false)
      const status = await cluster.run(client.status())
      expect(status.hints.bytes).toBe(0)
      const replayed = [0, 1].map((node) => cluster.node(node).counters.hintsReplayed)
      expect(replayed[0]! + replayed[1]!).toBeGreaterThanOrEqual(201)
    },
  )
})

test('convergence: without hints, comparing replicas brings everything', async () => {
  await withCluster(
    { nodes: 3, seed: 2, node: { ...OPTIONS, hintBytesMax: 0 } },
    async (cluster) => {
      const client = await connectClient(cluster)
      for (const key of keysOf(100)) await cluster.run(client.set(key, 'old'))
      cluster.kill(2)
      await cluster.advance(3_000)
      for (const key of keysOf(60)) await cluster.run(client.set(key, 'new'))
      for (const key of keysOf(20)) await cluster.run(client.del(key))
      await cluster.run(cluster.restart(2))
      await cluster.advance(20_000)
      const [a, b, c] = await Promise.all([0, 1, 2].map((node) => contents(cluster, node)))
      const live = (found: Map<string, boolean>) =>
        [...found]
          .filter(([, isLive]) => isLive)
          .map(([key]) => key)
          .sort()
      expect(live(c!)).toEqual(live(a!))
      expect(live(b!)).toEqual(live(a!))
      expect(live(c!).length).toBe(80)
      const counters = [0, 1, 2].map((node) => cluster.node(node).counters)
      expect(counters.reduce((sum, each) => sum + each.cellsRepaired, 0)).toBeGreaterThanOrEqual(60)
    },
  )
})

test('purge: tombstones go once all replicas have them, and not while one is away', async () => {
  await withCluster({ nodes: 3, seed: 3, node: OPTIONS }, async (cluster) => {
    const client = await connectClient(cluster)
    for (const key of keysOf(50)) await cluster.run(client.set(key, 'v'))
    cluster.kill(2)
    await cluster.advance(3_000)
    for (const key of keysOf(50)) await cluster.run(client.del(key))
    await cluster.advance(30_000)
    const compactAll = async (nodes: readonly number[]) => {
      for (const node of nodes) await cluster.run(storeOf(cluster, node).compact())
    }
    await compactAll([0, 1])
    expect((await contents(cluster, 0)).size).toBe(50)
    const waiting = await cluster.run(client.explain('key-1'))
    expect(waiting.purge?.state).toBe('waiting')
    expect(waiting.purge?.blockers.map(({ node }) => node)).toContain(cluster.contactPoints[2])

    await cluster.run(cluster.restart(2))
    await cluster.advance(20_000)
    const proven = await cluster.run(client.explain('key-1'))
    expect(proven.purge === null || proven.purge.state === 'proven').toBe(true)
    await compactAll([0, 1, 2])
    for (const node of [0, 1, 2]) expect((await contents(cluster, node)).size).toBe(0)
    expect(await cluster.run(client.get('key-1'))).toBeUndefined()
  })
})

test('fence: a stamp of the client from before what is proven is refused, and says so', async () => {
  await withCluster({ nodes: 3, seed: 4, node: OPTIONS }, async (cluster) => {
    const client = await connectClient(cluster)
    const oldMs = Date.UTC(2025, 0, 1) + Math.floor(cluster.simulation.nowMs)
    await cluster.advance(20_000)
    const error = await cluster.run(failure(client.set('key-1', 'v', { timestamp: oldMs })))
    expect([error.code, error.applied]).toEqual(['CASSIO_STAMP_OLD', 'none'])
    await cluster.run(client.set('key-1', 'now'))
    expect(await cluster.run(client.get('key-1'))).toBe('now')
  })
})

test('hints: a write that all replicas refuse is nowhere, and stays nowhere', async () => {
  await withCluster({ nodes: 3, seed: 5, node: OPTIONS }, async (cluster) => {
    const client = await connectClient(cluster)
    await cluster.run(client.set('key', 'before'))
    const disks = [0, 1, 2].map((node) => cluster.machine(node).disk)
    for (const { faults } of disks) faults.quotaBytes = 0
    const error = await cluster.run(failure(client.set('key', 'refused', { consistency: 'ONE' })))
    expect([error.code, error.applied]).toEqual(['CASSIO_DISK_FULL', 'none'])
    for (const { faults } of disks) faults.quotaBytes = Number.POSITIVE_INFINITY
    await cluster.advance(15_000)
    for (const consistency of ['QUORUM', 'ALL'] as const) {
      expect(await cluster.run(client.get('key', { consistency }))).toBe('before')
    }
  })
})
