import { type CassioError, cellKey } from '@cassiopeia/protocol'
import { makeCell, openClient, recordingDisk, simulate, testSeeds } from '../support'

const MODES = ['group', 'periodic', 'none'] as const
const INTERVAL_MS = 1_000_000

describe('sync', () => {
  for (const sync of MODES) {
    testSeeds(
      `sync: power is cut afterwards: all that was given is there (${sync})`,
      12,
      async (seed) => {
        const { sim, node } = simulate(seed)
        const options = { sync, syncIntervalMs: INTERVAL_MS, segmentBytes: 2_000 }
        const cells = Array.from({ length: 60 }, (_, i) =>
          makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(100, i) }),
        )
        await sim.run(async () => {
          const client = await openClient(node.ports, options)
          for (const cell of cells.slice(0, 30)) await client.write(cell)
          // Not yet visible; the promise of `sync` is for these too.
          const rest = cells.slice(30).map((cell) => client.write(cell))
          await client.store.sync()
          for (const cell of cells) expect(client.read(cellKey(cell, 0))).toEqual(cell)
          await Promise.all(rest)
        })
        node.powerCut('drop')
        node.restart()
        await sim.run(async () => {
          const client = await openClient(node.ports, options)
          for (const cell of cells) expect(client.read(cellKey(cell, 0))).toEqual(cell)
          await client.store.close()
        })
      },
    )

    test(`sync: fails: so does the store, for good (${sync})`, async () => {
      const { sim, node } = simulate(1)
      const fatal: CassioError[] = []
      const calls: string[] = []
      await sim.run(async () => {
        const onFatal = (error: CassioError) => fatal.push(error)
        const ports = { ...node.ports, disk: recordingDisk(node.ports.disk, calls) }
        const client = await openClient(ports, { sync, syncIntervalMs: INTERVAL_MS, onFatal })
        await client.write(makeCell({ key: 'first', ms: 1 }))
        node.disk.faults.syncFailProbability = 1
        const written = client.write(makeCell({ key: 'second', ms: 1 })).catch(() => {})
        await expect(client.store.sync()).rejects.toMatchObject({ code: 'CASSIO_STORAGE' })
        await written
        node.disk.faults.clear()
        calls.length = 0
        // What a later sync says of such a file means nothing.
        await expect(client.store.sync()).rejects.toMatchObject({ code: 'CASSIO_STORAGE' })
        const later = client.write(makeCell({ key: 'third', ms: 1 }))
        await expect(later).rejects.toMatchObject({ code: 'CASSIO_STORAGE' })
        await client.store.close()
      })
      expect(fatal).toHaveLength(1)
      expect(calls).toEqual([])
    })

    test(`sync: nothing new: costs nothing (${sync})`, async () => {
      const { sim, node } = simulate(1)
      const calls: string[] = []
      await sim.run(async () => {
        const ports = { ...node.ports, disk: recordingDisk(node.ports.disk, calls) }
        const client = await openClient(ports, { sync, syncIntervalMs: INTERVAL_MS })
        await client.store.sync()
        await client.write(makeCell({ key: 'k', ms: 1 }))
        calls.length = 0
        await client.store.sync()
        expect(calls.length).toBe(sync === 'group' ? 0 : 1)
        for (let i = 0; i < 5; i += 1) await client.store.sync()
        expect(calls.length).toBe(sync === 'group' ? 0 : 1)
        await client.store.close()
        await expect(client.store.sync()).rejects.toMatchObject({ code: 'CASSIO_CLOSED' })
      })
    })

    test(`sync: many at once, writes between, then a close: all end well (${sync})`, async () => {
      const { sim, node } = simulate(1)
      const cells = Array.from({ length: 40 }, (_, i) => makeCell({ key: `key-${i}`, ms: 1 }))
      await sim.run(async () => {
        const client = await openClient(node.ports, { sync, segmentBytes: 1_024 })
        const work: Promise<unknown>[] = []
        for (const cell of cells) {
          work.push(client.write(cell), client.store.sync())
          if (work.length % 10 === 0) await sim.sleep(0.1)
        }
        const closed = client.store.close()
        await Promise.all(work)
        await closed
        const again = await openClient(node.ports, { sync })
        expect(await again.all()).toHaveLength(cells.length)
        expect(again.store.stats().recovered.tornBytes).toBe(0)
        await again.store.close()
      })
    })
  }
})
