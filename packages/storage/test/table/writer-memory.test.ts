import { KeyedRandom } from '@cassiopeia/env'
import { WriterMemory } from '../../src/table/writer-memory'
import { simulate, testSeeds } from '../support'
import { pathOf, randomEntries, writeTable } from './table-support'

const CHUNK_BYTES = 256 * 1024

describe('writer memory', () => {
  testSeeds(
    'writer memory: tables one after another: the same bytes as alone',
    10,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const { disk } = node.ports
      const random = new KeyedRandom(seed, 'cells')
      const settings = { blockBytes: 512, compression: 'deflate' as const }
      const memory = new WriterMemory(settings.blockBytes)
      await sim.run(async () => {
        for (let i = 0; i < 6; i += 1) {
          const entries = randomEntries(random, {
            cells: 1 + random.below(200),
            partitions: 1 + random.below(100),
            keyBytesMax: 20,
            valueBytesMax: [50, 2_000][random.below(2)]!,
          })
          const shared = await writeTable(disk, 1, entries, settings, memory)
          const bytes = await disk.readFile(pathOf(1))
          await disk.unlink(pathOf(1))
          const alone = await writeTable(disk, 1, entries, settings)
          expect(shared).toEqual(alone)
          expect(bytes.equals(await disk.readFile(pathOf(1)))).toBe(true)
          await disk.unlink(pathOf(1))
        }
      })
    },
  )

  test('writer memory: many tables: no more chunks than one of them needs', async () => {
    const { sim, node } = simulate(1)
    const memory = new WriterMemory(4096)
    const entries = randomEntries(new KeyedRandom(1, 'cells'), {
      cells: 2_000,
      partitions: 1,
      keyBytesMax: 20,
      valueBytesMax: 2_000,
    })
    const made = jest.spyOn(Buffer, 'allocUnsafeSlow')
    await sim.run(async () => {
      const chunks: number[] = []
      for (let number = 1; number <= 5; number += 1) {
        const { bytes } = await writeTable(node.ports.disk, number, entries, {}, memory)
        chunks.push(made.mock.calls.filter(([size]) => size === CHUNK_BYTES).length)
        expect(chunks[0]).toBe(Math.ceil(bytes / CHUNK_BYTES))
      }
      expect(new Set(chunks).size).toBe(1)
    })
    made.mockRestore()
  })
})
