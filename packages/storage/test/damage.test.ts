import type { CassioError } from '@cassiopeia/protocol'
import { PROVEN_ALONE } from '../src'
import { segmentName } from '../src/commit-log/format'
import {
  answersOf,
  type DamageWorld,
  damageWorld,
  MANIFEST,
  openDamaged,
  type TableParts,
  tablesOf,
} from './damage-world'
import type { MemoryDisk } from './memory-disk'
import { makeCell, type TestClient } from './support'

/** A page of a disk, or a sector. */
const ZEROED_BYTES = 512

let world: DamageWorld
let tables: TableParts[]

beforeAll(async () => {
  world = await damageWorld('close')
  tables = await tablesOf(world.disk)
})

async function withStore<Result>(
  disk: MemoryDisk,
  use: (client: TestClient) => Promise<Result>,
  lines: string[] = [],
): Promise<Result> {
  const client = await openDamaged(disk, {}, lines)
  try {
    return await use(client)
  } finally {
    await client.store.close()
  }
}

/** Whoever opens it is told which file is at fault, and no file is changed. */
async function expectRefused(disk: MemoryDisk, what: string | RegExp): Promise<void> {
  const before = new Map(disk.files)
  const error = await withStore(disk, async () => undefined).catch((refusal: unknown) => refusal)
  expect(error).toMatchObject({ code: 'CASSIO_CORRUPT' })
  expect((error as CassioError).message).toMatch(what)
  expect([...disk.files.keys()].sort()).toEqual([...before.keys()].sort())
  for (const [path, bytes] of before) expect(disk.find(path).equals(bytes)).toBe(true)
}

/** Nobody answers for the keys that `hides` names, all others are right, and the damage is told of. */
async function expectFenced(
  disk: MemoryDisk,
  hides: (key: string) => boolean,
  damaged: readonly TableParts[],
  what?: string,
): Promise<void> {
  const lines: string[] = []
  const numbers = damaged.map(({ entry }) => entry.info.number).sort()
  await withStore(
    disk,
    async (client) => {
      const { failed } = await answersOf(client, world, {})
      for (const key of failed) expect([key, hides(key)]).toEqual([key, true])
      const { damages } = await client.store.verify()
      expect([...new Set(damages.map(({ table }) => table))].sort()).toEqual(numbers)
      const told = client.store.stats().damages
      expect([...new Set(told.map(({ table }) => table))].sort()).toEqual(numbers)
      if (what !== undefined) for (const damage of told) expect(damage.what).toContain(what)
    },
    lines,
  )
  for (const number of numbers) {
    const told = lines.filter((line) => line.includes(`"table":${number},`))
    expect(told.some((line) => line.startsWith('error: damaged block fenced off'))).toBe(true)
  }
}

function hiddenBy(damaged: readonly TableParts[]): (key: string) => boolean {
  return (key) => damaged.some(({ parts }) => parts.at(-1)!.hides(key))
}

function segments(disk: MemoryDisk): string[] {
  return [...disk.files.keys()].filter((path) => path.endsWith('.log')).sort()
}

