import type { Disk } from '../../../packages/env/src'
import { SimDisk } from '../../../packages/env/src/sim/sim-disk'
import { crc32 } from '../../../packages/protocol/src'
import { decodeBatchHeader } from '../../../packages/storage/src/commit-log/format'
import { SegmentReader } from '../../../packages/storage/src/commit-log/reader'
import { LogReplay } from '../../../packages/storage/src/commit-log/replay'
import { Segment } from '../../../packages/storage/src/commit-log/segment'
import { DataWatch } from '../../../packages/storage/src/delete-log/data-watch'
import { Lookup } from '../../../packages/storage/src/engine/lookup'
import { Manifest } from '../../../packages/storage/src/manifest/manifest'
import {
  Memtable,
  NO_SLOT,
  PAGE_BITS,
  SLOT_CHUNK,
  SLOT_OFFSET,
  SLOT_WORDS,
} from '../../../packages/storage/src/memtable/memtable'
import { MergeIterator } from '../../../packages/storage/src/merge/merge-iterator'
import { KeyFilter } from '../../../packages/storage/src/table/filter'
import { OpenedBlock } from '../../../packages/storage/src/table/table-file'
import { LOST, type PlantedBug, replace, replaceStatic } from './planted-bug'

interface Window {
  readonly bytes: Buffer
  readonly position: number
}

const FILTER_HEADER_BYTES = 8
const PAGE_MASK = (1 << PAGE_BITS) - 1

function storageTests(...names: string[]): string[] {
  return names.map((name) => `packages/storage/test/${name}`)
}

