import { expectSame, Model, makeCell, openClient, simulate, testSeeds } from './support'

const segmentBytes = 16 * 1024
const COLD = 100
const HOT = 10

describe('cleaner', () => {
  testSeeds(
    'cleaner: few keys overwritten among many cold ones: log and memory stay bounded',
    5,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const random = sim.random('cells')
      const model = new Model()
      await sim.run(async () => {
        const options = { segmentBytes, memoryBytesMax: 8 * 1024 * 1024 }
        let client = await openClient(node.ports, options)
        let mostLogBytes = 0
        let ms = 1
        for (let round = 0; round < 300; round += 1) {
          const cells = Array.from({ length: 20 }, () => {
            ms += 1
            const cold = round < 20 || random.chance(0.02)
            const key = cold ? `cold-${random.below(COLD)}` : `hot-${random.below(HOT)}`
            return makeCell({ key, ms, value: random.bytes(100 + random.below(100)) })
          })
          await Promise.all(cells.map((cell) => client.write(cell)))
          for (const cell of cells) model.write(cell)
          const { logBytes, memoryBytes, cellBytes } = client.store.stats()
          mostLogBytes = Math.max(mostLogBytes, logBytes)
          // Half may be garbage; beyond that come the segments being filled, cleaned and dropped.
          expect(logBytes).toBeLessThan(2 * cellBytes + 6 * segmentBytes)
          expect(memoryBytes).toBeLessThan(1024 * 1024)
          if (round % 60 === 59) {
            await client.store.close()
            client = await openClient(node.ports, options)
            await expectSame(client, model)
          }
        }
        // 6,000 cells of some 190 bytes were written.
        expect(mostLogBytes).toBeLessThan(250_000)
        await expectSame(client, model)
        await client.store.close()
        const files = node.disk.paths().filter((path) => path.endsWith('.log'))
        const bytes = files.reduce((sum, path) => sum + node.disk.peek(path).length, 0)
        expect(bytes - client.store.stats().logBytes).toBeLessThanOrEqual(24)
      })
    },
  )

  test('cleaner: memory nearly full of garbage: overwriting goes on', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { memoryBytesMax: 2 * 1024 * 1024 })
      const keys = 100
      let ms = 0
      let refused = 0
      // Some 1.2 MB live, so that there is never room for as much garbage.
      for (let round = 0; round < 60; round += 1) {
        for (let key = 0; key < keys; key += 10) {
          const writes = Array.from({ length: 10 }, (_, i) => {
            ms += 1
            return makeCell({ key: `key-${key + i}`, ms, value: Buffer.alloc(12_000, ms) })
          })
          const results = await Promise.allSettled(writes.map((cell) => client.write(cell)))
          refused += results.filter(({ status }) => status === 'rejected').length
        }
      }
      expect(refused).toBe(0)
      expect(client.store.stats().memoryBytes).toBeLessThan(2.3 * 1024 * 1024)
    })
  })

  test('cleaner: nothing but fresh keys: copies nothing', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { segmentBytes })
      let bytes = 0
      for (let i = 0; i < 1_000; i += 1) {
        const cell = makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(100) })
        bytes += cell.length + 24
        await client.write(cell)
      }
      const { logBytes, logSegments } = client.store.stats()
      expect(logBytes).toBe(bytes + 32 * logSegments)
    })
  })

  testSeeds(
    'cleaner: killed or cut off while cleaning: all that was acknowledged is there',
    80,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const random = sim.random('cells')
      const acknowledged = new Model()
      const given = new Set<string>()
      let ms = 1
      let client = await sim.run(openClient(node.ports, { segmentBytes: 2_048 }))
      for (let round = 0; round < 6; round += 1) {
        for (let i = 0; i < 60; i += 1) {
          ms += 1
          const key = random.chance(0.1) ? `cold-${random.below(30)}` : `hot-${random.below(4)}`
          const tombstone = random.chance(0.2)
          const cell = makeCell({ key, ms, tombstone, value: random.bytes(60) })
          given.add(cell.toString('hex'))
          void client.write(cell).then(() => acknowledged.write(cell))
          if (random.chance(0.3)) await sim.advance(random.between(0, 1.2))
        }
        if (random.chance(0.3)) node.kill()
        else node.powerCut()
        node.restart()
        client = await sim.run(openClient(node.ports, { segmentBytes: 2_048 }))
        const found = await sim.run(client.all())
        for (const cell of found) expect(given).toContain(cell.toString('hex'))
        for (const [key, cell] of acknowledged.cells) {
          const now = client.read(key)
          expect(now !== undefined && now.readUIntBE(8, 6) >= cell.readUIntBE(8, 6)).toBe(true)
        }
        // What was read once must not be lost either.
        for (const cell of found) acknowledged.write(cell)
      }
    },
  )
})