describe('damage: files', () => {
  test('damage: a table is missing: its keys have no answer, all others do', async () => {
    for (const table of tables) {
      const disk = world.disk.copy()
      disk.files.delete(table.path)
      await expectFenced(disk, hiddenBy([table]), [table], 'the file is missing')
    }
  })

  test('damage: two tables are exchanged: neither is taken for the other', async () => {
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const disk = world.disk.copy()
      disk.files.set(tables[a]!.path, world.disk.find(tables[b]!.path))
      disk.files.set(tables[b]!.path, world.disk.find(tables[a]!.path))
      const both = [tables[a]!, tables[b]!]
      await expectFenced(disk, hiddenBy(both), both)
    }
  })

  test('damage: a table is cut short or longer: all of it is fenced off', async () => {
    for (const table of tables) {
      const whole = world.disk.find(table.path)
      const lengths = [0, 1, 23, 24, 100, whole.length - 97, whole.length - 1]
      const cases = lengths.map((length) => whole.subarray(0, length))
      for (const bytes of [...cases, Buffer.concat([whole, Buffer.alloc(1)])]) {
        const disk = world.disk.copy()
        disk.files.set(table.path, Buffer.from(bytes))
        await expectFenced(disk, hiddenBy([table]), [table])
      }
    }
  })

  test('damage: a page of a table is zeros: only what lies there is hidden', async () => {
    for (const table of tables) {
      for (let at = 0; at < table.entry.info.bytes; at += ZEROED_BYTES) {
        const disk = world.disk.copy()
        zero(disk, table.path, at)
        const hit = table.parts.filter(({ from, to }) => from < at + ZEROED_BYTES && at < to)
        const hides = (key: string) => hit.some((part) => part.hides(key))
        await expectFenced(disk, hides, [table])
      }
    }
  })

  test('damage: the manifest is missing, cut short or zeros: refused', async () => {
    const whole = world.disk.find(MANIFEST)
    for (let length = 0; length < whole.length; length += 1) {
      const disk = world.disk.copy()
      disk.files.set(MANIFEST, whole.subarray(0, length))
      await expectRefused(disk, MANIFEST)
    }
    for (const edit of [
      (disk: MemoryDisk) => disk.files.delete(MANIFEST),
      (disk: MemoryDisk) => zero(disk, MANIFEST, 0),
      (disk: MemoryDisk) => disk.files.set(MANIFEST, Buffer.concat([whole, Buffer.alloc(1)])),
    ]) {
      const disk = world.disk.copy()
      edit(disk)
      await expectRefused(disk, MANIFEST)
    }
  })

  test('damage: a segment of the log is missing: refused, but for the last, which nobody misses', async () => {
    const paths = segments(world.disk)
    for (const path of paths.slice(0, -1)) {
      const disk = world.disk.copy()
      disk.files.delete(path)
      await expectRefused(disk, /is damaged at byte 0: the file is missing|is missing/)
    }
    const disk = world.disk.copy()
    disk.files.delete(paths.at(-1)!)
    await withStore(disk, async (client) => {
      for (const key of world.lastBatch) expect(() => client.read(key)).not.toThrow()
      expect(client.read('key-20')).toEqual(world.model.read('key-20'))
    })
  })

  test('damage: segments of the log are exchanged, cut short, or zeros in part: refused', async () => {
    const paths = segments(world.disk)
    const exchanged = world.disk.copy()
    exchanged.files.set(paths[0]!, world.disk.find(paths[1]!))
    exchanged.files.set(paths[1]!, world.disk.find(paths[0]!))
    await expectRefused(exchanged, /its header says that it is segment/)
    for (const path of paths.slice(0, -1)) {
      const whole = world.disk.find(path)
      for (let length = 0; length < whole.length; length += 29) {
        const disk = world.disk.copy()
        disk.files.set(path, whole.subarray(0, length))
        await expectRefused(disk, path)
      }
      for (let at = 0; at < whole.length; at += ZEROED_BYTES) {
        const disk = world.disk.copy()
        zero(disk, path, at)
        await expectRefused(disk, path)
      }
    }
  })
})

describe('damage: an older manifest is put back', () => {
  test('damage: older manifest, newer segments: refused, no file is removed', async () => {
    const disk = world.disk.copy()
    const client = await openDamaged(disk)
    const older = disk.find(MANIFEST)
    await client.store.flush()
    await client.write(makeCell({ key: 'newer', ms: 99_999 }))
    await client.store.close()
    disk.files.set(MANIFEST, older)
    await expectRefused(disk, /the manifest is older/)
  })

  test('damage: older manifest, older segments gone: refused, no file is removed', async () => {
    const disk = world.disk.copy()
    const older = disk.find(MANIFEST)
    const client = await openDamaged(disk)
    await client.store.flush()
    await client.write(makeCell({ key: 'newer', ms: 99_999 }))
    const kept = segments(disk).at(-1)!
    await client.store.close()
    disk.files.set(MANIFEST, older)
    // Its own header would tell; a segment that knows no better shows that those before are gone.
    const number = Number(kept.slice(-20, -4))
    expect(kept).toContain(segmentName(number))
    await expectRefused(disk, /is missing|is older/)
  })

  test('damage: older manifest, tables merged since: fenced off, no file is removed', async () => {
    const disk = world.disk.copy()
    const older = disk.find(MANIFEST)
    const merging = await openDamaged(disk, { proof: PROVEN_ALONE })
    await merging.store.compact()
    await merging.store.close()
    const compacted = disk.find(MANIFEST)
    const logless = disk.copy()
    for (const path of segments(logless)) logless.files.delete(path)
    logless.files.set(MANIFEST, older)
    const before = [...logless.files.keys()].sort()
    await withStore(logless, async (client) => {
      // Nobody can tell that the log is gone as well: but for each key of the tables there is an error.
      expect(client.store.stats().damages.map(({ what }) => what)).toEqual(
        tables.map(() => 'the file is missing'),
      )
      for (const { entry } of tables) {
        expect(() => client.read(entry.info.first.key)).toThrow(/is damaged/)
      }
      await client.write(makeCell({ key: 'written meanwhile', ms: 99_999 }))
      await client.store.flush()
      expect(client.read('written meanwhile')).toBeDefined()
    })
    for (const path of before) expect(logless.files.has(path)).toBe(true)
    // So the right one can still be put back.
    logless.files.set(MANIFEST, compacted)
    await withStore(logless, async (client) => {
      await answersOf(client, world, { mayForget: true })
    })
  })
})