/** Bugs in what a node keeps. */
export const STORAGE_BUGS: readonly PlantedBug[] = [
  {
    name: 'writes are acknowledged before the log is synced',
    needs: ['powerCut'],
    seedsMax: 30,
    rules: [...LOST, 'stamps-rise', 'restart'],
    plant: () =>
      replace(
        Segment,
        'sync',
        () =>
          function (this: Segment) {
            this.durableBytes = this.bytes
            return Promise.resolve()
          },
      ),
  },
  {
    name: 'the last to arrive wins in memory, whatever its stamp',
    needs: ['skew'],
    seedsMax: 60,
    rules: [...LOST, 'stamps-rise', 'convergence'],
    plant: () => replace(Memtable, 'apply', arrivalWins),
  },
  {
    name: 'a filter that was read from its file forgets keys',
    needs: ['kill'],
    seedsMax: 100,
    rules: [...LOST, 'stamps-rise', 'convergence'],
    plant: () =>
      replaceStatic(
        KeyFilter,
        'decode',
        (decode) =>
          function (this: typeof KeyFilter, payload: Buffer) {
            payload.fill(0, FILTER_HEADER_BYTES + (payload.length - FILTER_HEADER_BYTES) / 2)
            return decode.call(this, payload)
          },
      ),
  },
  {
    name: 'of two versions in tables the one found first is the answer',
    needs: [],
    seedsMax: 60,
    rules: [...LOST, 'stamps-rise', 'convergence'],
    plant: () => replace(Lookup, 'mayImprove', () => () => false),
  },
  {
    rig: 'engine',
    name: 'a merge keeps the oldest version',
    suites: storageTests('lockstep'),
    tests: 'simulated disk',
    plant: () =>
      replace(
        MergeIterator,
        'choose',
        (choose) =>
          function (this: MergeIterator) {
            choose.call(this)
            const own = this as unknown as {
              group: number
              order: Int32Array
              inputs: unknown[]
              winnerInput: number
              current: unknown
            }
            if (own.group < 2) return
            own.winnerInput = own.order[own.group - 1]!
            own.current = own.inputs[own.winnerInput]
          },
      ),
  },
  {
    rig: 'engine',
    name: 'compaction forgets tombstones while a table still holds what they cover',
    suites: storageTests('lockstep', 'delete-log/forget-job'),
    tests: 'simulated disk|forget',
    seedsFactor: 4,
    plant: () => replace(DataWatch, 'mayCover', () => () => false),
  },
  {
    rig: 'engine',
    name: 'a batch of the log counts whatever its checksum says',
    suites: storageTests('lockstep', 'crash', 'recovery', 'bit-flip'),
    tests: 'crash|torn|log',
    plant: () =>
      replace(
        SegmentReader,
        'look',
        (look) =>
          function (this: SegmentReader, position: number) {
            const batch = look.call(this, position)
            if (batch !== 'the batch fails its checksum') return batch
            const { bytes, position: from } = (this as unknown as { window: Window }).window
            return decodeBatchHeader(bytes, position - from, position)
          },
      ),
  },
  {
    rig: 'engine',
    name: 'a block of a table counts whatever its checksum says',
    suites: storageTests('bit-flip', 'damage'),
    plant: () =>
      replace(
        OpenedBlock,
        'open',
        (open) =>
          function (
            this: OpenedBlock,
            bytes: Buffer,
            from: number,
            to: number,
            seed: number,
            ...rest
          ) {
            bytes.writeUInt32BE(crc32(bytes.subarray(from + 4, to), seed), from)
            return open.call(this, bytes, from, to, seed, ...rest)
          },
      ),
  },
  {
    rig: 'engine',
    name: 'damage in the midst of the log is cut off like a torn tail',
    suites: storageTests('bit-flip', 'damage', 'recovery'),
    tests: 'log',
    plant: () => replace(SegmentReader, 'durableBehind', () => () => Promise.resolve(0)),
  },
  {
    name: 'a sync that failed is tried again',
    needs: ['syncFail', 'powerCut'],
    seedsMax: 200,
    rules: [...LOST, 'stamps-rise', 'restart', 'convergence'],
    plant: () =>
      replace(
        Segment,
        'sync',
        () =>
          function (this: Segment) {
            const { file } = this as unknown as { file: { sync(): Promise<void> } }
            const bytes = this.bytes
            return file
              .sync()
              .catch(() => file.sync())
              .then(() => {
                this.durableBytes = bytes
              })
          },
      ),
  },
  {
    rig: 'engine',
    name: 'directories are not synced after a file has been made or renamed',
    suites: storageTests('lockstep', 'crash'),
    tests: 'crash',
    plant: () => replace(SimDisk, 'syncDirectory', () => () => Promise.resolve()),
  },
  {
    rig: 'engine',
    name: 'the manifest is not synced',
    suites: storageTests('lockstep', 'crash'),
    tests: 'crash',
    plant: () =>
      replace(
        Manifest,
        'write',
        (write) =>
          async function (this: Manifest, state: unknown) {
            const own = this as unknown as { disk: Disk }
            const { disk } = own
            own.disk = withoutSync(disk)
            try {
              await write.call(this, state)
            } finally {
              own.disk = disk
            }
          },
      ),
  },
  {
    rig: 'engine',
    name: 'what was read from a torn log is served before it has been written anew',
    suites: storageTests('crash'),
    tests: 'fsync failed, restarted',
    plant: () =>
      replace(
        LogReplay,
        'rewrite',
        () => (_segment: unknown, _file: unknown, _bytes: number) => Promise.resolve(),
      ),
  },
]

/** As `Memtable.apply`, without asking which is newer. */
function arrivalWins(apply: (...args: unknown[]) => number) {
  return function (this: Memtable, hash: number, partition: number, chunk: number, offset: number) {
    const slot = apply.call(this, hash, partition, chunk, offset)
    if (slot === NO_SLOT) return NO_SLOT
    const page = this.pages.slots[slot >>> PAGE_BITS]!
    const at = (slot & PAGE_MASK) * SLOT_WORDS
    page[at + SLOT_CHUNK] = chunk
    page[at + SLOT_OFFSET] = offset
    return NO_SLOT
  }
}

function withoutSync(disk: Disk): Disk {
  const open: Disk['open'] = async (path, mode) => {
    const file = await disk.open(path, mode)
    file.sync = () => Promise.resolve()
    return file
  }
  return Object.create(disk, { open: { value: open } })
}
