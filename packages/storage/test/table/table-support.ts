/** What the tests of tables share: sorted cells, tables written on a simulated disk. */
import type { Disk, DiskFile, KeyedRandom } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  cellKey,
  cellKeyLength,
  isTombstone,
  keyHash,
} from '@cassiopeia/protocol'
import type { TableDamage } from '../../src/jobs/job'
import type { CellCursor } from '../../src/merge/cell-cursor'
import { BlockCache } from '../../src/table/block-cache'
import type { Place } from '../../src/table/place'
import { Find, Table } from '../../src/table/table'
import {
  type TableInfo,
  TableKind,
  type TableSettings,
  tableName,
} from '../../src/table/table-info'
import { TableWriter } from '../../src/table/table-writer'
import type { WriterMemory } from '../../src/table/writer-memory'
import { copyCell, makeCell } from '../support'

export const DIRECTORY = '/data/tables'
export const CREATED_MS = 1_735_689_600_000

export const SETTINGS: TableSettings = {
  blockBytes: 4096,
  filterBitsPerKey: 10,
  compression: 'none',
  tableBytes: 64 * 1024 * 1024,
}

/** A cell with its place and its hash. */
export interface Entry {
  readonly partition: number
  readonly key: Buffer
  readonly hash: number
  readonly cell: Buffer
}

export function entry(partition: number, cell: Buffer): Entry {
  const to = CELL_HEADER_BYTES + cellKeyLength(cell, 0)
  return {
    partition,
    key: Buffer.from(cellKey(cell, 0)),
    hash: keyHash(cell, CELL_HEADER_BYTES, to),
    cell,
  }
}

export function sorted(entries: Iterable<Entry>): Entry[] {
  return [...entries].sort((a, b) => a.partition - b.partition || a.key.compare(b.key))
}

export function pathOf(number: number): string {
  return `${DIRECTORY}/${tableName(number)}`
}

export async function writeTable(
  disk: Disk,
  number: number,
  entries: readonly Entry[],
  settings: Partial<TableSettings> = {},
  memory?: WriterMemory,
): Promise<TableInfo> {
  await disk.makeDirectory(DIRECTORY)
  const kind = entries.every(({ cell }) => isTombstone(cell, 0))
    ? TableKind.tombstones
    : TableKind.data
  const all = { ...SETTINGS, ...settings }
  const writer = await TableWriter.create(disk, DIRECTORY, number, kind, CREATED_MS, all, memory)
  for (const { partition, hash, cell } of entries) {
    // Inside a larger buffer, which the writer may not keep.
    const room = Buffer.concat([Buffer.from('--'), cell, Buffer.from('--')])
    writer.add(partition, hash, room, 2, cell.length)
    room.fill(0xee)
    if (writer.wantsDrain) await writer.drain()
  }
  const info = await writer.finish()
  await disk.syncDirectory(DIRECTORY)
  return info
}

export interface Shape {
  readonly cells: number
  readonly partitions: number
  readonly keyBytesMax: number
  readonly valueBytesMax: number
  /** Of the cells that are tombstones, 0 to 1; when all are, the table is one of the delete log. */
  readonly tombstones?: number
}

/** Cells with distinct keys, sorted. Sizes are mostly small and sometimes as large as they may be. */
export function randomEntries(random: KeyedRandom, shape: Shape): Entry[] {
  const byKey = new Map<string, Entry>()
  while (byKey.size < shape.cells) {
    const key = random.bytes(1 + skewed(random, shape.keyBytesMax - 1))
    // Few letters, so that keys share beginnings and some are the beginnings of others.
    for (let i = 0; i < key.length; i += 1) key[i] = 97 + (key[i]! % 3)
    const suffix = Buffer.from(byKey.size.toString(36))
    const tombstone = random.chance(shape.tombstones ?? 0.1)
    const cell = makeCell({
      key: key.length > 4 ? Buffer.concat([key, suffix]).subarray(-shape.keyBytesMax) : key,
      ms: 1_000 + random.below(1_000_000),
      tombstone,
      value: tombstone ? '' : random.bytes(skewed(random, shape.valueBytesMax)),
      ...(random.chance(0.3) && !tombstone ? { expiryMs: 5_000 + random.below(1000) } : {}),
    })
    const { key: ownKey, hash } = entry(0, cell)
    // The key alone decides, as in a store; some partitions have no cell.
    const made = entry((hash % shape.partitions) * 3, cell)
    byKey.set(ownKey.toString('latin1'), made)
    if (shape.keyBytesMax < 3) break
  }
  return sorted(byKey.values())
}

