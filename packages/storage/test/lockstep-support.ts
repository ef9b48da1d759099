/** What the lockstep tests share: random options, cells and operations, and what a reader sees. */
import type { KeyedRandom } from '@cassiopeia/env'
import {
  CELL_STAMP_AT,
  cellKey,
  crc32,
  formatStamp,
  isExpired,
  isTombstone,
  keyHash,
} from '@cassiopeia/protocol'
import { NEVER_PROVEN, PROVEN_ALONE } from '../src'
import {
  copyCell,
  type Model,
  makeCell,
  PARTITIONS,
  partitionOf,
  type TestClient,
  type TestOptions,
} from './support'

/**
 * Which stamps are written, and so what a reader may see of a deleted key.
 *
 * - 'ties': few stamps, so that equal and older ones are common. Tombstones stay for good: a store
 *   that forgets them would rightly take an older cell that comes later.
 * - 'rising': each stamp is above all before it, and tombstones are forgotten.
 */
export type Stamps = 'ties' | 'rising'

export function randomStamps(random: KeyedRandom): Stamps {
  return random.chance(0.5) ? 'ties' : 'rising'
}

/** Everything small, so that a few kilobytes roll, flush, merge and evict. */
export function randomOptions(random: KeyedRandom, stamps: Stamps): TestOptions {
  return {
    sync: (['group', 'periodic', 'none'] as const)[random.below(3)],
    syncIntervalMs: 1 + random.below(50),
    segmentBytes: 1_024 * (1 + random.below(16)),
    inlineWriteBytesMax: [0, 1_024, 64 * 1_024][random.below(3)],
    readInPlace: random.chance(0.5),
    memoryBytesMax: 1_024 * 1_024,
    memtableBytes: 4_096 * (1 + random.below(4)),
    blockBytes: 512 * (1 + random.below(4)),
    tableBytes: 4_096 * (1 + random.below(4)),
    filterBitsPerKey: random.below(11),
    compression: (['none', 'deflate'] as const)[random.below(2)],
    compactionBytesPerSecondMax: random.chance(0.2) ? 4 * 1_024 * 1_024 : 0,
    proof: stamps === 'ties' ? NEVER_PROVEN : PROVEN_ALONE,
  }
}

export class CellMaker {
  private made = 0
  /** How many of the values expire: few, or so many that tables are merged for it. */
  private readonly expiring: number

  constructor(
    private readonly random: KeyedRandom,
    private readonly keys: number,
    private readonly stamps: Stamps,
    private readonly wallMs: () => number,
  ) {
    this.expiring = random.chance(0.3) ? 0.6 : 0.15
  }

  key(): string {
    const index = this.random.below(this.keys)
    return index % 7 === 0 ? `key-${index}-${'long'.repeat(index % 60)}` : `key-${index}`
  }

  cells(countMax: number): Buffer[] {
    return Array.from({ length: 1 + this.random.below(countMax) }, () => this.cell())
  }

  private cell(): Buffer {
    const { random } = this
    this.made += 1
    const key = this.key()
    const ms = this.stamps === 'rising' ? 1_000 + this.made : 1_000 + random.below(20)
    if (random.chance(0.2)) return makeCell({ key, ms, counter: random.below(2), tombstone: true })
    const value = this.value()
    if (!random.chance(this.expiring)) return makeCell({ key, ms, counter: random.below(2), value })
    // Compaction turns it into a tombstone, which wins against equals: nothing else has its stamp.
    const expiryMs = Math.max(1, Math.floor(this.wallMs()) + random.below(1_000) - 500)
    return makeCell({ key, ms, counter: 2 + this.made, value, expiryMs })
  }

  private value(): Buffer {
    const { random } = this
    const draw = random.below(100)
    if (draw < 60) return random.bytes(random.below(40))
    if (draw < 97) return Buffer.alloc(random.below(600), random.bytes(5))
    return Buffer.alloc(random.below(20_001), random.bytes(64))
  }
}

export type Operation =
  | { readonly type: 'write'; readonly cells: readonly Buffer[] }
  | { readonly type: 'read'; readonly keys: readonly string[]; readonly later: boolean }
  | {
      readonly type: 'scan'
      readonly from: number
      readonly to: number
      readonly afterKey: Buffer | undefined
      readonly limit: number
    }
  | { readonly type: 'flush' | 'compact'; readonly waits: boolean }
  | { readonly type: 'digest' | 'snapshot' | 'verify' | 'reopen' }
  | { readonly type: 'sleep'; readonly ms: number }

