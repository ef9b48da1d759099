import {
  CassioError,
  CELL_HEADER_BYTES,
  CONSISTENCY_LEVELS,
  ConsistencyLevel,
  cellFault,
  cellKey,
  isExpired,
  isTombstone,
  type PageParams,
  type PageResult,
  reconcile,
  requiredReplicas,
  type ScanPage,
  type ScanParams,
} from '@cassiopeia/protocol'
import type { CellStore } from '@cassiopeia/storage'
import { PAGE_BYTES_MAX, PAGE_CELLS_MAX, readPage } from '../replica/page-reader'
import type { ClusterView } from '../topology/cluster-view'
import type { PeerCalls } from '../transport/peer-calls'
import { downCause } from './coordination'

/** Partitions asked for at a time. */
const STRIDE = 512

/** A place in the order of a scan: everything up to and with `afterKey` of `partition` is behind. */
interface Place {
  readonly partition: number
  readonly afterKey?: Buffer | undefined
}

/** The page so far. */
interface Taken {
  readonly cells: Buffer[]
  bytes: number
}

interface Share {
  readonly partitions: readonly number[]
  readonly page: PageResult
}

/**
 * Serves pages of a scan over the whole cluster, in the order (partition, key). For each partition as
 * many replicas are asked as the level requires and the newest version of each key wins, so a scan at
 * QUORUM shows every write that was acknowledged at QUORUM before its page was read. It repairs
 * nothing, and different pages are read at different times.
 */
export class Scanner {
  constructor(
    private readonly store: CellStore,
    private readonly calls: PeerCalls,
    private readonly ports: { nowMs(): number; wallMs(): number },
  ) {}

  async page(view: ClusterView, params: unknown, deadlineMs: number): Promise<ScanPage> {
    const scan = readScanParams(params, view)
    const end = 2 ** view.table.partitionBits
    const taken = { cells: [] as Buffer[], bytes: 0 }
    const { cells } = taken
    let place: Place = { partition: scan.partition, afterKey: scan.afterKey }
    // A page that takes long is answered with what there is: it says where to go on.
    const halfwayMs = (this.ports.nowMs() + deadlineMs) / 2
    while (place.partition < end && cells.length < scan.limit) {
      place = await this.stride(view, scan, place, taken, deadlineMs)
      if (this.ports.nowMs() > halfwayMs || taken.bytes >= PAGE_BYTES_MAX) break
    }
    if (place.partition >= end) return { cells }
    const { partition, afterKey } = place
    return { cells, next: afterKey === undefined ? { partition } : { partition, afterKey } }
  }

  /** Adds the live cells of the next stretch of partitions. @returns where to go on. */
  private async stride(
    view: ClusterView,
    scan: ScanParams,
    from: Place,
    taken: Taken,
    deadlineMs: number,
  ): Promise<Place> {
    const to = Math.min(from.partition + STRIDE, 2 ** view.table.partitionBits)
    const assignments = assign(view, scan, from.partition, to)
    const limit = Math.min(PAGE_CELLS_MAX, scan.limit - taken.cells.length)
    const shares = await Promise.all(
      [...assignments].map(async ([member, partitions]) => {
        const afterKey = partitions[0] === from.partition ? from.afterKey : undefined
        const request: PageParams = {
          epoch: view.map.epoch,
          partitions,
          limit,
          keysOnly: scan.keysOnly,
          ...(afterKey === undefined ? {} : { afterKey }),
          ...(scan.prefix === undefined ? {} : { prefix: scan.prefix }),
        }
        const page = await this.ask(view, member, request, deadlineMs)
        return { partitions, page }
      }),
    )
    const frontier = frontierOf(shares)
    const full = this.merge(shares, frontier, taken, scan.limit)
    return full ?? frontier ?? { partition: to }
  }

  private async ask(
    view: ClusterView,
    member: number,
    request: PageParams,
    deadlineMs: number,
  ): Promise<PageResult> {
    const peer = view.peers[member]
    if (peer === undefined) return readPage(this.store, request)
    const timeoutMs = Math.max(1, deadlineMs - this.ports.nowMs())
    return readPageResult(await this.calls.call(peer, 'page', request, timeoutMs))
  }

