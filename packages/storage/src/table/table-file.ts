import type { Disk, DiskFile } from '@cassiopeia/env'
import { inflateBlock } from '@cassiopeia/protocol'
import type { TableDamage } from '../jobs/job'
import { systemCode } from '../system-error'
import { blockFault } from './block'
import { KeyFilter } from './filter'
import {
  BlockKind,
  Codec,
  decodeFooter,
  FOOTER_BYTES,
  FRAME_HEADER_BYTES,
  frameCells,
  frameCodec,
  frameFault,
  frameKind,
  framePayloadBytes,
  type TableLayout,
} from './format'
import { KeyLocator } from './locator'
import { TableIndex } from './table-index'
import type { TableInfo } from './table-info'

/** A table's file, opened: or why it is not the table that it should be. */
export type TableOpening =
  | { readonly file: DiskFile; readonly layout: TableLayout; readonly damage?: undefined }
  | { readonly file?: undefined; readonly layout?: undefined; readonly damage: TableDamage }

/** Opens a table's file and checks its size and its footer. @throws the disk's own errors. */
export async function openTableFile(
  disk: Disk,
  path: string,
  info: TableInfo,
): Promise<TableOpening> {
  const damaged = (what: string): TableOpening => ({
    damage: { table: info.number, at: 0, bytes: info.bytes, what },
  })
  let file: DiskFile
  try {
    file = await disk.open(path, 'read')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return damaged('the file is missing')
    throw error
  }
  let fault: string | undefined
  try {
    const size = await file.size()
    if (size === info.bytes) {
      const footer = Buffer.alloc(FOOTER_BYTES)
      await file.read(footer, size - FOOTER_BYTES)
      const reading = decodeFooter(footer, info)
      if (reading.layout !== undefined) return { file, layout: reading.layout }
      fault = reading.fault
    } else {
      fault = `the file has ${size} bytes instead of ${info.bytes}`
    }
  } catch (error) {
    await file.close()
    throw error
  }
  await file.close()
  return damaged(fault)
}

/** Reads the index. @throws the disk's own errors. @returns what is wrong with it, in words. */
export async function readIndex(file: DiskFile, layout: TableLayout): Promise<TableIndex | string> {
  const frame = Buffer.allocUnsafeSlow(layout.indexBytes)
  const filled = await file.read(frame, layout.indexAt)
  return filled < frame.length ? 'the file ends early' : openIndex(frame, layout)
}

/** Checks the whole frame of an index. @returns the index, or what is wrong with it, in words. */
export function openIndex(frame: Buffer, layout: TableLayout): TableIndex | string {
  const fault = frameFault(frame, layout.seed, layout.indexAt, BlockKind.index)
  if (fault !== undefined) return fault
  return TableIndex.decode(frame.subarray(FRAME_HEADER_BYTES)) ?? 'the index is malformed'
}

/** Checks the whole frame of a filter or a locator. @returns it, or what is wrong, in words. */
export function openFilter(frame: Buffer, layout: TableLayout): KeyFilter | KeyLocator | string {
  const { seed, filterAt } = layout
  if (frameKind(frame, 0) === BlockKind.locator) {
    const fault = frameFault(frame, seed, filterAt, BlockKind.locator)
    if (fault !== undefined) return fault
    return KeyLocator.decode(frame.subarray(FRAME_HEADER_BYTES)) ?? 'the locator is malformed'
  }
  const fault = frameFault(frame, seed, filterAt, BlockKind.filter)
  if (fault !== undefined) return fault
  return KeyFilter.decode(frame.subarray(FRAME_HEADER_BYTES)) ?? 'the filter is malformed'
}

/**
 * Reads a data table's filter alone, for those who ask it about many keys. @throws the disk's own
 * errors. @returns undefined when the table has none or it is damaged: any key may then be there.
 */
export async function readFilter(
  disk: Disk,
  path: string,
  info: TableInfo,
): Promise<KeyFilter | undefined> {
  const { file, layout } = await openTableFile(disk, path, info)
  if (file === undefined) return undefined
  try {
    if (layout.filterBytes === 0) return undefined
    const frame = Buffer.allocUnsafeSlow(layout.filterBytes)
    const filled = await file.read(frame, layout.filterAt)
    const filter = filled < frame.length ? undefined : openFilter(frame, layout)
    return filter instanceof KeyFilter ? filter : undefined
  } finally {
    await file.close()
  }
}

/** A data block's payload, checked: where it lies, or what is wrong with it in words. */
export class OpenedBlock {
  bytes: Buffer = Buffer.alloc(0)
  base = 0
  length = 0

  /**
   * Checks the frame at `bytes[from..to)` that should lie at `position` in its file. The payload stays
   * where it is, or is inflated into a buffer of its own.
   */
  open(
    bytes: Buffer,
    from: number,
    to: number,
    seed: number,
    position: number,
  ): string | undefined {
    const frame = bytes.subarray(from, to)
    const fault = frameFault(frame, seed, position, BlockKind.data)
    if (fault !== undefined) return fault
    this.length = framePayloadBytes(frame, 0)
    if (frameCodec(frame, 0) === Codec.none) {
      this.bytes = bytes
      this.base = from + FRAME_HEADER_BYTES
    } else {
      const inflated = inflateBlock(frame.subarray(FRAME_HEADER_BYTES), this.length)
      if (inflated === undefined) return 'the block cannot be inflated'
      this.bytes = inflated
      this.base = 0
    }
    return blockFault(this.bytes, this.base, this.length, frameCells(frame, 0))
  }
}