export function randomOperation(random: KeyedRandom, maker: CellMaker): Operation {
  const draw = random.below(1_000)
  if (draw < 500) return { type: 'write', cells: maker.cells(12) }
  if (draw < 750) {
    const keys = Array.from({ length: 1 + random.below(4) }, () => maker.key())
    return { type: 'read', keys, later: random.chance(0.5) }
  }
  if (draw < 870) return randomScan(random, maker)
  if (draw < 895) return { type: 'sleep', ms: random.below(100) }
  if (draw < 910) return { type: 'digest' }
  if (draw < 945) return { type: 'flush', waits: random.chance(0.5) }
  if (draw < 965) return { type: 'compact', waits: random.chance(0.5) }
  if (draw < 975) return { type: 'snapshot' }
  if (draw < 985) return { type: 'verify' }
  return { type: 'reopen' }
}

function randomScan(random: KeyedRandom, maker: CellMaker): Operation {
  const from = random.below(PARTITIONS)
  return {
    type: 'scan',
    from,
    to: from + random.below(PARTITIONS - from + 2),
    afterKey: random.chance(0.5) ? Buffer.from(maker.key()) : undefined,
    limit: random.chance(0.3) ? 1 + random.below(10) : Number.POSITIVE_INFINITY,
  }
}

/**
 * Tells cells apart as a reader does at `nowMs`. A tombstone and an expired cell are both nothing;
 * while tombstones stay for good ('ties'), nothing has a stamp.
 */
export class Viewer {
  private readonly nowMs: number

  constructor(
    private readonly stamps: Stamps,
    wallMs: () => number,
  ) {
    this.nowMs = wallMs()
  }

  /** Undefined when a reader sees nothing that is sure to be there. */
  view(cell: Buffer | undefined): string | undefined {
    if (cell === undefined) return undefined
    const key = cellKey(cell, 0).toString('latin1')
    const stamp = formatStamp(cell, CELL_STAMP_AT)
    const isNothing = isTombstone(cell, 0) || isExpired(cell, 0, this.nowMs)
    if (!isNothing) return `${key} ${stamp} ${cell.length} bytes ${crc32(cell)}`
    return this.stamps === 'ties' ? `${key} ${stamp} gone` : undefined
  }

  views(cells: readonly (Buffer | undefined)[]): string[] {
    return cells.map((cell) => this.view(cell)).filter((view) => view !== undefined)
  }
}

type Answer = readonly (Buffer | undefined)[]

/** Writes cells in one batch. @returns undefined when they are refused. */
export function writeGroup(
  client: TestClient,
  cells: readonly Buffer[],
): Promise<Buffer | undefined>[] | undefined {
  const bytes = cells.reduce((sum, { length }) => sum + length, 0)
  let written: Promise<Buffer | undefined>[] | undefined
  client.store.group(bytes, () => {
    written = cells.map((cell) => client.write(cell))
  })
  return written
}

/** What the store answers to an operation that has an answer: cells, found or newer. */
export async function askStore(client: TestClient, operation: Operation): Promise<Answer> {
  switch (operation.type) {
    case 'write':
      return Promise.all(writeGroup(client, operation.cells) ?? [])
    case 'read': {
      const { keys, later } = operation
      if (later) return Promise.all(keys.map((key) => client.readLater(key)))
      return keys.map((key) => client.read(key))
    }
    case 'scan': {
      const { from, to, afterKey, limit } = operation
      const cells: Buffer[] = []
      await client.store.scan(from, to, afterKey, (cell, at) => {
        cells.push(copyCell(cell, at))
        return cells.length < limit
      })
      return cells
    }
    default:
      return []
  }
}

/** What it should answer. */
export function askModel(model: Model, operation: Operation): Answer {
  switch (operation.type) {
    case 'write':
      return operation.cells.map((cell) => model.write(cell))
    case 'read':
      return operation.keys.map((key) => model.read(key))
    case 'scan': {
      const { from, to, afterKey } = operation
      const cells: Buffer[] = []
      for (let partition = from; partition <= to; partition += 1) {
        cells.push(...model.scan(partition, partition === from ? afterKey : undefined))
      }
      return cells
    }
    default:
      return []
  }
}

export function expectAnswer(
  operation: Operation,
  actual: Answer,
  expected: Answer,
  viewer: Viewer,
): void {
  if (operation.type !== 'scan') {
    expect(actual.map((cell) => viewer.view(cell))).toEqual(
      expected.map((cell) => viewer.view(cell)),
    )
    return
  }
  const seen = viewer.views(actual)
  // One that was told to stop may have seen fewer, of which some were nothing to a reader.
  const stopped = actual.length === operation.limit
  const all = viewer.views(expected)
  expect(seen).toEqual(stopped ? all.slice(0, seen.length) : all)
}

/** All that a store holds, in order. */
export function cellsOf(model: Model): Buffer[] {
  const placed = [...model.cells.values()].map((cell) => {
    const key = cellKey(cell, 0)
    return { partition: partitionOf(keyHash(key, 0, key.length)), key, cell }
  })
  placed.sort((a, b) => a.partition - b.partition || a.key.compare(b.key))
  return placed.map(({ cell }) => cell)
}
