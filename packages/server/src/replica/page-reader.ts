import type { PageParams, PageResult } from '@cassiopeia/protocol'
import { CassioError, cellKey, cellSize, cellWithoutValue } from '@cassiopeia/protocol'
import type { CellStore } from '@cassiopeia/storage'

/** Bytes of cells in one page, whatever the limit on their number. */
export const PAGE_BYTES_MAX = 1024 * 1024
/** Cells examined for one page, whether or not they match. */
const EXAMINED_MAX = 10_000
export const PAGE_CELLS_MAX = 10_000

/**
 * One replica's share of a scan: its cells of the partitions named, in order, until the page is full.
 * Tombstones and expired cells are part of it, since another replica may still hold what they cover.
 */
export async function readPage(store: CellStore, params: PageParams): Promise<PageResult> {
  const cells: [number, Buffer][] = []
  let bytes = 0
  let examined = 0
  for (const [i, partition] of params.partitions.entries()) {
    let until: Buffer | undefined
    let isFull = false
    const afterKey = i === 0 ? params.afterKey : undefined
    await store.scan(partition, partition, afterKey, (cell, at) => {
      const key = cellKey(cell, at)
      if (params.prefix === undefined || startsWith(key, params.prefix)) {
        const copy = params.keysOnly
          ? cellWithoutValue(cell, at)
          : Buffer.from(cell.subarray(at, at + cellSize(cell, at)))
        // A page of one cell may have any size.
        isFull = cells.length > 0 && bytes + copy.length > PAGE_BYTES_MAX
        if (isFull) return false
        cells.push([partition, copy])
        bytes += copy.length
      }
      examined += 1
      until = Buffer.from(key)
      isFull = cells.length >= params.limit || examined >= EXAMINED_MAX
      return !isFull
    })
    if (isFull) {
      const afterKey = until ?? (i === 0 ? params.afterKey : undefined) ?? Buffer.alloc(0)
      return { cells, until: { partition, afterKey } }
    }
  }
  return { cells }
}

/** Checks a foreign request. @throws CassioError CASSIO_INVALID. */
export function readPageParams(params: unknown): PageParams {
  const page = params as Partial<PageParams> | null
  const isSound =
    Number.isInteger(page?.epoch) &&
    Array.isArray(page?.partitions) &&
    page.partitions.length > 0 &&
    page.partitions.every((partition) => Number.isInteger(partition) && partition >= 0) &&
    Number.isInteger(page.limit) &&
    page.limit! >= 1 &&
    page.limit! <= PAGE_CELLS_MAX &&
    [page.afterKey, page.prefix].every((each) => each === undefined || each instanceof Uint8Array)
  if (!isSound) throw new CassioError('CASSIO_INVALID', 'the page request is malformed')
  return page as PageParams
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return (
    key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  )
}
