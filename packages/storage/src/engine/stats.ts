import type { StoreStats } from '../store'
import { TableKind } from '../table/table-info'
import type { StoreEngine } from './store-engine'

/** Adds up what the parts of a store have counted. */
export function statsOf(engine: StoreEngine): StoreStats {
  const { committer, flusher, compactor, log, parts } = engine
  const { generations, tables, cache, space, recovered } = parts
  const memtables = generations.map(({ memtable }) => memtable)
  const infos = tables.state.tables.map(({ info }) => info)
  const data = infos.filter(({ kind }) => kind === TableKind.data)
  const deletes = infos.filter(({ kind }) => kind === TableKind.tombstones)
  const inMemory = sum(generations, ({ memoryBytes }) => memoryBytes)
  const spare = parts.pool.bytes + engine.staging.bytes
  const { blockBytes, filterBytes, indexBytes } = cache
  return {
    cells: sum(memtables, ({ keys }) => keys) + sum(infos, ({ cells }) => cells),
    tombstones: sum(memtables, ({ tombstones }) => tombstones) + sum(deletes, ({ cells }) => cells),
    cellBytes:
      sum(memtables, ({ cellBytes }) => cellBytes) + sum(infos, ({ cellBytes }) => cellBytes),
    memoryBytes: inMemory + spare + blockBytes + filterBytes + indexBytes,
    memory: {
      memtables: inMemory,
      spare,
      blocks: blockBytes,
      filters: filterBytes,
      indexes: indexBytes,
    },
    logBytes: log.bytes,
    logSegments: log.segments,
    tables: data.length,
    tableBytes: sum(data, ({ bytes }) => bytes),
    runs: tables.version.runs.length,
    deleteTables: deletes.length,
    deleteTableBytes: sum(deletes, ({ bytes }) => bytes),
    writes: committer.writes,
    reads: engine.reads,
    syncs: log.syncs,
    bytesTaken: committer.bytesTaken,
    bytesLogged: log.written,
    bytesFlushed: flusher.bytesFlushed,
    bytesCompacted: compactor.bytesCompacted,
    flushes: flusher.flushes,
    compactions: compactor.compactions,
    tombstonesForgotten: compactor.tombstonesForgotten,
    tableLookups: cache.lookups,
    filterMisleads: cache.filterMisleads,
    blockReads: cache.reads,
    blockHits: cache.hits,
    throttledMs: committer.throttledMs,
    diskFull: space.full,
    damages: [...tables.damages],
    recovered,
  }
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