describe('damage: compaction', () => {
  /** Four runs of similar size would be merged at once. */
  async function overwrite(client: TestClient, from: number): Promise<void> {
    for (let round = from; round < from + 4; round += 1) {
      for (let i = 0; i < 12; i += 1) {
        const value = `round ${round} `.repeat(6)
        await client.write(makeCell({ key: `more-${i}`, ms: 20_000 + round * 100 + i, value }))
      }
      await client.store.flush()
    }
  }

  test('damage: a damaged table is left alone, the others are merged, and it is told of', async () => {
    for (const table of tables) {
      const disk = world.disk.copy()
      // In the first block, so that a merge meets it whatever it begins with.
      disk.flipBit(table.path, 8 * (table.parts[1]!.from + 30))
      const lines: string[] = []
      const client = await openDamaged(disk, { proof: PROVEN_ALONE }, lines)
      await overwrite(client, 0)
      // The first merge meets the damage, and the next one does without the table.
      await client.store.compact().catch((error: CassioError) => {
        expect(error.code).toBe('CASSIO_CORRUPT')
      })
      await client.store.compact()
      const { compactions, damages, runs } = client.store.stats()
      expect(compactions).toBeGreaterThan(0)
      expect(damages).toHaveLength(1)
      expect(damages[0]).toMatchObject({ table: table.entry.info.number, at: table.parts[1]!.from })
      expect(runs).toBeLessThan(5)
      expect(lines.filter((line) => line.includes('damaged block fenced off'))).toHaveLength(1)
      // The file stays, as somebody may have another copy of the block.
      expect(disk.files.has(table.path)).toBe(true)
      for (let i = 0; i < 12; i += 1) {
        expect(client.read(`more-${i}`)?.toString('latin1')).toContain('round 3')
      }
      const { failed } = await answersOf(client, world, { asyncFirst: true, mayForget: true })
      for (const key of failed) expect([key, table.parts[1]!.hides(key)]).toEqual([key, true])
      expect(failed.size).toBeGreaterThan(0)
      await client.store.close()
    }
  })

  test('damage: in a table of tombstones: what they covered never comes back', async () => {
    const deletes = tables.find(({ entry }) => entry.info.kind === 2)!
    const covered = [...world.model.cells.keys()].filter(
      (key) => deletes.parts[1]!.hides(key) && world.model.read(key)![6] === 1,
    )
    expect(covered.length).toBeGreaterThan(0)
    const disk = world.disk.copy()
    disk.flipBit(deletes.path, 8 * (deletes.parts[1]!.from + 30))
    const client = await openDamaged(disk, { proof: PROVEN_ALONE })
    await overwrite(client, 0)
    for (let i = 0; i < 3; i += 1) await client.store.compact().catch(() => {})
    await client.store.close()
    // Nor after another opening, which has to meet the damage anew.
    await withStore(disk, async (again) => {
      for (const key of covered) {
        let found: Buffer | undefined
        try {
          found = again.read(key)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CASSIO_CORRUPT' })
          continue
        }
        expect(found === undefined || found[6] === 1).toBe(true)
      }
    })
  })

  test('damage: met by a scan: fenced off and told of, as when a read meets it', async () => {
    const [table] = tables
    const disk = world.disk.copy()
    disk.flipBit(table!.path, 8 * (table!.parts[2]!.from + 30))
    const lines: string[] = []
    await withStore(
      disk,
      async (client) => {
        await expect(client.all()).rejects.toMatchObject({ code: 'CASSIO_CORRUPT' })
        expect(client.store.stats().damages).toMatchObject([
          { table: table!.entry.info.number, at: table!.parts[2]!.from },
        ])
      },
      lines,
    )
    expect(lines.filter((line) => line.includes('damaged block fenced off'))).toHaveLength(1)
  })
})

function zero(disk: MemoryDisk, path: string, at: number): void {
  const bytes = Buffer.from(disk.find(path))
  bytes.fill(0, at, Math.min(bytes.length, at + ZEROED_BYTES))
  disk.files.set(path, bytes)
}
