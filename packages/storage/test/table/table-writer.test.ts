import { BlockKind, decodeFooter, FOOTER_BYTES, frameKind } from '../../src/table/format'
import { TableKind } from '../../src/table/table-info'
import { TableWriter } from '../../src/table/table-writer'
import { verifyTable } from '../../src/table/verify'
import { makeCell, simulate } from '../support'
import {
  CREATED_MS,
  DIRECTORY,
  type Entry,
  entry,
  findSync,
  isCell,
  openTable,
  pathOf,
  SETTINGS,
  sorted,
  writeTable,
} from './table-support'

const GOLDEN = [
  entry(7, makeCell({ key: 'ada', ms: 1_735_689_600_000, value: 'x' })),
  entry(7, makeCell({ key: 'bob', ms: 1_735_689_600_001, tombstone: true })),
]

const GOLDEN_BYTES = [
  // Header.
  '4354424c 0001 01 00 000000000102 01941f297c00 79d6cfd7',
  // Block: its frame's header, two cells, one partition, tags, offsets, counts.
  'bef30808 00000018 00000059 00 01 0002',
  '00000024 0003 00 00 01941f297c00 0000 0707070707070707 000000000000 0000 616461 78',
  '00000023 0003 01 00 01941f297c01 0000 0707070707070707 000000000000 0000 626f62',
  '00000007 0000',
  '58e9 8d5b',
  '0000 0024',
  '0002 0001',
  // Filter.
  'c9fb8f68 00000081 00000010 00 02 0000',
  '00000040 06 000000 8208120410408820',
  // Index.
  '250599da 000000a1 0000002a 00 03 0000',
  '00000001 00000000',
  '00000018 00000081',
  '00000007',
  '00000000',
  '00000007 0003 616461',
  '00000007 0003 626f62',
  // Footer.
  '43544246 0001 01 00 000000000102 0000 79d6cfd7 00000081 00000020 000000a1 0000003a',
  '00000001 00000002 000000000047',
  '01941f297c00 0000 0707070707070707',
  '01941f297c01 0000 0707070707070707',
  '000000000000 0000013b fe5cc887',
]
  .join('')
  .replaceAll(' ', '')

function addAll(writer: TableWriter, entries: readonly Entry[]): void {
  for (const { partition, hash, cell } of entries) writer.add(partition, hash, cell, 0, cell.length)
}

