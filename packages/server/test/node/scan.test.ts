import { decodeResult, MessageType } from '@cassiopeia/protocol'
import { connectClient, withCluster } from './support'
import { WireClient } from './wire-client'

describe('scan', () => {
  it('scan: values far larger than a page: every key once, in bounded pages', async () => {
    await withCluster({ nodes: 3, seed: 1 }, async (cluster) => {
      const client = await connectClient(cluster)
      const names = Array.from({ length: 60 }, (_, i) => `key ${String(i).padStart(2, '0')}`)
      for (const name of names) await cluster.run(client.set(name, Buffer.alloc(400_000, 1)))
      const seen: string[] = []
      await cluster.run(async () => {
        for await (const { key } of client.scan<Buffer>()) seen.push(key)
      })
      expect(seen.sort()).toEqual(names)
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      wire.call(1, 'scan', { partition: 0, limit: 10_000, level: 'QUORUM', keysOnly: false })
      expect((await wire.next(MessageType.RESULT)).length).toBeLessThan(3_000_000)
      await cluster.run(client.disconnect())
    })
  })

  it.each([1, 2])(
    'scan: random keys, deletes and page sizes, one replica behind: what gets say (seed %d)',
    async (seed) => {
      await withCluster({ nodes: 4, seed, node: { partitionBits: 10 } }, async (cluster) => {
        const random = cluster.simulation.random('scan')
        const client = await connectClient(cluster)
        const model = new Map<string, number>()
        for (let i = 0; i < 300; i += 1) {
          if (i === 150) cluster.kill(3)
          const key = `${'ab'[random.below(2)]!}${random.below(120)}`
          if (random.chance(0.25)) {
            await cluster.run(client.del(key))
            model.delete(key)
          } else {
            await cluster.run(client.set(key, i))
            model.set(key, i)
          }
        }
        await cluster.run(cluster.restart(3))
        await cluster.advance(3_000)
        for (const pageSize of [1, 2, 7, 1_000]) {
          for (const prefix of [undefined, 'a']) {
            const seen: [string, unknown][] = []
            await cluster.run(async () => {
              for await (const { key, value } of client.scan({ pageSize, prefix }))
                seen.push([key, value])
            })
            const expected = [...model].filter(([key]) => key.startsWith(prefix ?? ''))
            expect(new Map(seen)).toEqual(new Map(expected))
            expect(seen).toHaveLength(expected.length)
          }
        }
        await cluster.run(client.disconnect())
      })
    },
    60_000,
  )

  it('scan: a page: never more cells than asked for', async () => {
    await withCluster(
      { nodes: 3, seed: 4, node: { replicationFactor: 1, partitionBits: 10 } },
      async (cluster) => {
        const client = await connectClient(cluster)
        for (let i = 0; i < 100; i += 1) await cluster.run(client.set(`k${i}`, i))
        const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
        for (const limit of [1, 3, 50]) {
          wire.call(1, 'scan', { partition: 0, limit, level: 'ONE', keysOnly: true })
          const page = decodeResult(await wire.next(MessageType.RESULT)) as { cells: unknown[] }
          expect(page.cells.length).toBeLessThanOrEqual(limit)
          expect(page.cells.length).toBeGreaterThan(0)
        }
        await cluster.run(client.disconnect())
      },
    )
  })
})
