import {
  type CassioError,
  CELL_STAMP_AT,
  cellFault,
  cellKey,
  formatStamp,
  isTombstone,
  type ScanPage,
  type ScanParams,
} from '@cassiopeia/protocol'
import { protocolError, readValue } from './answers'
import { decodeTextKey } from './keys'

/** One key of a scan, and its newest version. */
export interface ScanEntry<T = unknown, K = string> {
  readonly key: K
  readonly value: T
  readonly stamp: string
}

/** Fetches one page. */
export type FetchPage = (params: ScanParams) => Promise<unknown>

/**
 * Walks over the whole cluster, page by page, in the order of (partition, key). It holds one page at
 * a time and asks for the next when that is used up.
 *
 * @throws CassioError CASSIO_PROTOCOL for a page that is damaged or does not lead onward.
 */
export async function* scanCells(
  fetch: FetchPage,
  first: ScanParams,
): AsyncGenerator<Buffer, void, undefined> {
  let params = first
  for (;;) {
    const page = readPage(await fetch(params))
    for (const cell of page.cells) if (!isTombstone(cell, 0)) yield cell
    if (page.next === undefined) return
    if (!isOnward(params, page.next)) throw protocolError('a page of the scan leads nowhere')
    const { partition, afterKey } = page.next
    const { afterKey: _, ...rest } = params
    params = { ...rest, partition, ...(afterKey === undefined ? {} : { afterKey }) }
  }
}

/** Ends the source when the consumer stops early. */
export async function* mapEach<T, U>(
  source: AsyncGenerator<T, void>,
  map: (item: T) => U,
): AsyncGenerator<U, void, undefined> {
  for await (const item of source) yield map(item)
}

export function readKey(cell: Buffer, encoding: 'utf8' | 'buffer'): string | Buffer {
  const key = cellKey(cell, 0)
  return encoding === 'utf8' ? decodeTextKey(key) : Buffer.from(key)
}

export function readScanEntry(
  cell: Buffer,
  encoding: 'utf8' | 'buffer',
): ScanEntry<unknown, string | Buffer> {
  return {
    key: readKey(cell, encoding),
    value: readValue(cell, 0),
    stamp: formatStamp(cell, CELL_STAMP_AT),
  }
}

function readPage(result: unknown): ScanPage {
  const page = result as Partial<ScanPage> | null
  if (!Array.isArray(page?.cells)) throw damaged('it has no cells')
  const cells = page.cells.map((cell: unknown) => {
    if (!(cell instanceof Uint8Array)) throw damaged('a cell is no bytes')
    const bytes = Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength)
    const fault = cellFault(bytes, 0, bytes.length)
    if (fault !== undefined) throw damaged(fault)
    return bytes
  })
  const { next } = page
  if (next === undefined || next === null) return { cells }
  const { partition, afterKey } = next
  if (!Number.isInteger(partition)) throw damaged('it does not say where to go on')
  if (afterKey === undefined || afterKey === null) return { cells, next: { partition } }
  if (!((afterKey as unknown) instanceof Uint8Array)) throw damaged('afterKey is no bytes')
  return { cells, next: { partition, afterKey: Buffer.from(afterKey) } }
}

/** Each page begins above the one before, or a scan would never end. */
function isOnward(from: ScanParams, next: NonNullable<ScanPage['next']>): boolean {
  if (next.partition !== from.partition) return next.partition > from.partition
  if (next.afterKey === undefined) return false
  return from.afterKey === undefined || Buffer.compare(next.afterKey, from.afterKey) > 0
}

function damaged(why: string): CassioError {
  return protocolError(`a page of the scan is damaged: ${why}`)
}
