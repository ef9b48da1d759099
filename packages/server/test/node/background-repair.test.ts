import { connectClient, withCluster } from './support'

const QUIET = { hintBytesMax: 0, antiEntropy: false, partitionBits: 10 }

/** How many reads at ONE a replica needs that has missed a write, with reads at ONE all around. */
async function staleReads(readRepairPercent: number): Promise<number> {
  let stale = 0
  await withCluster(
    { nodes: 3, seed: 7, node: { ...QUIET, readRepairPercent } },
    async (cluster) => {
      const client = await connectClient(cluster)
      await cluster.run(client.set('key', 'old', { consistency: 'ALL' }))
      cluster.kill(2)
      await cluster.run(client.set('key', 'new'))
      await cluster.run(cluster.restart(2))
      await cluster.advance(3_000)
      const contactPoints = [cluster.contactPoints[2]!]
      const atTwo = await connectClient(cluster, { name: 'at-two', contactPoints })
      for (const peer of [0, 1]) cluster.simulation.cut('at-two', `node-${peer}`)
      for (let i = 0; i < 100; i += 1) {
        const value = await cluster.run(atTwo.get('key', { consistency: 'ONE' }))
        if (value === 'old') stale += 1
        await cluster.advance(50)
      }
    },
  )
  return stale
}

test('background repair: reads at ONE make a stale replica current after a while', async () => {
  const stale = await staleReads(10)
  expect(stale).toBeGreaterThan(0)
  expect(stale).toBeLessThan(60)
})

test('background repair: switched off, it stays stale', async () => {
  expect(await staleReads(0)).toBe(100)
})
