/** A fixed workload that does all that a store does to its disk, and what must be true after it. */
import type { SimProcess, Simulation } from '@cassiopeia/env'
import {
  type CassioError,
  CELL_HEADER_BYTES,
  cellKey,
  cellKeyLength,
  cellSize,
  compareStamps,
  isExpired,
  isTombstone,
} from '@cassiopeia/protocol'
import type { StoreStats } from '../src'
import { segmentNumberOf } from '../src/commit-log/format'
import { decodeManifest } from '../src/manifest/format'
import { readRecord } from '../src/record-file'
import { tableNumberOf } from '../src/table/table-info'
import { type CellFields, makeCell, openClient, type TestClient, type TestOptions } from './support'

const DIRECTORY = '/data'
/** Everything tiny: some 200 operations make dozens of files. */
export const TINY: TestOptions = {
  memoryBytesMax: 1024 * 1024,
  memtableBytes: 4 * 1024,
  segmentBytes: 2 * 1024,
  blockBytes: 512,
  tableBytes: 4 * 1024,
  diskReserveBytes: 0,
}
const KEYS = 48
/** Keys of their own, whose values run out while the workload goes on. */
const EXPIRING_KEYS = 6
/** Virtual time. Whatever can settle has settled by then, retries included. */
const STEP_LIMIT_MS = 20_000
const RUN_LIMIT_MS = 600_000
const STAMP_AT = 8
/** What may be told of a disk that refuses: not that anything is damaged, nor that a rule is broken. */
const LEGAL_CODES: readonly string[] = ['CASSIO_STORAGE', 'CASSIO_DISK_FULL', 'CASSIO_CLOSED']

export type Outcome = 'given' | 'acknowledged' | 'refused' | 'unknown'

interface Attempt {
  readonly cell: Buffer
  readonly group: number
  outcome: Outcome
}

interface Snapshot {
  readonly directory: string
  /** What may be in it. */
  readonly allowed: Allowed
}

/** For each key the cells that a read may find, undefined among them where nothing is right too. */
type Allowed = Map<string, (Buffer | undefined)[]>

/**
 * One run of the workload on a disk that may fail at any call. Operations that fail are noted, and
 * the next ones follow; what is wrong whatever the disk does goes to `problems`.
 */
export class CrashWorkload {
  readonly problems: string[] = []
  readonly snapshots: Snapshot[] = []
  readonly stats: StoreStats[] = []
  finished = false
  /** Promises that have not settled yet, by what they are. */
  private readonly pending = new Map<number, string>()
  private readonly attempts: Attempt[] = []
  private nextPending = 0
  private nextGroup = 0
  private fatals = 0

  constructor(
    readonly sim: Simulation,
    readonly node: SimProcess,
  ) {}

  async run(): Promise<void> {
    await this.phase({ compression: 'none' }, async (client) => {
      await this.fill(client, 0, 9)
      await this.reads(client)
      await this.step('flush', client.store.flush())
      await this.fill(client, 9, 14)
      await this.deletes(client, 0, 6)
      await this.older(client)
      await this.step('compact', client.store.compact())
      await this.reads(client)
      await this.fill(client, 14, 20)
      await this.snapshot(client, '/first')
    })
    await this.phase({ compression: 'deflate' }, async (client) => {
      await this.reads(client)
      await this.fill(client, 20, 26)
      await this.deletes(client, 6, 12)
      await this.step('flush', client.store.flush())
      await this.fill(client, 26, 31)
      await this.sim.sleep(60)
      await this.step('compact', client.store.compact())
      await this.snapshot(client, '/second')
      await this.deletes(client, 12, 15)
      await this.fill(client, 31, 34)
      await this.step('verify', client.store.verify())
      await this.reads(client)
    })
    this.finished = true
  }

  /** Steps the world until the run ends, and says so when it does not. */
  async runToEnd(): Promise<void> {
    await this.sim.run(this.run(), { limitMs: RUN_LIMIT_MS })
    for (const what of this.pending.values()) this.problems.push(`${what} never settled`)
  }

