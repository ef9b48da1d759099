import { KeyedRandom } from '@cassiopeia/env'
import { decodeFooter, FOOTER_BYTES } from '../../src/table/format'
import { TableCursor } from '../../src/table/table-cursor'
import { openTableFile, readFilter, readIndex } from '../../src/table/table-file'
import { type Compression, type TableInfo, TableKind } from '../../src/table/table-info'
import { verifyTable } from '../../src/table/verify'
import { makeCell, simulate, testSeeds } from '../support'
import {
  collect,
  describeEntries,
  type Entry,
  entry,
  findSync,
  isCell,
  openTable,
  pathOf,
  randomEntries,
  readOnlyDisk,
  sorted,
  writeTable,
} from './table-support'

interface Written {
  readonly info: TableInfo
  readonly bytes: Buffer
  readonly entries: Entry[]
}

async function written(
  number: number,
  entries: Entry[],
  compression: Compression = 'none',
): Promise<Written> {
  const { sim, node } = simulate(1)
  const { disk } = node.ports
  return sim.run(async () => {
    const info = await writeTable(disk, number, entries, { blockBytes: 512, compression })
    return { info, bytes: await disk.readFile(pathOf(number)), entries }
  })
}

/** A table of the delete log. */
function smallTombstones(): Entry[] {
  return sorted(
    Array.from({ length: 14 }, (_, i) =>
      entry(i % 2, makeCell({ key: `${'key'.repeat(20)}-${i}`, ms: 1, tombstone: true })),
    ),
  )
}

function smallEntries(letter = 'v'): Entry[] {
  return sorted(
    Array.from({ length: 6 }, (_, i) =>
      entry(i % 2, makeCell({ key: `key-${i}`, ms: 1, value: letter.repeat(150) })),
    ),
  )
}

/** What all readers make of a file that may be damaged. */
async function readAll({ info, entries }: Written, bytes: Buffer) {
  const disk = readOnlyDisk(new Map([[pathOf(info.number), bytes]]))
  const { table, damages } = await openTable(disk, info)
  const missing = entries.map(({ partition, key }) =>
    entry(partition, makeCell({ key: `${key}!`, ms: 1 })),
  )
  const wrong: string[] = []
  let unknown = 0
  for (const each of [...entries, ...missing]) {
    const found = findSync(table, each)
    if (found === 'damaged') unknown += 1
    else if (found === undefined ? entries.includes(each) : !found.equals(each.cell)) {
      wrong.push(`${each.partition} ${each.key}`)
    }
  }
  const cursor = new TableCursor(disk, pathOf(info.number), { info, after: undefined })
  const error = await collect(cursor).then(
    (cells) => {
      if (`${cells}` !== `${describeEntries(entries)}`) wrong.push('cursor')
    },
    (thrown: unknown) => thrown,
  )
  await cursor.close()
  const verified = await verifyTable(disk, pathOf(info.number), info, () => {})
  return { wrong, unknown, damages, error, verified }
}

/** Where block `block` lies. */
async function blockRange({ info, bytes }: Written, block: number): Promise<[number, number]> {
  const disk = readOnlyDisk(new Map([['x', bytes]]))
  const { file, layout } = await openTableFile(disk, 'x', info)
  const index = await readIndex(file!, layout!)
  if (typeof index === 'string') throw new Error(index)
  return [index.position(block), index.position(block) + index.bytesOf(block)]
}

