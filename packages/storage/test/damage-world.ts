/** A small store with a file of every kind, and what it must still say when one of them is damaged. */
import { type CassioError, cellKey, isTombstone, keyHash } from '@cassiopeia/protocol'
import { NEVER_PROVEN, type StoreOptions } from '../src'
import { decodeManifest, type ManifestTable } from '../src/manifest/format'
import { readRecord } from '../src/record-file'
import type { Place } from '../src/table/place'
import { comparePlaces } from '../src/table/place'
import { openTableFile, readIndex } from '../src/table/table-file'
import { tableName } from '../src/table/table-info'
import { MemoryDisk, memoryPorts } from './memory-disk'
import { Model, makeCell, openClient, partitionOf, type TestClient } from './support'

export const MANIFEST = '/data/MANIFEST'
const NOW_MS = Date.UTC(2025, 0, 1)
const OPTIONS: Partial<StoreOptions> = {
  memoryBytesMax: 1024 * 1024,
  segmentBytes: 1024,
  blockBytes: 512,
  proof: NEVER_PROVEN,
}

export interface DamageWorld {
  readonly disk: MemoryDisk
  /** Every key that was ever written, and its cell. */
  readonly model: Model
  /** The cells of the last batch in the log. */
  readonly lastBatch: ReadonlySet<string>
}

/**
 * Two tables of values, one compressed, one of tombstones, and a log of several segments, which are
 * so small beside one another that there is nothing to compact.
 *
 * @param end 'crash' leaves the log without the mark that a close in order makes.
 */
export async function damageWorld(end: 'close' | 'crash'): Promise<DamageWorld> {
  const disk = new MemoryDisk()
  const model = new Model()
  let ms = 1_000
  const write = async (client: TestClient, key: string, value: string | undefined) => {
    ms += 1
    const tombstone = value === undefined
    const cell = makeCell({ key, ms, value: value ?? '', tombstone })
    await client.write(cell)
    model.write(cell)
  }
  const plain = await openDamaged(disk, { compression: 'none' })
  for (let i = 10; i < 40; i += 1) await write(plain, `key-${i}`, `plain ${i} `.repeat(4 + (i % 3)))
  await plain.store.flush()
  await plain.store.close()
  const packed = await openDamaged(disk, { compression: 'deflate' })
  for (let i = 36; i < 46; i += 1) await write(packed, `key-${i}`, `packed ${i} `.repeat(9))
  for (let i = 10; i < 14; i += 1) await write(packed, `key-${i}`, undefined)
  await packed.store.flush()
  await packed.store.close()
  const logged = await openDamaged(disk)
  for (let i = 44; i < 64; i += 1) await write(logged, `key-${i}`, `logged ${i} `.repeat(4))
  for (const i of [15, 37, 50]) await write(logged, `key-${i}`, undefined)
  const lastBatch = new Set(['key-16', 'key-63'])
  const last = [...lastBatch].map((key) => makeCell({ key, ms: 9_000, value: 'the last batch' }))
  await Promise.all(last.map((cell) => logged.write(cell)))
  for (const cell of last) model.write(cell)
  const image = disk.copy()
  await logged.store.close()
  return { disk: end === 'crash' ? image : disk, model, lastBatch }
}

export function openDamaged(
  disk: MemoryDisk,
  options: Partial<StoreOptions> = {},
  lines: string[] = [],
): Promise<TestClient> {
  return openClient(memoryPorts(disk, NOW_MS, lines), { ...OPTIONS, ...options })
}

export interface Leniency {
  /** Which way of reading meets the damage first. */
  readonly asyncFirst?: boolean
  /** A crash may have torn the last batch. */
  readonly lastMayBeLost?: boolean
  /** Tombstones may have been forgotten. */
  readonly mayForget?: boolean
}

