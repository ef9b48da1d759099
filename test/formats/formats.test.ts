import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodePorts, temporaryDirectory } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellExpiryMs,
  cellFlags,
  cellKey,
  cellKeyLength,
  cellSize,
  isTombstone,
  keyHash,
  stampMs,
} from '@cassiopeia/protocol'
import { type CellStore, NEVER_PROVEN, openCellStore, type ReadSink } from '@cassiopeia/storage'

/** A key as `make-fixtures.js` noted it. */
interface ExpectedKey {
  readonly key: string
  /** Hexadecimal, like the key; null for a tombstone. */
  readonly value: string | null
  readonly kind: number
  readonly stampMs: number
  readonly expiryMs: number | null
}

interface Expected {
  readonly PARTITIONS: number
  readonly keys: readonly ExpectedKey[]
}

/** Every version's files, and in what state its process left them. */
const STORES = [
  { version: 'v1', end: 'closed' },
  { version: 'v1', end: 'crashed' },
]
const KIND_AT = 7

async function expectedOf(version: string): Promise<Expected> {
  return JSON.parse(await readFile(join(__dirname, version, 'expected.json'), 'utf8')) as Expected
}

/** A copy of the files, opened with the real disk. */
async function withStore(
  directory: string,
  { PARTITIONS }: Expected,
  use: (store: CellStore, partitionOf: (hash: number) => number) => Promise<void>,
): Promise<void> {
  const partitionOf = (hash: number) => Math.floor(hash / 2 ** 32) % PARTITIONS
  const options = { directory, partitions: PARTITIONS, partitionOf, proof: NEVER_PROVEN }
  const store = await openCellStore(options, nodePorts())
  try {
    await use(store, partitionOf)
  } finally {
    await store.close()
  }
}

function describeCell(cell: Buffer, at: number): ExpectedKey {
  const end = at + cellSize(cell, at)
  const expires = (cellFlags(cell, at) & CellFlag.expires) !== 0
  return {
    key: cellKey(cell, at).toString('hex'),
    value: isTombstone(cell, at)
      ? null
      : cell.toString('hex', at + CELL_HEADER_BYTES + cellKeyLength(cell, at), end),
    kind: cell[at + KIND_AT]!,
    stampMs: stampMs(cell, at + CELL_STAMP_AT),
    expiryMs: expires ? cellExpiryMs(cell, at) : null,
  }
}

function read(
  store: CellStore,
  key: Buffer,
  partitionOf: (hash: number) => number,
  how: 'read' | 'readSync',
): Promise<ExpectedKey | undefined> {
  const hash = keyHash(key, 0, key.length)
  return new Promise((resolve, reject) => {
    const sink: ReadSink = {
      onRead: (_token, cell, at) => resolve(cell && describeCell(cell, at)),
      onReadFailed: (_token, error) => reject(error),
    }
    store[how](key, 0, key.length, partitionOf(hash), hash, sink, 0)
  })
}

async function expectContents(
  store: CellStore,
  { keys, PARTITIONS }: Expected,
  partitionOf: (hash: number) => number,
): Promise<void> {
  for (const expected of keys) {
    const key = Buffer.from(expected.key, 'hex')
    expect(await read(store, key, partitionOf, 'readSync')).toEqual(expected)
    expect(await read(store, key, partitionOf, 'read')).toEqual(expected)
  }
  const scanned: ExpectedKey[] = []
  await store.scan(0, PARTITIONS - 1, undefined, (cell, at) => {
    scanned.push(describeCell(cell, at))
    return true
  })
  expect(scanned.sort(byKey)).toEqual([...keys].sort(byKey))
}

function byKey(a: ExpectedKey, b: ExpectedKey): number {
  return a.key < b.key ? -1 : 1
}

describe('formats', () => {
  test('formats: every version that has files here is opened', async () => {
    const entries = await readdir(__dirname, { withFileTypes: true })
    const versions = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
    expect([...new Set(STORES.map(({ version }) => version))]).toEqual(versions.sort())
  })

  for (const { version, end } of STORES) {
    test(`formats: a store of ${version} that was ${end}: opens, every key is there`, async () => {
      const expected = await expectedOf(version)
      const { path, remove } = await temporaryDirectory('cassiopeia-formats')
      const directory = join(path, 'store')
      try {
        await cp(join(__dirname, version, end), directory, { recursive: true })
        await withStore(directory, expected, async (store, partitionOf) => {
          const { recovered } = store.stats()
          expect(recovered).toMatchObject({ tables: 3, tornBytes: 0 })
          expect(recovered.segments).toBeGreaterThan(1)
          await expectContents(store, expected, partitionOf)
          expect((await store.verify()).damages).toEqual([])
        })
        // And what this version makes of it says the same, but for what has expired.
        await withStore(directory, expected, async (store) => {
          await store.compact()
          expect(store.stats()).toMatchObject({ runs: 2, damages: [] })
        })
        const keys = expected.keys.map((key) => afterCompaction(key))
        await withStore(directory, { ...expected, keys }, async (store, partitionOf) => {
          await expectContents(store, { ...expected, keys }, partitionOf)
        })
      } finally {
        await remove()
      }
    })
  }
})

/** A merge turns a cell that has expired into a tombstone with its stamp. */
function afterCompaction(key: ExpectedKey): ExpectedKey {
  const isExpired = key.expiryMs !== null && key.expiryMs < Date.now()
  return isExpired ? { ...key, value: null } : key
}
