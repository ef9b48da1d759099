/** What the tests of this package share: cells, a client, a slow obvious model, seeds. */
import { type Disk, type DiskFile, type SimProcess, Simulation } from '@cassiopeia/env'
import {
  type CassioError,
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  cellKey,
  cellKeyLength,
  cellSize,
  isTombstone,
  keyHash,
  reconcile,
  setCellExpiryMs,
  ValueKind,
  writeCell,
  writeStamp,
} from '@cassiopeia/protocol'
import {
  type CellStore,
  openCellStore,
  type ReadSink,
  type StoreOptions,
  type StorePorts,
  type WriteSink,
} from '../src'

export const PARTITIONS = 16

export interface CellFields {
  readonly key: string | Buffer
  readonly ms: number
  readonly counter?: number
  readonly value?: string | Buffer
  readonly tombstone?: boolean
  readonly expiryMs?: number
  readonly clientStamp?: boolean
}

export function makeCell(fields: CellFields): Buffer {
  const key = Buffer.from(fields.key)
  const value = Buffer.from(fields.tombstone === true ? '' : (fields.value ?? ''))
  const flags =
    (fields.tombstone === true ? CellFlag.tombstone : 0) |
    (fields.expiryMs === undefined ? 0 : CellFlag.expires) |
    (fields.clientStamp === true ? CellFlag.clientStamp : 0)
  const cell = Buffer.alloc(cellBytes(key.length, value.length))
  writeCell(cell, 0, key, value, flags, ValueKind.bytes)
  writeStamp(cell, CELL_STAMP_AT, fields.ms, fields.counter ?? 0, Buffer.alloc(8, 7))
  if (fields.expiryMs !== undefined) setCellExpiryMs(cell, 0, fields.expiryMs)
  return cell
}

export function partitionOf(hash: number): number {
  return Math.floor(hash / 2 ** 32) % PARTITIONS
}

/** A store as tests want it: promises for writes, values for reads. Bytes are copied. */
export class TestClient implements WriteSink, ReadSink {
  private readonly waiting = new Map<number, (result: Buffer | undefined | CassioError) => void>()
  private nextToken = 0
  private found: Buffer | undefined
  private readFailure: CassioError | undefined

  constructor(readonly store: CellStore) {}

  /** Resolves to the newer cell that dominates this one, or undefined; rejects as the sink is told. */
  write(cell: Buffer): Promise<Buffer | undefined> {
    const token = this.nextToken
    this.nextToken += 1
    const hash = keyHash(cell, CELL_HEADER_BYTES, CELL_HEADER_BYTES + cellKeyLength(cell, 0))
    return new Promise((resolve, reject) => {
      this.waiting.set(token, (result) => {
        if (result instanceof Error) reject(result)
        else resolve(result)
      })
      this.store.write(cell, 0, partitionOf(hash), hash, this, token)
      // `write` copies before it returns, and answers only later.
      if (!this.waiting.has(token)) throw new Error('the sink was called from inside write')
    })
  }

  /** Reads at once, from a file if need be. */
  read(key: string | Buffer): Buffer | undefined {
    const { bytes, hash } = framed(key)
    this.found = undefined
    this.readFailure = undefined
    this.store.readSync(bytes, 2, bytes.length - 2, partitionOf(hash), hash, this, READ_TOKEN)
    if (this.readFailure !== undefined) throw this.readFailure
    return this.found
  }

  /** Reads as a server does, without waiting for files. */
  readLater(key: string | Buffer): Promise<Buffer | undefined> {
    const { bytes, hash } = framed(key)
    return new Promise((resolve, reject) => {
      const sink: ReadSink = {
        onRead: (_token, cell, at) => {
          resolve(cell === undefined ? undefined : copyCell(cell, at))
        },
        onReadFailed: (_token, error) => reject(error),
      }
      this.store.read(bytes, 2, bytes.length - 2, partitionOf(hash), hash, sink, READ_TOKEN)
      // The store has a copy where it answers later.
      bytes.fill(0)
    })
  }

  async scan(partition: number, afterKey?: Buffer): Promise<Buffer[]> {
    const cells: Buffer[] = []
    await this.store.scan(partition, partition, afterKey, (cell, at) => {
      cells.push(copyCell(cell, at))
      return true
    })
    return cells
  }

  async all(): Promise<Buffer[]> {
    const cells: Buffer[] = []
    for (let p = 0; p < PARTITIONS; p += 1) cells.push(...(await this.scan(p)))
    return cells
  }

  onWritten(token: number, newest: Buffer | undefined, newestAt: number): void {
    this.answer(token, newest === undefined ? undefined : copyCell(newest, newestAt))
  }

  onWriteFailed(token: number, error: CassioError): void {
    this.answer(token, error)
  }

  onRead(_token: number, cell: Buffer | undefined, at: number): void {
    this.found = cell === undefined ? undefined : copyCell(cell, at)
  }

  onReadFailed(_token: number, error: CassioError): void {
    this.readFailure = error
  }

  private answer(token: number, result: Buffer | undefined | CassioError): void {
    const settle = this.waiting.get(token)
    if (settle === undefined) throw new Error(`write ${token} was answered twice`)
    this.waiting.delete(token)
    settle(result)
  }
}

const READ_TOKEN = 7

/** A key in the middle of other bytes, and its hash. */
function framed(key: string | Buffer): { bytes: Buffer; hash: number } {
  const bytes = Buffer.concat([Buffer.from('--'), Buffer.from(key), Buffer.from('--')])
  return { bytes, hash: keyHash(bytes, 2, bytes.length - 2) }
}

