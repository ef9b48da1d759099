import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KeyedRandom, nodePorts } from '@cassiopeia/env'
import { cellKey } from '@cassiopeia/protocol'
import type { StorePorts } from '../src'
import {
  describeCells,
  expectSame,
  Model,
  makeCell,
  openClient,
  PARTITIONS,
  simulate,
  type TestClient,
  type TestOptions,
  testSeeds,
} from './support'

/** Random writes, reads, scans and stops, each compared with the model at once. */
async function lockstep(
  random: KeyedRandom,
  steps: number,
  open: (options: TestOptions) => Promise<TestClient>,
): Promise<void> {
  const options: TestOptions = {
    sync: (['group', 'periodic', 'none'] as const)[random.below(3)],
    segmentBytes: 1_024 * (1 + random.below(16)),
  }
  const keys = 1 + random.below(60)
  const model = new Model()
  let client = await open(options)
  for (let step = 0; step < steps; step += 1) {
    const action = random.below(20)
    if (action < 12) {
      const cells = Array.from({ length: 1 + random.below(12) }, () => randomCell(random, keys))
      const newest = await Promise.all(cells.map((cell) => client.write(cell)))
      const expected = cells.map((cell) => model.write(cell))
      expect(newest.map((cell) => cell?.toString('hex'))).toEqual(
        expected.map((cell) => cell?.toString('hex')),
      )
    } else if (action < 16) {
      const key = randomKey(random, keys)
      expect(client.read(key)?.toString('hex')).toBe(model.read(key)?.toString('hex'))
    } else if (action < 19) {
      const partition = random.below(PARTITIONS)
      const after = random.chance(0.5) ? Buffer.from(randomKey(random, keys)) : undefined
      const actual = await client.scan(partition, after)
      expect(describeCells(actual)).toEqual(describeCells(model.scan(partition, after)))
    } else if (random.chance(0.3)) {
      await client.store.close()
      client = await open(options)
      await expectSame(client, model)
      expect(client.store.stats().recovered.tornBytes).toBe(0)
    }
  }
  await expectSame(client, model)
  await client.store.close()
}

function randomKey(random: KeyedRandom, keys: number): string {
  const index = random.below(keys)
  return index % 7 === 0 ? `key-${index}-${'long'.repeat(index)}` : `key-${index}`
}

function randomCell(random: KeyedRandom, keys: number): Buffer {
  const key = randomKey(random, keys)
  // Few stamps, so that ties and older writes are common.
  const stamp = { ms: 1_000 + random.below(20), counter: random.below(2) }
  if (random.chance(0.2)) return makeCell({ key, ...stamp, tombstone: true })
  const value = random.bytes(random.chance(0.1) ? random.below(3_000) : random.below(40))
  const expiry = random.chance(0.1) ? { expiryMs: 1 + random.below(1_000) } : {}
  return makeCell({ key, ...stamp, value, ...expiry })
}

describe('store', () => {
  testSeeds(
    'store: random operations on a simulated disk: as the model (200 steps)',
    25,
    async (seed) => {
      const { sim, node } = simulate(seed)
      await sim.run(() =>
        lockstep(new KeyedRandom(seed, 'lockstep'), 200, (options) =>
          openClient(node.ports, options),
        ),
      )
    },
  )

  testSeeds(
    'store: random operations on a real disk: as the model (400 steps)',
    3,
    async (seed) => {
      const directory = mkdtempSync(`${tmpdir()}/cassio-store-`)
      const ports: StorePorts = nodePorts()
      try {
        await lockstep(new KeyedRandom(seed, 'lockstep'), 400, (options) =>
          openClient(ports, { ...options, directory }),
        )
      } finally {
        rmSync(directory, { recursive: true })
      }
    },
  )

  testSeeds(
    'store: crashes between and during writes: a prefix survives, all that was acknowledged',
    60,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const random = new KeyedRandom(seed, 'crashes')
      const segmentBytes = 1_024 * (1 + random.below(8))
      const model = new Model()
      let client = await sim.run(openClient(node.ports, { segmentBytes }))
      for (let round = 0; round < 12; round += 1) {
        const given: Buffer[] = []
        let acknowledged = 0
        for (let turn = random.below(4); turn >= 0; turn -= 1) {
          for (let i = random.below(8); i >= 0; i -= 1) {
            const cell = randomCell(random, 20)
            given.push(cell)
            void client.write(cell).then(() => {
              acknowledged += 1
            })
          }
          await sim.advance(random.between(0, 1.5))
        }
        if (random.chance(0.5)) node.kill()
        else node.powerCut()
        const ports = node.restart()
        client = await sim.run(openClient(ports, { segmentBytes }))
        await sim.run(expectPrefix(client, model, given, acknowledged))
      }
    },
  )
})

/** The store holds the model and the first of `given`, at least as many as were acknowledged. */
async function expectPrefix(
  client: TestClient,
  model: Model,
  given: readonly Buffer[],
  acknowledged: number,
): Promise<void> {
  const actual = new Map(
    (await client.all()).map((cell) => [cellKey(cell, 0).toString('latin1'), cell]),
  )
  for (const cell of given.slice(0, acknowledged)) model.write(cell)
  for (const cell of given.slice(acknowledged)) {
    if (sameCells(actual, model.cells)) break
    model.write(cell)
  }
  await expectSame(client, model)
}

function sameCells(a: Map<string, Buffer>, b: Map<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([key, cell]) => b.get(key)?.equals(cell) === true)
}