/** How each key was answered: right, or not at all. A wrong answer is no answer: it throws. */
export async function answersOf(
  client: TestClient,
  { model, lastBatch }: Pick<DamageWorld, 'model' | 'lastBatch'>,
  options: Leniency,
): Promise<{ failed: Set<string> }> {
  const failed = new Set<string>()
  const check = (how: string, key: string, found: Buffer | undefined) => {
    const right = model.read(key)!
    if (found?.equals(right) === true) return
    if (options.lastMayBeLost === true && lastBatch.has(key)) return
    if (options.mayForget === true && found === undefined && isTombstone(right, 0)) return
    throw new Error(`${how}: a wrong answer for ${key}: ${found?.toString('latin1')}`)
  }
  const fail = (how: string, key: string, error: unknown) => {
    if ((error as CassioError).code !== 'CASSIO_CORRUPT') {
      throw new Error(`${how}: ${key} failed oddly`, { cause: error })
    }
    failed.add(key)
  }
  const readSync = () => {
    for (const key of model.cells.keys()) {
      let found: Buffer | undefined
      try {
        found = client.read(key)
      } catch (error) {
        fail('readSync', key, error)
        continue
      }
      check('readSync', key, found)
    }
  }
  const readAsync = async () => {
    await Promise.all(
      [...model.cells.keys()].map(async (key) => {
        let found: Buffer | undefined
        try {
          found = await client.readLater(key)
        } catch (error) {
          fail('read', key, error)
          return
        }
        check('read', key, found)
      }),
    )
  }
  if (options.asyncFirst === true) await readAsync()
  readSync()
  if (options.asyncFirst !== true) await readAsync()
  if (client.read('never written') !== undefined) throw new Error('found what was never written')
  await checkScan(client, model, failed, check)
  return { failed }
}

/** A scan shows all cells in order, or the first of them and then fails at the damage. */
async function checkScan(
  client: TestClient,
  model: Model,
  failed: ReadonlySet<string>,
  check: (how: string, key: string, found: Buffer | undefined) => void,
): Promise<void> {
  const scanned = new Map<string, Buffer>()
  let whole = true
  try {
    await client.store.scan(0, 15, undefined, (cell, at) => {
      scanned.set(cellKey(cell, at).toString('latin1'), copy(cell, at))
      return true
    })
  } catch (error) {
    if ((error as CassioError).code !== 'CASSIO_CORRUPT') throw error
    whole = false
  }
  if (whole && failed.size > 0) throw new Error('the scan did not see what reads have met')
  const keys = whole ? [...model.cells.keys()] : [...scanned.keys()]
  for (const key of keys) check('scan', key, scanned.get(key))
}

function copy(cell: Buffer, at: number): Buffer {
  return Buffer.from(cell.subarray(at, at + cell.readUInt32BE(at)))
}

/** A part of a table's file, and the keys that nobody can answer for when it is damaged. */
export interface TablePart {
  readonly from: number
  readonly to: number
  readonly hides: (key: string) => boolean
}

export interface TableParts {
  readonly path: string
  readonly entry: ManifestTable
  readonly parts: readonly TablePart[]
}

export async function tablesOf(disk: MemoryDisk): Promise<TableParts[]> {
  const manifest = decodeManifest((await readRecord(disk, MANIFEST))!)
  const tables: TableParts[] = []
  for (const entry of manifest.tables) {
    const path = `/data/tables/${tableName(entry.info.number)}`
    tables.push({ path, entry, parts: await partsOf(disk, path, entry) })
  }
  return tables
}

async function partsOf(
  disk: MemoryDisk,
  path: string,
  { info }: ManifestTable,
): Promise<TablePart[]> {
  const { file, layout } = await openTableFile(disk, path, info)
  const index = await readIndex(file!, layout!)
  if (typeof index === 'string') throw new Error(index)
  const none = () => false
  const all = (key: string) => {
    const place = placeOf(key)
    return comparePlaces(info.first, place) <= 0 && comparePlaces(place, info.last) <= 0
  }
  const parts: TablePart[] = [{ from: 0, to: index.position(0), hides: none }]
  for (let block = 0; block < index.blocks; block += 1) {
    const from = index.position(block)
    const hides = (key: string) => {
      const { partition, key: bytes } = placeOf(key)
      return index.find(partition, bytes, 0, bytes.length) === block
    }
    parts.push({ from, to: from + index.bytesOf(block), hides })
  }
  const { filterAt, filterBytes, indexAt } = layout!
  parts.push({ from: filterAt, to: filterAt + filterBytes, hides: none })
  parts.push({ from: indexAt, to: info.bytes, hides: all })
  return parts
}

function placeOf(key: string): Place {
  const bytes = Buffer.from(key)
  return { partition: partitionOf(keyHash(bytes, 0, bytes.length)), key: bytes }
}
