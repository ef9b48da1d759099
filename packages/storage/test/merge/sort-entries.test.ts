import { Simulation } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellKey, cellKeyLength, keyHash } from '@cassiopeia/protocol'
import { Arena } from '../../src/memtable/arena'
import { Memtable } from '../../src/memtable/memtable'
import { SortedEntries } from '../../src/merge/sort-entries'
import { makeCell, testSeeds } from '../support'

describe('merge', () => {
  testSeeds('sort entries: a memtable: as sorted by Buffer.compare', 30, async (seed) => {
    const random = new Simulation({ seed }).random('cells')
    const partitions = [1, 7, 900][seed % 3]!
    const arena = new Arena()
    const memtable = new Memtable(arena)
    const model = new Map<string, { partition: number; cell: Buffer }>()
    const count = random.below(6_000)
    for (let i = 0; i < count; i += 1) {
      const key = random.chance(0.3)
        ? random.bytes(1 + random.below(3))
        : `user:${random.below(1e4)}`
      const cell = makeCell({ key, ms: 1 + i, value: random.bytes(random.below(40)) })
      const end = CELL_HEADER_BYTES + cellKeyLength(cell, 0)
      const hash = keyHash(cell, CELL_HEADER_BYTES, end)
      const partition = hash % partitions
      const offset = arena.append(cell, 0, cell.length)
      memtable.apply(hash, partition, arena.tailChunk, offset)
      model.set(cellKey(cell, 0).toString('hex'), { partition, cell })
    }
    const { slots, heads } = memtable.pages
    const entries = new SortedEntries({
      keys: memtable.keys,
      chunks: arena.buffers.map((_, i) => new Uint8Array(arena.chunk(i))),
      slotPages: slots,
      partitionHeads: heads,
    })
    const seen: string[] = []
    for (; !entries.ended; entries.advance()) {
      const { buffer, at, size, partition } = entries
      seen.push(`${partition} ${buffer.toString('hex', at, at + size)}`)
    }
    const expected = [...model.values()]
      .sort((a, b) => a.partition - b.partition || cellKey(a.cell, 0).compare(cellKey(b.cell, 0)))
      .map(({ partition, cell }) => `${partition} ${cell.toString('hex')}`)
    expect(entries.count).toBe(expected.length)
    expect(seen).toEqual(expected)
  })
})
