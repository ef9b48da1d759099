import { KeyedRandom } from '@cassiopeia/env'
import { Replayer } from '../../src/engine/replayer'
import { ChunkPool } from '../../src/memtable/chunk-pool'
import { copyCell, Model, makeCell, partitionOf, testSeeds } from '../support'

const KIB = 1_024

function started(memtableBytes: number): Replayer {
  return new Replayer({ memtableBytes, partitionOf }, new ChunkPool(0))
}

/** Batches of random cells, many of them of the same keys. */
function randomBatches(random: KeyedRandom, count: number): Buffer[][] {
  return Array.from({ length: count }, () =>
    Array.from({ length: random.below(2 ** random.below(12)) }, () => {
      const fields = { key: `key-${random.below(5_000)}`, ms: 1_000 + random.below(50) }
      return random.chance(0.1)
        ? makeCell({ ...fields, tombstone: true })
        : makeCell({
            ...fields,
            value: Buffer.alloc(random.below(2 ** random.below(13)), fields.key),
          })
    }),
  )
}

function give(replayer: Replayer, batch: readonly Buffer[]): void {
  // Somewhere within a window, which is another's after the call.
  const window = Buffer.concat([Buffer.alloc(24), ...batch, Buffer.alloc(10)])
  replayer.cells(window, 24, window.length - 10)
  window.fill(0)
}

function cellsOf({ generations }: Replayer): Buffer[][] {
  return generations.map(({ memtable }) =>
    Array.from({ length: memtable.keys }, (_, slot) =>
      copyCell(memtable.cellOf(slot), memtable.offsetOf(slot)),
    ),
  )
}

describe('replayer', () => {
  for (const memtableBytes of [4 * KIB, 4_096 * KIB]) {
    const name = `replayer: random batches: as the model (memtables of ${memtableBytes} bytes)`
    testSeeds(name, 2, async (seed) => {
      const random = new KeyedRandom(seed, 'batches')
      const replayer = started(memtableBytes)
      const model = new Model()
      replayer.beginSegment(1, 16_384 * KIB)
      for (const batch of randomBatches(random, 60)) {
        give(replayer, batch)
        for (const cell of batch) model.write(cell)
      }
      replayer.finish()
      const { memtable, arena } = replayer.generations[0]!
      const found = new Map(cellsOf(replayer)[0]!.map((cell) => [keyOf(cell), cell]))
      expect(found.size).toBe(memtable.keys)
      expect(memtable.keys).toBe(model.cells.size)
      for (const cell of model.cells.values()) {
        if (!found.get(keyOf(cell))?.equals(cell)) throw new Error(`${keyOf(cell)} differs`)
      }
      expect(arena.takeRanges()).toEqual([])
    })
  }

  test('replayer: a memtable is full: the next segment goes to another, no sooner', () => {
    const replayer = started(64 * KIB)
    const batch = (name: string) =>
      Array.from({ length: 40 }, (_, i) =>
        makeCell({ key: `${name}-${i}`, ms: 1, value: Buffer.alloc(KIB) }),
      )
    for (const segment of [3, 4, 5, 6]) {
      replayer.beginSegment(segment, (7 - segment) * 42 * KIB)
      give(replayer, batch(`segment-${segment}`))
    }
    replayer.finish()
    expect(replayer.generations.map(({ firstSegment }) => firstSegment)).toEqual([3, 5])
    expect(replayer.generations.map(({ memtable }) => memtable.keys)).toEqual([80, 80])
  })

  test('replayer: much is ahead: the index has room for it from the start', () => {
    const replayer = started(64 * KIB * KIB)
    const cells = Array.from({ length: 20_000 }, (_, i) => makeCell({ key: `key-${i}`, ms: 1 }))
    const bytes = cells.reduce((sum, { length }) => sum + length, 0)
    replayer.beginSegment(1, bytes)
    give(replayer, cells.slice(0, 1_000))
    replayer.finish()
    const { memtable } = replayer.generations[0]!
    const slots = (pages: number) => pages * 4_096 * 5 * 4
    const buckets = memtable.bytes - slots(1)
    for (let i = 1_000; i < cells.length; i += 500) give(replayer, cells.slice(i, i + 500))
    replayer.finish()
    expect(memtable.keys).toBe(20_000)
    expect(memtable.bytes).toBe(buckets + slots(5))
  })

  test('replayer: cells that do not fit a chunk: the next one begins with them, little is lost', () => {
    const replayer = started(1_024 * KIB)
    replayer.beginSegment(1, 4_096 * KIB)
    const batch = Array.from({ length: 1_000 }, (_, i) =>
      makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(KIB) }),
    )
    give(replayer, batch)
    replayer.finish()
    const { arena } = replayer.generations[0]!
    for (let i = 0; i < arena.buffers.length - 1; i += 1) {
      expect(arena.buffers[i]!.length - arena.chunk(i).length).toBeLessThan(1_100)
    }
  })
})

function keyOf(cell: Buffer): string {
  return cell.subarray(32, 32 + cell.readUInt16BE(4)).toString()
}
