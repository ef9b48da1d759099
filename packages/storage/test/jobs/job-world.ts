/** What the tests of jobs share: tables on a simulated disk, a worker, and the slow, obvious merge. */
import { InlineWorkers, type SimProcess, type Simulation, type WorkerHandle } from '@cassiopeia/env'
import {
  CELL_HEADER_BYTES,
  CellFlag,
  cellFlags,
  cellKey,
  cellKeyLength,
  cellSize,
  cellWithoutValue,
  isExpired,
  isTombstone,
  keyHash,
  reconcile,
  setCellFlags,
} from '@cassiopeia/protocol'
import type { StoreJob, TableRef } from '../../src/jobs/job'
import { runStoreJob } from '../../src/jobs/run-job'
import { comparePlaces, type Place } from '../../src/table/place'
import { TableCursor } from '../../src/table/table-cursor'
import {
  type TableInfo,
  TableKind,
  type TableSettings,
  tableName,
} from '../../src/table/table-info'
import { TableWriter } from '../../src/table/table-writer'
import { simulate } from '../support'

export const DIRECTORY = '/data/tables'
export const SETTINGS: TableSettings = {
  blockBytes: 512,
  filterBitsPerKey: 10,
  compression: 'none',
  tableBytes: 2_000,
}

export interface Entry extends Place {
  readonly cell: Buffer
}

export function entry(cell: Buffer, partition?: number): Entry {
  const key = Buffer.from(cellKey(cell, 0))
  return { partition: partition ?? keyHash(key, 0, key.length) % 4, key, cell }
}

export function tablePath(number: number): string {
  return `${DIRECTORY}/${tableName(number)}`
}

export class JobWorld {
  readonly sim: Simulation
  readonly node: SimProcess
  readonly worker: WorkerHandle
  nextNumber = 1

  constructor(seed: number) {
    const { sim, node } = simulate(seed)
    this.sim = sim
    this.node = node
    this.worker = new InlineWorkers(node.ports).start({
      run: runStoreJob,
      module: 'run-job',
      name: 'runStoreJob',
    })
  }

  /** Where a job's tables go, with numbers of their own. */
  get writing() {
    const firstNumber = this.nextNumber
    this.nextNumber += 1_000
    return { directory: DIRECTORY, settings: SETTINGS, firstNumber, createdMs: 1 }
  }

  async run<Result>(job: StoreJob, onProgress?: (message: unknown) => void): Promise<Result> {
    const options = onProgress === undefined ? {} : { onProgress }
    return (await this.worker.run(job, options)) as Result
  }

  /** A table of these cells, of which there must be one for each place at most. */
  async writeTable(kind: TableKind, entries: readonly Entry[]): Promise<TableRef> {
    const { disk } = this.node.ports
    await disk.makeDirectory(DIRECTORY)
    const writer = await TableWriter.create(disk, DIRECTORY, this.nextNumber, kind, 1, SETTINGS)
    this.nextNumber += 1
    for (const { partition, cell } of [...entries].sort(comparePlaces)) {
      const hash = keyHash(cell, CELL_HEADER_BYTES, CELL_HEADER_BYTES + cellKeyLength(cell, 0))
      writer.add(partition, hash, cell, 0, cell.length)
    }
    const info = await writer.finish()
    await disk.syncDirectory(DIRECTORY)
    return { info, after: undefined }
  }

  async readTable(ref: TableRef): Promise<Entry[]> {
    const cursor = new TableCursor(this.node.ports.disk, tablePath(ref.info.number), ref)
    const entries: Entry[] = []
    await cursor.seek(undefined)
    while (!cursor.ended) {
      const { buffer, at, partition } = cursor
      const cell = Buffer.from(buffer.subarray(at, at + cellSize(buffer, at)))
      entries.push({ partition, key: Buffer.from(cellKey(cell, 0)), cell })
      if (!cursor.advance()) await cursor.load()
    }
    await cursor.close()
    return entries
  }

  async readAll(infos: readonly TableInfo[], kind: TableKind): Promise<Entry[]> {
    const entries: Entry[] = []
    for (const info of infos) {
      if (info.kind !== kind) continue
      const read = await this.readTable({ info, after: undefined })
      expect(read.length).toBe(info.cells)
      entries.push(...read)
    }
    return entries
  }

  /** Rots one byte of a table. */
  async flipByte(number: number, at: number): Promise<void> {
    const { disk } = this.node.ports
    const bytes = await disk.readFile(tablePath(number))
    bytes[at]! ^= 1
    await disk.unlink(tablePath(number))
    const file = await disk.open(tablePath(number), 'create')
    await file.append([bytes])
    await file.close()
  }

  tableFiles(): string[] {
    return this.node.disk.paths().filter((path) => path.endsWith('.table'))
  }
}

export function described(entries: readonly Entry[]): string[] {
  return entries.map(({ partition, cell }) => `${partition} ${cell.toString('hex')}`)
}

export function newestOf(lists: readonly (readonly Entry[])[]): Map<string, Entry> {
  const newest = new Map<string, Entry>()
  for (const entry of lists.flat()) {
    const name = `${entry.partition} ${entry.key.toString('hex')}`
    const held = newest.get(name)
    if (held === undefined || reconcile(entry.cell, 0, held.cell, 0) > 0) newest.set(name, entry)
  }
  return newest
}

/** What a merge must leave: cells in data tables, and new tombstones. */
export function mergeModel(
  inputs: readonly (readonly Entry[])[],
  covers: readonly (readonly Entry[])[],
  nowMs: number,
): { data: Entry[]; tombstones: Entry[] } {
  const covering = newestOf(covers)
  const data: Entry[] = []
  const tombstones: Entry[] = []
  for (const [name, winner] of newestOf(inputs)) {
    const cover = covering.get(name)
    if (cover !== undefined && reconcile(cover.cell, 0, winner.cell, 0) >= 0) continue
    if (isTombstone(winner.cell, 0)) tombstones.push(winner)
    else if (isExpired(winner.cell, 0, nowMs)) {
      const cell = cellWithoutValue(winner.cell, 0)
      setCellFlags(cell, 0, cellFlags(cell, 0) | CellFlag.tombstone)
      tombstones.push({ ...winner, cell })
    } else data.push(winner)
  }
  return { data: data.sort(comparePlaces), tombstones: tombstones.sort(comparePlaces) }
}

export { TableKind }