  /** What reads may find, by what has been told so far. */
  allowed(): Allowed {
    const byKey = new Map<string, Attempt[]>()
    for (const attempt of this.attempts) {
      const key = keyOf(attempt.cell)
      const list = byKey.get(key)
      if (list === undefined) byKey.set(key, [attempt])
      else list.push(attempt)
    }
    const allowed: Allowed = new Map()
    for (const [key, attempts] of byKey) {
      const newest = newestOf(attempts.filter(({ outcome }) => outcome === 'acknowledged'))
      const above = attempts.filter(
        ({ cell, outcome }) =>
          (outcome === 'unknown' || outcome === 'given') &&
          (newest === undefined || compareStamps(cell, STAMP_AT, newest, STAMP_AT) > 0),
      )
      allowed.set(key, [newest, ...above.map(({ cell }) => cell)])
    }
    return allowed
  }

  /** The cells of the last group, if nobody was told how it ended; in one turn given. */
  groupUnderWay(): Buffer[] {
    const group = this.attempts.filter((attempt) => attempt.group === this.nextGroup - 1)
    return group.every(({ outcome }) => outcome === 'given') ? group.map(({ cell }) => cell) : []
  }

  private async phase(
    options: TestOptions,
    steps: (client: TestClient) => Promise<void>,
  ): Promise<void> {
    this.fatals = 0
    const onFatal = () => {
      this.fatals += 1
    }
    // In turn by the event loop and by another thread.
    const inlineWriteBytesMax = this.stats.length % 2 === 0 ? 0 : 64 * 1024
    const opening = openClient(this.node.ports, {
      ...TINY,
      inlineWriteBytesMax,
      ...options,
      onFatal,
    })
    const client = await this.step('open', opening)
    if (client === undefined) return
    await steps(client)
    this.stats.push(client.store.stats())
    await this.step('close', client.store.close())
    if (this.fatals > 1) this.problems.push(`onFatal was called ${this.fatals} times`)
  }

  /** Groups of 1 to 7 writes, each given in one turn; values of 30 to 400 bytes. */
  private async fill(client: TestClient, from: number, to: number): Promise<void> {
    for (let group = from; group < to; group += 1) {
      const cells: CellFields[] = []
      for (let i = 0; i <= (group * 5) % 7; i += 1) {
        const key = `key-${(group * 11 + i * 5) % KEYS}`
        const size = 30 + ((group * 97 + i * 61) % 370)
        cells.push({ key, ms: this.nextMs(i), value: Buffer.alloc(size, `${group}.${i} `) })
      }
      if (group % 4 === 0) {
        const expiryMs = this.node.ports.clock.wallMs() + 40
        const key = `brief-${(group / 4) % EXPIRING_KEYS}`
        cells.push({ key, ms: this.nextMs(90), value: 'soon gone', expiryMs })
      }
      await this.write(client, cells)
    }
  }

  private async deletes(client: TestClient, from: number, to: number): Promise<void> {
    const cells: CellFields[] = []
    for (let i = from; i < to; i += 1) {
      cells.push({ key: `key-${(i * 7) % KEYS}`, ms: this.nextMs(i), tombstone: true })
    }
    await this.write(client, cells)
  }

  /** Writes that lose to what is there: they have to look into tables. */
  private async older(client: TestClient): Promise<void> {
    await this.write(client, [
      { key: 'key-0', ms: 2, value: 'late' },
      { key: 'key-5', ms: 3, value: 'late' },
    ])
  }

  private async write(client: TestClient, fields: readonly CellFields[]): Promise<void> {
    const group = this.nextGroup
    this.nextGroup += 1
    const writes = fields.map((each) => {
      const attempt: Attempt = { cell: makeCell(each), group, outcome: 'given' }
      this.attempts.push(attempt)
      return client.write(attempt.cell).then(
        () => {
          attempt.outcome = 'acknowledged'
        },
        (error: CassioError) => {
          attempt.outcome = error.applied === 'none' ? 'refused' : 'unknown'
          this.noteError('write', error)
        },
      )
    })
    await this.step('write', Promise.all(writes), { mustSettle: true })
  }