  /**
   * What lies beyond the frontier has not been shown by every replica asked: the next page's.
   * @returns where the page is full, when not all that was shown fits.
   */
  private merge(
    shares: readonly Share[],
    frontier: Place | undefined,
    taken: Taken,
    limit: number,
  ): Place | undefined {
    const newest = new Map<string, { partition: number; cell: Buffer }>()
    for (const { page } of shares) {
      for (const [partition, cell] of page.cells) {
        if (frontier !== undefined && comparePlace(partition, cellKey(cell, 0), frontier) > 0) {
          continue
        }
        const name = cellKey(cell, 0).toString('latin1')
        const known = newest.get(name)
        if (known === undefined || reconcile(cell, 0, known.cell, 0) > 0) {
          newest.set(name, { partition, cell })
        }
      }
    }
    const wallMs = this.ports.wallMs()
    const live = [...newest.values()].filter(
      ({ cell }) => !isTombstone(cell, 0) && !isExpired(cell, 0, wallMs),
    )
    live.sort(
      (a, b) => a.partition - b.partition || Buffer.compare(cellKey(a.cell, 0), cellKey(b.cell, 0)),
    )
    let last: Place | undefined
    for (const { partition, cell } of live) {
      const isOver = taken.cells.length > 0 && taken.bytes + cell.length > PAGE_BYTES_MAX
      if (last !== undefined && (isOver || taken.cells.length >= limit)) return last
      taken.cells.push(cell)
      taken.bytes += cell.length
      last = { partition, afterKey: cellKey(cell, 0) }
    }
    return undefined
  }
}

/** Which member shows which partitions: as many live replicas of each as the level requires. */
function assign(
  view: ClusterView,
  scan: ScanParams,
  from: number,
  to: number,
): Map<number, number[]> {
  const { table, ownIndex, map } = view
  const required = requiredReplicas(ConsistencyLevel[scan.level], map.replicationFactor)
  const assignments = new Map<number, number[]>()
  for (let partition = from; partition < to; partition += 1) {
    const replicas: number[] = []
    for (let slot = 0; slot < table.replicationFactor; slot += 1) {
      const member = table.replica(partition, slot)
      if (member === ownIndex) replicas.unshift(member)
      else if (member >= 0) replicas.push(member)
    }
    const live = replicas.filter((member) => view.isLive(member))
    if (live.length < required) {
      const causes = replicas
        .filter((member) => !view.isLive(member))
        .map((member) => downCause(view, member))
      const message = `${live.length} of ${replicas.length} replicas of partition ${partition} are live, ${required} are required`
      throw new CassioError('CASSIO_UNAVAILABLE', message, { required, received: 0, causes })
    }
    for (const member of live.slice(0, required)) {
      const partitions = assignments.get(member)
      if (partitions === undefined) assignments.set(member, [partition])
      else partitions.push(partition)
    }
  }
  return assignments
}

/** The first place that some replica has not gone beyond; undefined when all are through. */
function frontierOf(shares: readonly Share[]): Place | undefined {
  let frontier: Place | undefined
  for (const { page } of shares) {
    const { until } = page
    if (until === undefined) continue
    if (frontier === undefined || comparePlace(until.partition, until.afterKey, frontier) < 0) {
      frontier = until
    }
  }
  return frontier
}

function comparePlace(partition: number, key: Buffer, place: Place): number {
  return partition - place.partition || Buffer.compare(key, place.afterKey ?? Buffer.alloc(0))
}

function readScanParams(params: unknown, view: ClusterView): ScanParams {
  const scan = params as Partial<ScanParams> | null
  const isSound =
    Number.isInteger(scan?.partition) &&
    scan!.partition! >= 0 &&
    scan!.partition! < 2 ** view.table.partitionBits &&
    Number.isInteger(scan!.limit) &&
    scan!.limit! >= 1 &&
    scan!.limit! <= PAGE_CELLS_MAX &&
    CONSISTENCY_LEVELS.includes(scan!.level!) &&
    typeof scan!.keysOnly === 'boolean' &&
    [scan!.afterKey, scan!.prefix].every((each) => each === undefined || each instanceof Uint8Array)
  if (!isSound) throw new CassioError('CASSIO_INVALID', 'the scan request is malformed')
  return scan as ScanParams
}

function readPageResult(result: unknown): PageResult {
  const page = result as Partial<PageResult> | null
  const isSound =
    Array.isArray(page?.cells) &&
    page.cells.every(
      (each) =>
        Array.isArray(each) &&
        Number.isInteger(each[0]) &&
        each[1] instanceof Uint8Array &&
        each[1].length > CELL_HEADER_BYTES &&
        cellFault(each[1] as Buffer, 0, each[1].length) === undefined,
    ) &&
    (page.until === undefined ||
      (Number.isInteger(page.until.partition) && page.until.afterKey instanceof Uint8Array))
  if (!isSound) throw new CassioError('CASSIO_PROTOCOL', 'a replica sent a malformed page')
  return page as PageResult
}
