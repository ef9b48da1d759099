import type { CassioError } from '@cassiopeia/protocol'
import {
  answersOf,
  type DamageWorld,
  damageWorld,
  type Leniency,
  MANIFEST,
  openDamaged,
  tablesOf,
} from './damage-world'
import type { MemoryDisk } from './memory-disk'
import type { TestClient } from './support'

/** All bits with CASSIO_EXHAUSTIVE=1, else every n-th from an offset that a seed gives. */
const EXHAUSTIVE = process.env.CASSIO_EXHAUSTIVE === '1'
const SEED = Number(process.env.CASSIO_SEED ?? Date.now() % 1_000_000)
const TIMEOUT_MS = 3_600_000

/** Runs `attempt` for bits of a file; a failure says which one. @returns how many bits were tried. */
async function eachBit(
  bytes: number,
  stride: number,
  attempt: (bit: number) => Promise<void>,
): Promise<number> {
  const step = EXHAUSTIVE ? 1 : stride
  let tried = 0
  for (let bit = SEED % step; bit < bytes * 8; bit += step) {
    tried += 1
    try {
      await attempt(bit)
    } catch (error) {
      const where = `bit ${bit} of ${bytes * 8}`
      throw new Error(`${where} (seed ${SEED}; CASSIO_SEED=${SEED} replays it)`, { cause: error })
    }
  }
  return tried
}

async function withStore<Result>(
  disk: MemoryDisk,
  use: (client: TestClient) => Promise<Result>,
): Promise<Result> {
  const client = await openDamaged(disk)
  try {
    return await use(client)
  } finally {
    await client.store.close()
  }
}

async function expectRefused(disk: MemoryDisk, path: string): Promise<void> {
  const error = await withStore(disk, async () => undefined).catch((refusal: unknown) => refusal)
  expect(error).toMatchObject({ code: 'CASSIO_CORRUPT' })
  expect((error as CassioError).message).toContain(path)
}

/** Opens the store and checks that only keys that `hides` names go unanswered. */
async function expectAnswers(
  world: DamageWorld,
  disk: MemoryDisk,
  hides: (key: string) => boolean,
  leniency: Leniency = {},
): Promise<void> {
  await withStore(disk, async (client) => {
    const { failed } = await answersOf(client, world, leniency)
    for (const key of failed) if (!hides(key)) throw new Error(`${key} was sound, but not answered`)
    if (failed.size > 0) expect(client.store.stats().damages).not.toEqual([])
  })
}

function logPaths(disk: MemoryDisk): string[] {
  return [...disk.files.keys()].filter((path) => path.endsWith('.log')).sort()
}

function report(what: string, tried: number): void {
  if (EXHAUSTIVE) process.stderr.write(`${what}: ${tried} bits\n`)
}

describe('bit flips', () => {
  test('bit flips: the store that is damaged: has a file of every kind', async () => {
    const world = await damageWorld('crash')
    const tables = await tablesOf(world.disk)
    expect(tables.map(({ entry }) => entry.info.kind)).toEqual([1, 1, 2])
    expect(tables.every(({ parts }) => parts.length > 3)).toBe(true)
    expect(logPaths(world.disk).length).toBeGreaterThan(2)
    expect(world.disk.files.has(MANIFEST)).toBe(true)
    await expectAnswers(world, world.disk, () => false)
  })

  test(
    'bit flips: a table: the damaged block is fenced off, all else is answered, verify finds it',
    async () => {
      const world = await damageWorld('close')
      for (const { path, parts, entry } of await tablesOf(world.disk)) {
        const tried = await eachBit(entry.info.bytes, 7, async (bit) => {
          const disk = world.disk.copy()
          disk.flipBit(path, bit)
          const part = parts.find(({ from, to }) => from <= bit >>> 3 && bit >>> 3 < to)!
          await expectAnswers(world, disk, part.hides, { asyncFirst: bit % 2 === 1 })
          const { damages } = await withStore(disk, (client) => client.store.verify())
          expect(damages.map(({ table }) => table)).toContain(entry.info.number)
        })
        report(`table ${entry.info.number} of kind ${entry.info.kind}`, tried)
      }
    },
    TIMEOUT_MS,
  )

  for (const end of ['close', 'crash'] as const) {
    test(
      `bit flips: the commit log: refused, but for the end that a crash may have torn (${end})`,
      async () => {
        const world = await damageWorld(end)
        const paths = logPaths(world.disk)
        for (const path of paths) {
          const { length } = world.disk.find(path)
          let cut = 0
          const tried = await eachBit(length, 3, async (bit) => {
            const disk = world.disk.copy()
            disk.flipBit(path, bit)
            const inTail = path === paths.at(-1) && bit >>> 3 >= tailAt(world.disk.find(path), end)
            if (!inTail) {
              await expectRefused(disk, path)
              return
            }
            cut += 1
            const lastMayBeLost = end === 'crash'
            await expectAnswers(world, disk, () => false, { lastMayBeLost })
          })
          expect(cut > 0).toBe(path === paths.at(-1))
          report(`${path} (${end})`, tried)
        }
      },
      TIMEOUT_MS,
    )
  }

  test('bit flips: the manifest: refused', async () => {
    const world = await damageWorld('close')
    const tried = await eachBit(world.disk.find(MANIFEST).length, 1, async (bit) => {
      const disk = world.disk.copy()
      disk.flipBit(MANIFEST, bit)
      await expectRefused(disk, MANIFEST)
    })
    report(MANIFEST, tried)
  })
})

/** Where the last batch of a segment begins: after a close that is the empty one. */
function tailAt(segment: Buffer, end: 'close' | 'crash'): number {
  return end === 'close' ? segment.length - 24 : segment.lastIndexOf('CLBT')
}