  private async reads(client: TestClient): Promise<void> {
    for (const problem of await readingProblems(client, this.node, this.allowed(), true)) {
      this.problems.push(`while it ran: ${problem}`)
    }
  }

  private async snapshot(client: TestClient, directory: string): Promise<void> {
    const key = `key-${this.snapshots.length}`
    const taken = client.store.snapshot(directory).then(() => true)
    // Written while it is taken: it may be in or not.
    await this.write(client, [{ key, ms: this.nextMs(1), value: directory }])
    const attempt = this.attempts.at(-1)!
    const { outcome } = attempt
    attempt.outcome = outcome === 'refused' ? 'refused' : 'unknown'
    const allowed = this.allowed()
    attempt.outcome = outcome
    if (await this.step('snapshot', taken)) this.snapshots.push({ directory, allowed })
  }

  /** Above all before, by milliseconds that several cells of a group may share. */
  private nextMs(i: number): number {
    return 1_000 + this.nextGroup * 100 + i
  }

  /**
   * Waits for one operation, but not for ever: on a full disk a flush waits for room.
   * @returns undefined when it failed or has not settled yet.
   */
  private async step<Result>(
    what: string,
    operation: Promise<Result>,
    { mustSettle = what === 'open' || what === 'close' } = {},
  ): Promise<Result | undefined> {
    const id = this.nextPending
    this.nextPending += 1
    this.pending.set(id, what)
    const noted = operation.then(
      (result) => {
        this.pending.delete(id)
        return result
      },
      (error) => {
        this.pending.delete(id)
        this.noteError(what, error)
        return undefined
      },
    )
    const result = await Promise.race([noted, this.sim.sleep(STEP_LIMIT_MS).then(() => undefined)])
    if (mustSettle && this.pending.has(id)) this.problems.push(`${what} hangs`)
    return result
  }

  private noteError(what: string, error: unknown): void {
    const { code, stack } = error as CassioError
    if (!LEGAL_CODES.includes(code)) this.problems.push(`${what} failed oddly: ${stack}`)
  }
}

/** The world is dead and its disk sound again: opens it and checks all that was promised. */
export async function expectIntact(run: CrashWorkload): Promise<void> {
  const { sim, node } = run
  const allowed = run.allowed()
  const underWay = run.groupUnderWay()
  await sim.run(
    async () => {
      const client = await openClient(node.ports, TINY)
      await expectRight(client, node, allowed)
      await expectWhole(client, underWay)
      // It takes writes again, and everything survives what may be done to it.
      const added = makeCell({ key: 'afterwards', ms: 9_999_999, value: 'still alive' })
      expect(await client.write(added)).toBeUndefined()
      allowed.set('afterwards', [added])
      await client.store.flush()
      await expectRight(client, node, allowed)
      await client.store.compact()
      await expectRight(client, node, allowed)
      expect(await client.store.verify()).toMatchObject({ damages: [] })
      expect(client.store.stats().damages).toEqual([])
      await client.store.close()
      await expectNoOrphans(node, { closedAfterFlush: true })
      const again = await openClient(node.ports, TINY)
      await expectRight(again, node, allowed)
      await again.store.close()
      await expectNoOrphans(node, { closedAfterFlush: false })
      for (const snapshot of run.snapshots) {
        const copy = await openClient(node.ports, { ...TINY, directory: snapshot.directory })
        await expectRight(copy, node, snapshot.allowed)
        await copy.store.close()
      }
    },
    { limitMs: RUN_LIMIT_MS },
  )
}

async function expectRight(client: TestClient, node: SimProcess, allowed: Allowed): Promise<void> {
  expect(await readingProblems(client, node, allowed, false)).toEqual([])
}

/** Cells that were given in one turn are there all together or not at all. */
async function expectWhole(client: TestClient, group: readonly Buffer[]): Promise<void> {
  const values = group.filter((cell) => !isTombstone(cell, 0) && cell.readUIntBE(STAMP_AT, 6) > 999)
  const found = values.filter((cell) => client.read(keyOf(cell))?.equals(cell) === true)
  expect([0, values.length]).toContain(found.length)
}

