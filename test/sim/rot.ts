import type { SimFileSystem } from '@cassiopeia/env'
import {
  BATCH_HEADER_BYTES,
  batchIsSound,
  decodeBatchHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from '../../packages/storage/src/commit-log/format'
import type { RotPlace } from './faults'

/** Where `SimulatedCluster` lets a node keep its data. */
const DATA_DIRECTORY = '/data'
const DIRECTORIES: Readonly<Record<RotPlace, string>> = Object.freeze({
  tables: `${DATA_DIRECTORY}/tables/`,
  log: `${DATA_DIRECTORY}/commit-log/`,
  hints: `${DATA_DIRECTORY}/hints/`,
})

/** Part of a file in which a flipped bit must be found out. */
interface Range {
  readonly path: string
  readonly from: number
  readonly to: number
}

/**
 * Flips bits of files that lie still. Two draws, each from 0 to below 1, choose one bit: the first the
 * file, the second the place in it.
 *
 * @returns what was damaged, in words; empty when there was nothing to damage.
 */
export function rot(disk: SimFileSystem, where: RotPlace, draws: readonly number[]): string[] {
  const paths = disk.paths().filter((path) => path.startsWith(DIRECTORIES[where]))
  const ranges = where === 'log' ? durableRanges(disk, paths) : wholeFiles(disk, paths)
  const done: string[] = []
  for (let index = 0; index + 1 < draws.length && ranges.length > 0; index += 2) {
    const { path, from, to } = ranges[Math.floor(draws[index]! * ranges.length)]!
    const bit = from * 8 + Math.floor(draws[index + 1]! * (to - from) * 8)
    disk.flipBit(path, bit)
    done.push(`${path} bit ${bit}`)
  }
  return done
}

function wholeFiles(disk: SimFileSystem, paths: readonly string[]): Range[] {
  return paths
    .map((path) => ({ path, from: 0, to: disk.peek(path).length }))
    .filter(({ to }) => to > 0)
}

/**
 * Damage to the newest batches cannot be told from a torn write, and is cut off like one: see
 * docs/GUARANTEES.md. So only that part of each segment of which something written later says that it
 * was durable is damaged.
 */
function durableRanges(disk: SimFileSystem, paths: readonly string[]): Range[] {
  const ranges: Range[] = []
  let durableByNext = 0
  for (const path of [...paths].reverse()) {
    const bytes = disk.peek(path)
    const reading = bytes.length < SEGMENT_HEADER_BYTES ? undefined : decodeSegmentHeader(bytes)
    if (reading === undefined || reading.fault !== undefined) {
      durableByNext = 0
      continue
    }
    const durable = Math.max(durableByNext, durableWithin(bytes, reading.seed))
    durableByNext = reading.header.previousBytes
    if (durable > SEGMENT_HEADER_BYTES)
      ranges.push({ path, from: SEGMENT_HEADER_BYTES, to: durable })
  }
  return ranges.reverse()
}

/** How far the segment was synced, by what its own batches say. */
function durableWithin(bytes: Buffer, seed: number): number {
  let durable = 0
  let at = SEGMENT_HEADER_BYTES
  while (at + BATCH_HEADER_BYTES <= bytes.length) {
    const batch = decodeBatchHeader(bytes, at, at)
    if (batch === undefined) break
    const end = at + BATCH_HEADER_BYTES + batch.cellBytes
    if (end > bytes.length || !batchIsSound(bytes, at, batch, seed)) break
    durable = Math.max(durable, batch.durableBytes)
    at = end
  }
  return durable
}