function skewed(random: KeyedRandom, max: number): number {
  return random.chance(0.05) ? random.below(max + 1) : random.below(Math.min(max, 40) + 1)
}

export function placeOf({ partition, key }: Entry): Place {
  return { partition, key }
}

/** All cells above `after` that the cursor walks over, as `describeEntries` has them. */
export async function collect(cursor: CellCursor, after?: Place): Promise<string[]> {
  const found: string[] = []
  await cursor.seek(after)
  while (!cursor.ended) {
    found.push(`${cursor.partition} ${copyCell(cursor.buffer, cursor.at).toString('hex')}`)
    if (!cursor.advance()) await cursor.load()
  }
  return found
}

export function describeEntries(entries: readonly Entry[]): string[] {
  return entries.map(({ partition, cell }) => `${partition} ${cell.toString('hex')}`)
}

export interface Opened {
  readonly table: Table
  readonly cache: BlockCache
  readonly damages: TableDamage[]
}

export async function openTable(
  disk: Disk,
  info: TableInfo,
  cache: BlockCache = new BlockCache(1024 * 1024),
  path: string = pathOf(info.number),
): Promise<Opened> {
  const damages: TableDamage[] = []
  const table = new Table(info, path, disk, cache, (damage) => damages.push(damage))
  await table.open()
  return { table, cache, damages }
}

/** A copy of the key's cell; undefined when the table has none, 'damaged' when nobody can say. */
export function findSync(table: Table, wanted: Entry): Buffer | undefined | 'damaged' {
  for (;;) {
    const found = findOnce(table, wanted)
    if (found !== 'load') return found
    table.loadSync()
  }
}

export async function findAsync(
  table: Table,
  wanted: Entry,
): Promise<Buffer | undefined | 'damaged'> {
  return new Promise((resolve, reject) => {
    const ask = (error?: Error) => {
      if (error !== undefined) return reject(error)
      const found = findOnce(table, wanted)
      if (found === 'load') table.load({ onLoaded: ask })
      else resolve(found)
    }
    ask()
  })
}

function findOnce(
  table: Table,
  { partition, hash, key }: Entry,
): Buffer | undefined | 'damaged' | 'load' {
  const around = Buffer.concat([Buffer.from('-'), key, Buffer.from('-')])
  const at = table.find(partition, hash, around, 1, around.length - 1)
  if (at === Find.load) return 'load'
  if (at === Find.damaged) return 'damaged'
  return at === Find.absent ? undefined : copyCell(table.block, at)
}

/** Whether the very cell was found. (To compare large Buffers by `toEqual` takes long.) */
export function isCell(found: Buffer | undefined | 'damaged', wanted: Entry): boolean {
  return found instanceof Buffer && found.equals(wanted.cell)
}

/** The files of a disk that only reads, all in memory: for reading thousands of damaged copies. */
export function readOnlyDisk(files: ReadonlyMap<string, Buffer>): Disk {
  const open = async (path: string): Promise<DiskFile> => {
    const bytes = files.get(path)
    if (bytes === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
    const readSync = (target: Buffer, position: number) =>
      bytes.copy(target, 0, position, Math.min(bytes.length, position + target.length))
    return {
      size: async () => bytes.length,
      read: async (target: Buffer, position: number) => readSync(target, position),
      readSync,
      close: async () => {},
    } as unknown as DiskFile
  }
  return { open } as unknown as Disk
}