export function copyCell(cell: Buffer, at: number): Buffer {
  return Buffer.from(cell.subarray(at, at + cellSize(cell, at)))
}

/** The slow, obvious store: every key's newest cell in a Map. */
export class Model {
  readonly cells = new Map<string, Buffer>()

  /** @returns the newer cell that dominates this one, if any. */
  write(cell: Buffer): Buffer | undefined {
    const key = cellKey(cell, 0).toString('latin1')
    const old = this.cells.get(key)
    if (old !== undefined && reconcile(cell, 0, old, 0) < 0) return old
    this.cells.set(key, cell)
    return undefined
  }

  copy(): Model {
    const copy = new Model()
    for (const [key, cell] of this.cells) copy.cells.set(key, cell)
    return copy
  }

  read(key: string): Buffer | undefined {
    return this.cells.get(Buffer.from(key).toString('latin1'))
  }

  scan(partition: number, afterKey?: Buffer): Buffer[] {
    return [...this.cells.values()]
      .filter((cell) => {
        const key = cellKey(cell, 0)
        const within = partitionOf(keyHash(key, 0, key.length)) === partition
        return within && (afterKey === undefined || key.compare(afterKey) > 0)
      })
      .sort((a, b) => cellKey(a, 0).compare(cellKey(b, 0)))
  }

  get tombstones(): number {
    return [...this.cells.values()].filter((cell) => isTombstone(cell, 0)).length
  }

  get cellBytes(): number {
    return [...this.cells.values()].reduce((sum, cell) => sum + cell.length, 0)
  }
}

/** All that a store holds, compared with a model at once. */
export async function expectSame(client: TestClient, model: Model): Promise<void> {
  const expected: Buffer[] = []
  for (let p = 0; p < PARTITIONS; p += 1) expected.push(...model.scan(p))
  const actual = await client.all()
  expect(describeCells(actual)).toEqual(describeCells(expected))
}

export function describeCells(cells: readonly Buffer[]): string[] {
  return cells.map((cell) => cell.toString('hex'))
}

export type TestOptions = Partial<StoreOptions>

export async function openClient(
  ports: StorePorts,
  options: TestOptions = {},
): Promise<TestClient> {
  return new TestClient(await openCellStore(storeOptions(options), ports))
}

export function storeOptions(options: TestOptions = {}): StoreOptions {
  const onFatal = (error: CassioError) => {
    throw new Error(`unexpected fatal error: ${error.message}`)
  }
  // Writes and reads by another thread meet more: they can be under way when the process ends.
  const inlineWriteBytesMax = 0
  const readInPlace = false
  return {
    directory: '/data',
    partitions: PARTITIONS,
    partitionOf,
    inlineWriteBytesMax,
    readInPlace,
    onFatal,
    ...options,
  }
}

export const LOG_DIRECTORY = '/data/commit-log'

export function logFile(number: number): string {
  return `${LOG_DIRECTORY}/${String(number).padStart(16, '0')}.log`
}

/** A new world with one process. */
export function simulate(seed: number): { sim: Simulation; node: SimProcess } {
  const sim = new Simulation({ seed })
  return { sim, node: sim.process('node') }
}

/** Replaces a file at rest, as rot, a torn write or an operator might. */
export async function plant(sim: Simulation, node: SimProcess, path: string, bytes: Buffer) {
  await sim.run(async () => {
    const { disk } = node.ports
    if (node.disk.paths().includes(path)) await disk.unlink(path)
    const file = await disk.open(path, 'create')
    await file.append([bytes])
    await file.sync()
    await file.close()
    await disk.syncDirectory(path.slice(0, path.lastIndexOf('/')))
  })
}

/** Runs a test once per seed; a failure names the seed and the command that replays it. */
export function testSeeds(name: string, seeds: number, run: (seed: number) => Promise<void>): void {
  const only = process.env.CASSIO_SEED
  const list = only === undefined ? Array.from({ length: seeds }, (_, i) => i + 1) : [Number(only)]
  test(name, async () => {
    for (const seed of list) {
      try {
        await run(seed)
      } catch (error) {
        const { testPath } = expect.getState()
        const replay = `CASSIO_SEED=${seed} npx jest ${testPath} -t '${name}'`
        throw new Error(`seed ${seed} failed; replay with: ${replay}\n${(error as Error).stack}`)
      }
    }
  })
}

/** A disk that notes each call on a file, such as 'sync /data/commit-log/…'. */
export function recordingDisk(disk: Disk, calls: string[]): Disk {
  const wrap = (file: DiskFile, path: string): DiskFile => ({
    size: () => file.size(),
    read: (target, position) => file.read(target, position),
    readSync: (target, position) => file.readSync(target, position),
    close: () => file.close(),
    appendSync(buffers) {
      calls.push(`append ${path}`)
      file.appendSync(buffers)
    },
    append(buffers) {
      calls.push(`append ${path}`)
      return file.append(buffers)
    },
    sync() {
      calls.push(`sync ${path}`)
      return file.sync()
    },
    truncate(length) {
      calls.push(`truncate ${path}`)
      return file.truncate(length)
    },
  })
  return {
    open: async (path, mode) => wrap(await disk.open(path, mode), path),
    readFile: (path) => disk.readFile(path),
    list: (path) => disk.list(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    link: (from, to) => disk.link(from, to),
    freeBytes: (path) => disk.freeBytes(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    lock: (path) => disk.lock(path),
  }
}
