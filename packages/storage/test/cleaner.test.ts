import { expectSame, logFile, Model, makeCell, openClient, simulate, testSeeds } from './support'

const segmentBytes = 16 * 1024
const COLD = 100
const HOT = 10

describe('cleaner', () => {
  testSeeds(
    'cleaner: few keys overwritten among many cold ones: log and memory stay bounded',
    3,
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
            return makeCell({ key, ms, value: Buffer.alloc(100 + random.below(100), ms) })
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

  test('cleaner: a dropped segment that a crash brings back: removed, never needed', async () => {
    const { sim, node } = simulate(1)
    const first = logFile(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { segmentBytes: 1_024 })
      const write = (ms: number) =>
        client.write(makeCell({ key: `key-${ms % 3}`, ms, value: Buffer.alloc(100, ms) }))
      await write(1)
      const old = node.disk.peek(first)
      for (let ms = 2; ms < 60; ms += 1) await write(ms)
      expect(node.disk.paths()).not.toContain(first)
      await client.store.close()
      const file = await node.ports.disk.open(first, 'create')
      await file.append([old])
      await file.close()
      const again = await openClient(node.ports)
      expect(node.disk.paths()).not.toContain(first)
      expect((await again.all()).map((cell) => cell.readUIntBE(8, 6)).sort()).toEqual([57, 58, 59])
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
    40,
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
          const cell = makeCell({ key, ms, tombstone, value: Buffer.alloc(60, ms) })
          given.add(cell.toString('hex'))
          void client.write(cell).then(() => acknowledged.write(cell))
          if (random.chance(0.3)) await sim.advance(random.between(0, 1.2))
        }
        if (random.chance(0.3)) node.kill()
        else node.powerCut()
        node.restart()
        client = await sim.run(openClient(node.ports, { segmentBytes: 2_048 }))
        const found = await sim.run(client.all())
        expect(found.filter((cell) => !given.has(cell.toString('hex')))).toEqual([])
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