/**
 * Every file of the store is one that its manifest knows of.
 * @param closedAfterFlush Then the segment that took the last batch is there still, unneeded.
 */
async function expectNoOrphans(
  node: SimProcess,
  { closedAfterFlush }: { closedAfterFlush: boolean },
): Promise<void> {
  const { disk } = node.ports
  const { logFirst, tables } = decodeManifest((await readRecord(disk, `${DIRECTORY}/MANIFEST`))!)
  const files = (await disk.list(`${DIRECTORY}/tables`)).map(tableNumberOf)
  expect(files).toEqual(tables.map(({ info }) => info.number).sort((a, b) => a - b))
  const segments = (await disk.list(`${DIRECTORY}/commit-log`)).map(segmentNumberOf)
  expect(segments).toEqual(closedAfterFlush ? [logFirst - 1] : [])
  expect(await disk.list(DIRECTORY)).toEqual(['MANIFEST', 'commit-log', 'tables'])
}

/**
 * Reads every key in all three ways.
 * @param mayFail Whether the disk may refuse: then an error is no problem, a wrong answer is.
 */
async function readingProblems(
  client: TestClient,
  node: SimProcess,
  allowed: Allowed,
  mayFail: boolean,
): Promise<string[]> {
  const problems: string[] = []
  const { clock } = node.ports
  const beganMs = clock.wallMs()
  const check = (how: string, key: string, found: Buffer | undefined) => {
    const right = allowed.get(key)
    // A cell may expire while all this is read.
    const isSame = (cell: Buffer | undefined) =>
      sameForReaders(cell, found, beganMs) || sameForReaders(cell, found, clock.wallMs())
    if (right === undefined) problems.push(`${how}: ${key} was never written`)
    else if (!right.some(isSame)) {
      const names = right.map(describe).join(' or ')
      problems.push(`${how}: ${key} is ${describe(found)} instead of ${names}`)
    }
  }
  const checkError = (how: string, error: unknown) => {
    const { code, stack } = error as CassioError
    if (!mayFail || !LEGAL_CODES.includes(code)) problems.push(`${how}: ${stack}`)
  }
  for (const key of allowed.keys()) {
    try {
      check('readSync', key, client.read(key))
    } catch (error) {
      checkError('readSync', error)
    }
  }
  const answers = [...allowed.keys()].map((key) =>
    client.readLater(key).then(
      (cell) => check('read', key, cell),
      (error) => checkError('read', error),
    ),
  )
  await Promise.all(answers)
  try {
    const scanned = new Map((await client.all()).map((cell) => [keyOf(cell), cell]))
    for (const key of allowed.keys()) check('scan', key, scanned.get(key))
  } catch (error) {
    checkError('scan', error)
  }
  return problems
}

/** A tombstone, an expired cell and none at all are one to a reader. */
function sameForReaders(a: Buffer | undefined, b: Buffer | undefined, nowMs: number): boolean {
  const [liveA, liveB] = [a, b].map((cell) => {
    const dead = cell === undefined || isTombstone(cell, 0) || isExpired(cell, 0, nowMs)
    return dead ? undefined : cell
  })
  return liveA === undefined || liveB === undefined ? liveA === liveB : liveA.equals(liveB)
}

function newestOf(attempts: readonly Attempt[]): Buffer | undefined {
  return attempts
    .map(({ cell }) => cell)
    .reduce<Buffer | undefined>(
      (a, b) => (a === undefined || compareStamps(b, STAMP_AT, a, STAMP_AT) > 0 ? b : a),
      undefined,
    )
}

function keyOf(cell: Buffer): string {
  return cellKey(cell, 0).toString('latin1')
}

function describe(cell: Buffer | undefined): string {
  if (cell === undefined) return 'nothing'
  const valueAt = CELL_HEADER_BYTES + cellKeyLength(cell, 0)
  const value = cell.toString('latin1', valueAt, Math.min(valueAt + 8, cellSize(cell, 0)))
  return `${isTombstone(cell, 0) ? 'a tombstone' : `'${value}…'`} of ${cell.readUIntBE(STAMP_AT, 6)}`
}
