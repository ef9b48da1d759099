import { cellKey } from '@cassiopeia/protocol'
import type { CellStore } from '../../src'
import { makeCell, openClient, simulate } from '../support'

/** Work that a store may be closed in the middle of. */
const WORKS: Record<string, (store: CellStore, attempt: number) => Promise<unknown>> = {
  snapshot: (store, attempt) => store.snapshot(`/snapshot-${attempt}`),
  'verification and snapshot': async (store, attempt) => {
    const verified = store.flush().then(() => store.verify())
    await Promise.all([store.snapshot(`/snapshot-${attempt}`), verified])
  },
  sync: (store) => store.sync(),
  flush: (store) => store.flush(),
  compact: (store) => store.compact(),
  digest: (store) => store.digest({ partitions: [0, 1], cutoffMs: 100, provenMs: [0, 0] }),
}

// A snapshot that had made its folders once came upon the log while it was being closed: EBADF, and the store had failed.
test('close during snapshot: the log is let go of once, whenever the folders are made', async () => {
  for (let step = 0; step < 120; step += 1) {
    const { sim, node } = simulate(step)
    await sim.run(async () => {
      let made: () => void = () => {}
      const gate = new Promise<void>((resolve) => {
        made = resolve
      })
      const { disk } = node.ports
      const slow = Object.create(disk, {
        makeDirectory: {
          value: async (path: string) => {
            await disk.makeDirectory(path)
            if (path === '/snapshot/tables') await gate
          },
        },
      })
      const client = await openClient({ ...node.ports, disk: slow }, { sync: 'none' })
      await client.write(makeCell({ key: 'key', ms: 1 }))
      const snapshot = client.store.snapshot('/snapshot').catch((error) => error.code)
      await sim.sleep(20)
      const closed = client.store.close()
      await sim.sleep(step * 0.05)
      made()
      await closed
      expect([undefined, 'CASSIO_CLOSED']).toContain(await snapshot)
    })
  }
})

describe.each(Object.keys(WORKS))('close during %s', (name) => {
  test.each(['group', 'none'] as const)('%s: both end well, and nothing is lost', async (sync) => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const { sim, node } = simulate(seed)
      const cells = Array.from({ length: 20 }, (_, i) => makeCell({ key: `key-${i}`, ms: 1 + i }))
      await sim.run(async () => {
        const client = await openClient(node.ports, { sync })
        await Promise.all(cells.map((cell) => client.write(cell)))
        const work = WORKS[name]!(client.store, seed).then(
          () => 'done',
          (error: { code: string }) => error.code,
        )
        await sim.sleep(seed * 0.15)
        await client.store.close()
        expect(['done', 'CASSIO_CLOSED']).toContain(await work)
        const again = await openClient(node.ports, { sync })
        for (const cell of cells) expect(again.read(cellKey(cell, 0))).toEqual(cell)
        await again.store.close()
      })
    }
  })
})
