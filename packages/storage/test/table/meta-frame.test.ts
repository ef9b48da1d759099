import { makeCell, openClient, simulate } from '../support'

test.each([
  ['filter', false],
  ['locator', true],
])(
  'table: %s and index together as large as a lent frame: no other reading overwrites them',
  async (_, tombstone) => {
    const bad = new Set<number>()
    for (let length = 1; length < 700; length += 1) {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const client = await openClient(node.ports, {
          blockBytes: 512,
          partitions: 1,
          partitionOf: () => 0,
        })
        const keys = Array.from({ length: 40 }, (_, i) => `key-${1_000 + i}`)
        // The last key lies in the index, whole: its length makes the size what it shall be.
        keys.push('z'.repeat(length))
        await Promise.all(
          keys.map((key) =>
            client.write(makeCell({ key, ms: 1, tombstone, value: Buffer.alloc(20) })),
          ),
        )
        await client.store.flush()
        for (const key of [...keys, ...keys]) if (client.read(key) === undefined) bad.add(length)
      })
    }
    expect([...bad]).toEqual([])
  },
)