describe('table damage', () => {
  test.each([
    ['data', 'none'],
    ['data', 'deflate'],
    ['tombstones', 'none'],
    ['tombstones', 'deflate'],
  ] as const)(
    'table damage: every bit flipped: a right answer or damage, and verify finds it (%s, %s)',
    async (kind, compression) => {
      const entries = kind === 'data' ? smallEntries() : smallTombstones()
      const table = await written(5, entries, compression)
      expect(table.info.blocks).toBeGreaterThan(1)
      const bytes = Buffer.from(table.bytes)
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        bytes[bit >>> 3]! ^= 1 << (bit & 7)
        const { wrong, unknown, damages, error, verified } = await readAll(table, bytes)
        bytes[bit >>> 3]! ^= 1 << (bit & 7)
        const errorIsCorrupt =
          error === undefined || (error as { code?: string; table?: number }).table === 5
        const isReported = unknown === 0 || damages.length === 1
        expect([bit, wrong, errorIsCorrupt, isReported, verified.length]).toEqual([
          bit,
          [],
          true,
          true,
          1,
        ])
        const { at, bytes: length } = verified[0]!
        expect(at <= bit >>> 3 && bit >>> 3 < at + length).toBe(true)
      }
    },
  )

  test('table damage: a damaged filter: every key is found all the same', async () => {
    const table = await written(5, smallEntries())
    const footer = decodeFooter(table.bytes.subarray(-FOOTER_BYTES), table.info)
    const bytes = Buffer.from(table.bytes)
    bytes.fill(0, footer.layout!.filterAt + 24, footer.layout!.indexAt)
    const { wrong, unknown, damages, error } = await readAll(table, bytes)
    expect([wrong, unknown, error]).toEqual([[], 0, undefined])
    expect(damages).toMatchObject([{ what: 'the filter fails its checksum' }])
    const disk = readOnlyDisk(
      new Map([
        ['x', bytes],
        ['y', table.bytes],
      ]),
    )
    expect(await readFilter(disk, 'x', table.info)).toBeUndefined()
    const filter = await readFilter(disk, 'y', table.info)
    for (const { hash } of table.entries) expect(filter!.has(hash)).toBe(true)
  })

  test.each([
    ['its slots', 16, (bytes: Buffer) => bytes.fill(0), 'the locator fails its checksum'],
    ['its kind', 13, (bytes: Buffer) => bytes.fill(2, 0, 1), 'the filter fails its checksum'],
  ])(
    'table damage: a locator, %s: every key is found all the same',
    async (_, at, change, what) => {
      const table = await written(5, smallTombstones())
      expect(table.info.kind).toBe(TableKind.tombstones)
      const { layout } = decodeFooter(table.bytes.subarray(-FOOTER_BYTES), table.info)
      const bytes = Buffer.from(table.bytes)
      change(bytes.subarray(layout!.filterAt + at, layout!.indexAt))
      const { wrong, unknown, damages, error, verified } = await readAll(table, bytes)
      expect([wrong, unknown, error]).toEqual([[], 0, undefined])
      const { filterAt, filterBytes } = layout!
      const damage = { table: 5, at: filterAt, bytes: filterBytes, what }
      expect([damages, verified]).toEqual([[damage], [damage]])
    },
  )

  test('table damage: a locator that verify has found damaged: asked no more, reported once', async () => {
    const table = await written(5, smallTombstones())
    const disk = readOnlyDisk(new Map([[pathOf(5), table.bytes]]))
    const { table: opened, cache, damages } = await openTable(disk, table.info)
    const { layout } = decodeFooter(table.bytes.subarray(-FOOTER_BYTES), table.info)
    const damage = { table: 5, at: layout!.filterAt, bytes: layout!.filterBytes, what: 'said so' }
    const absent = entry(0, makeCell({ key: 'key!', ms: 1 }))
    for (const stage of ['not loaded', 'loaded', 'fenced']) {
      if (stage === 'fenced') opened.fence(damage)
      for (const each of table.entries) expect(isCell(findSync(opened, each), each)).toBe(true)
      const before = cache.hits + cache.reads
      expect(findSync(opened, absent)).toBeUndefined()
      // Without the locator a block must be asked.
      expect(cache.hits + cache.reads - before).toBe(stage === 'fenced' ? 1 : 0)
    }
    expect(damages).toEqual([damage])
  })

  test('table damage: a block in the place of another one: noticed', async () => {
    const table = await written(
      5,
      smallEntries()
        .map(({ cell }) => entry(0, cell))
        .sort((a, b) => a.key.compare(b.key)),
    )
    const [from, to] = await blockRange(table, 0)
    const [otherFrom, otherTo] = await blockRange(table, 1)
    expect(to - from).toBe(otherTo - otherFrom)
    const bytes = Buffer.from(table.bytes)
    table.bytes.copy(bytes, from, otherFrom, otherTo)
    const { wrong, unknown, verified } = await readAll(table, bytes)
    expect([wrong, unknown > 0]).toEqual([[], true])
    expect(verified).toMatchObject([{ at: from, bytes: to - from }])
    expect(verified[0]!.what).toMatch(/belongs elsewhere: it was written for byte \d+/)
  })

  test('table damage: a block of another table, the whole of another table: noticed', async () => {
    const table = await written(5, smallEntries())
    const other = await written(6, smallEntries('w'))
    const [from, to] = await blockRange(table, 0)
    const bytes = Buffer.from(table.bytes)
    other.bytes.copy(bytes, from, from, to)
    const { wrong, verified } = await readAll(table, bytes)
    expect(wrong).toEqual([])
    expect(verified).toMatchObject([{ at: from, what: 'the block fails its checksum' }])
    const whole = await readAll(table, other.bytes)
    expect(whole.wrong).toEqual([])
    expect(whole.damages).toMatchObject([{ at: 0, what: 'it is another table' }])
    expect(whole.verified).toEqual(whole.damages)
  })

  test('table damage: cut short or grown: noticed', async () => {
    const table = await written(5, smallEntries())
    for (const bytes of [
      table.bytes.subarray(0, -1),
      table.bytes.subarray(0, 10),
      Buffer.alloc(0),
      Buffer.concat([table.bytes, Buffer.alloc(1)]),
    ]) {
      const { wrong, damages, verified } = await readAll(table, bytes)
      expect([wrong, verified]).toEqual([[], damages])
      expect(damages[0]!.what).toBe(
        `the file has ${bytes.length} bytes instead of ${table.info.bytes}`,
      )
    }
  })

  testSeeds('table damage: a sound table: verify reads each byte once', 10, async (seed) => {
    const random = new KeyedRandom(seed, 'cells')
    const shape = { cells: 200, partitions: 20, keyBytesMax: 200, valueBytesMax: 20_000 }
    const table = await written(1, randomEntries(random, shape))
    const disk = readOnlyDisk(new Map([['x', table.bytes]]))
    let read = 0
    const damages = await verifyTable(disk, 'x', table.info, (bytes) => {
      read += bytes
    })
    expect([damages, read]).toEqual([[], table.info.bytes])
  })
})