describe('table writer', () => {
  test('table writer: a tiny table: the bytes that docs/formats/table.md shows', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    await sim.run(async () => {
      const info = await writeTable(disk, 258, GOLDEN)
      const bytes = await disk.readFile(pathOf(258))
      expect(bytes.toString('hex')).toBe(GOLDEN_BYTES)
      expect(info).toMatchObject({ number: 258, kind: TableKind.data, blocks: 1, cells: 2 })
      expect(await verifyTable(disk, pathOf(258), info, () => {})).toEqual([])
    })
  })

  test.each([
    ['values', 4096, 10, 0, BlockKind.filter],
    ['tombstones', 4096, 10, 0, BlockKind.locator],
    ['tombstones, no bits', 4096, 0, 0, undefined],
    ['tombstones, 256 in a block', 32_768, 10, 256, BlockKind.locator],
    ['tombstones, 257 in a block', 32_768, 10, 257, BlockKind.filter],
  ])('table writer: %s: a filter or a locator (%d, %d, %d: kind %s)', async (...given) => {
    const [what, blockBytes, filterBitsPerKey, inFirst, expected] = given
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    const tombstone = what !== 'values'
    const entries = sorted(
      Array.from({ length: 300 }, (_, i) => {
        // One of a large key ends the first block.
        const key = `${String(i).padStart(4, '0')}${i === inFirst ? 'z'.repeat(30_000) : ''}`
        return entry(0, makeCell({ key, ms: 1, tombstone }))
      }),
    )
    await sim.run(async () => {
      const info = await writeTable(disk, 1, entries, { blockBytes, filterBitsPerKey })
      const bytes = await disk.readFile(pathOf(1))
      const { filterAt, filterBytes } = decodeFooter(bytes.subarray(-FOOTER_BYTES), info).layout!
      expect(filterBytes > 0).toBe(expected !== undefined)
      if (expected !== undefined) expect(frameKind(bytes, filterAt)).toBe(expected)
      expect(await verifyTable(disk, pathOf(1), info, () => {})).toEqual([])
      const { table } = await openTable(disk, info)
      for (const each of entries) expect(isCell(findSync(table, each), each)).toBe(true)
    })
  })

  test.each([
    ['the same key', 1, 'b'],
    ['a smaller key', 1, 'a'],
    ['a beginning of the key before', 1, ''],
    ['a smaller partition', 0, 'z'],
  ])('table writer: %s after the one before: a broken invariant', async (_, partition, letter) => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    await sim.run(async () => {
      await disk.makeDirectory(DIRECTORY)
      const writer = await TableWriter.create(disk, DIRECTORY, 1, 1, CREATED_MS, SETTINGS)
      addAll(writer, [entry(1, makeCell({ key: 'key-b', ms: 1 }))])
      const bad = entry(partition, makeCell({ key: `key-${letter}`, ms: 1 }))
      expect(() => addAll(writer, [bad])).toThrow(/not above the one before/)
      await writer.abandon()
      expect(await disk.list(DIRECTORY)).toEqual([])
    })
  })

  test('table writer: what the table says of its cells', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    await sim.run(async () => {
      const expiries = [undefined, 9_000, 5_000, undefined, 7_000]
      const cells = expiries.map((expiryMs, i) =>
        makeCell({
          key: `key-${i}`,
          ms: [30, 10, 20, 50, 40][i]!,
          counter: i,
          ...(expiryMs === undefined ? {} : { expiryMs }),
        }),
      )
      const entries = cells.map((cell) => entry(0, cell))
      const info = await writeTable(disk, 1, entries)
      // Of five cells three are half or more: the third expires at 9,000.
      expect(info.halfExpiredMs).toBe(9_000)
      expect(info.minStamp).toEqual(cells[1]!.subarray(8, 24))
      expect(info.maxStamp).toEqual(cells[3]!.subarray(8, 24))
      expect((await writeTable(disk, 2, entries.slice(1, 3))).halfExpiredMs).toBe(5_000)
      expect((await writeTable(disk, 3, entries.slice(2, 4))).halfExpiredMs).toBe(5_000)
      expect((await writeTable(disk, 4, [...entries.slice(0, 2), entries[3]!])).halfExpiredMs).toBe(
        0,
      )
    })
  })

  test('table writer: much to write: asks to be drained, and knows its size', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    await sim.run(async () => {
      await disk.makeDirectory(DIRECTORY)
      const writer = await TableWriter.create(disk, DIRECTORY, 1, 1, CREATED_MS, SETTINGS)
      const entries = sorted(
        Array.from({ length: 4_000 }, (_, i) =>
          entry(0, makeCell({ key: `key-${i}`, ms: 1, value: Buffer.alloc(1_000, i) })),
        ),
      )
      let drains = 0
      for (const each of entries) {
        addAll(writer, [each])
        if (!writer.wantsDrain) continue
        drains += 1
        await writer.drain()
        expect(writer.wantsDrain).toBe(false)
      }
      expect(drains).toBe(3)
      expect(writer.cells).toBe(4_000)
      const before = writer.bytes
      const info = await writer.finish()
      expect(info.bytes - before).toBeGreaterThan(5_000)
      expect(info.bytes - before).toBeLessThan(40_000)
      expect(await verifyTable(disk, pathOf(1), info, () => {})).toEqual([])
    })
  })

  test('table writer: a sync that fails: says so by its code', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    await sim.run(async () => {
      await disk.makeDirectory(DIRECTORY)
      const writer = await TableWriter.create(disk, DIRECTORY, 1, 1, CREATED_MS, SETTINGS)
      addAll(writer, GOLDEN)
      node.disk.faults.syncFailProbability = 1
      await expect(writer.finish()).rejects.toMatchObject({
        code: 'ESYNC',
        cause: { code: 'EIO' },
      })
      await writer.abandon()
      node.disk.faults.clear()
      expect(await disk.list(DIRECTORY)).toEqual([])
    })
  })

  test('table writer: a full disk: its own error, and nothing is left', async () => {
    const { sim, node } = simulate(1)
    const { disk } = node.ports
    await sim.run(async () => {
      await disk.makeDirectory(DIRECTORY)
      const writer = await TableWriter.create(disk, DIRECTORY, 1, 1, CREATED_MS, SETTINGS)
      addAll(writer, GOLDEN)
      node.disk.faults.quotaBytes = 100
      await expect(writer.finish()).rejects.toMatchObject({ code: 'ENOSPC' })
      await writer.abandon()
      expect(await disk.list(DIRECTORY)).toEqual([])
    })
  })

  test('table writer: synced and then a power cut: the table is whole', async () => {
    const { sim, node } = simulate(1)
    const info = await sim.run(() => writeTable(node.ports.disk, 1, GOLDEN))
    node.powerCut('drop')
    node.restart()
    await sim.run(async () => {
      expect(await verifyTable(node.ports.disk, pathOf(1), info, () => {})).toEqual([])
    })
  })
})
