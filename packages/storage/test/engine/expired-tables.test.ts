import { cellKey, keyHash } from '@cassiopeia/protocol'
import { makeCell, openClient, simulate, type TestClient } from '../support'

/** Writes where it is told, whatever the hash says. */
function writeTo(client: TestClient, partition: number, cell: Buffer): Promise<void> {
  const key = cellKey(cell, 0)
  return new Promise((resolve, reject) => {
    const sink = { onWritten: () => resolve(), onWriteFailed: (_: number, e: Error) => reject(e) }
    client.store.write(cell, 0, partition, keyHash(key, 0, key.length), sink, 0)
  })
}

function has(client: TestClient, partition: number, name: string): boolean {
  const key = Buffer.from(name)
  let found = false
  client.store.readSync(
    key,
    0,
    key.length,
    partition,
    keyHash(key, 0, key.length),
    {
      onRead: (_token, cell) => {
        found = cell !== undefined
      },
      onReadFailed: (_token, error) => {
        throw error
      },
    },
    0,
  )
  return found
}

describe('expired tables', () => {
  test('expired tables: before and behind others of their run: merged, every other cell is found', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { tableBytes: 4_096, blockBytes: 1_024 })
      const expiryMs = Math.floor(node.ports.clock.wallMs()) + 60_000
      const kept: { partition: number; key: string }[] = []
      const writes: Promise<void>[] = []
      for (const partition of [0, 5, 10]) {
        for (let i = 0; i < 28; i += 1) {
          // Of the first and the last partition more than half will expire, of the middle one none.
          const expires = partition !== 5 && i % 4 !== 0
          const key = `key-${partition}-${100 + i}`
          const fields = { key, ms: 1, value: Buffer.alloc(1_000, i) }
          const cell = makeCell(expires ? { ...fields, expiryMs } : fields)
          writes.push(writeTo(client, partition, cell))
          if (!expires) kept.push({ partition, key })
        }
      }
      await Promise.all(writes)
      await client.store.compact()
      const tables = client.store.stats().tables
      expect(tables).toBeGreaterThan(6)
      await sim.sleep(120_000)
      // Compaction looks again after a flush.
      await writeTo(client, 15, makeCell({ key: 'late', ms: 2 }))
      await client.store.flush()
      const lost = new Set<string>()
      for (let i = 0; i < 2_000; i += 1) {
        for (const { partition, key } of kept) if (!has(client, partition, key)) lost.add(key)
        await sim.sleep(0.1)
      }
      expect([...lost]).toEqual([])
      expect(client.store.stats().tables).toBeLessThan(tables)
    })
  })
})
