import { type DiskLock, nodePorts } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import { LogReplay } from './commit-log/replay'
import { LogWriter } from './commit-log/writer'
import { cacheBytes } from './engine/memory-share'
import { Replayer } from './engine/replayer'
import { SpaceWatch } from './engine/space-watch'
import { StoreEngine, type StorePorts } from './engine/store-engine'
import { TableSet } from './engine/table-set'
import { KeyValueStore } from './key-value/key-value-store'
import { Manifest } from './manifest/manifest'
import { ChunkPool } from './memtable/chunk-pool'
import { parseStoreOptions, type StoreOptions, type StoreSettings } from './options'
import type { CellStore } from './store'
import { messageOf, systemCode } from './system-error'
import { BlockCache } from './table/block-cache'

/**
 * Opens the key-value store in `options.directory`, making it when it is missing.
 *
 * @param ports The outside world; by default the real one, without a log.
 * @throws CassioError CASSIO_CONFIG: wrong options; CASSIO_LOCKED: another process has the
 * directory; CASSIO_CORRUPT: damage that no crash explains; CASSIO_STORAGE: the disk refused.
 */
export async function openStore(
  options: StoreOptions,
  ports: StorePorts = nodePorts(),
): Promise<KeyValueStore> {
  const { partitionOf, partitions } = parseStoreOptions(options)
  const cells = await openCellStore(options, ports)
  return new KeyValueStore(cells, { clock: ports.clock, partitionOf, partitions })
}

/** The same without its friendly face: cells with stamps of the caller's. Throws as `openStore`. */
export async function openCellStore(options: StoreOptions, ports: StorePorts): Promise<CellStore> {
  const settings = parseStoreOptions(options)
  try {
    await ports.disk.makeDirectory(settings.directory)
    const lock = await ports.disk.lock(`${settings.directory}/LOCK`)
    try {
      return await openLocked(settings, ports, lock)
    } catch (error) {
      await lock.release().catch((failure: unknown) => {
        // The first error says more than this one.
        ports.logger.warn('lock not released', { error: messageOf(failure) })
      })
      throw error
    }
  } catch (error) {
    throw asOpeningError(settings.directory, error)
  }
}

async function openLocked(
  settings: StoreSettings,
  ports: StorePorts,
  lock: DiskLock,
): Promise<CellStore> {
  const { directory } = settings
  const { disk, logger, clock } = ports
  const startedMs = clock.monotonicMs()
  const logDirectory = `${directory}/commit-log`
  const tableDirectory = `${directory}/tables`
  await disk.makeDirectory(logDirectory)
  await disk.makeDirectory(tableDirectory)
  const manifest = await Manifest.open(disk, directory, settings.partitions)
  const space = new SpaceWatch(directory, settings.diskReserveBytes, ports)
  const cache = new BlockCache(cacheBytes(settings, 0), settings.blockBytes)
  let engine: StoreEngine | undefined
  const onFailed = (cause: unknown) => engine?.fail(cause)
  const tables = await TableSet.open({
    directory: tableDirectory,
    disk,
    logger,
    manifest,
    cache,
    onFailed,
  })
  try {
    const pool = new ChunkPool(settings.memtableBytes)
    const replayer = new Replayer(settings, pool)
    const replay = new LogReplay(logDirectory, manifest.state.logFirst, ports, replayer)
    const { sealed, report } = await replay.run()
    replayer.finish()
    const { generations } = replayer
    await tables.removeStrangers()
    const recovered = {
      ...report,
      tables: manifest.state.tables.length,
      durationMs: clock.monotonicMs() - startedMs,
    }
    logger.info('store opened', { ...recovered })
    const log = new LogWriter(
      { ...settings, directory: logDirectory },
      ports,
      sealed,
      manifest.state.logFirst,
      onFailed,
    )
    await space.look()
    engine = new StoreEngine(
      { settings, ports, lock, tables, cache, space, generations, pool, recovered },
      log,
    )
    return engine
  } catch (error) {
    space.close()
    await tables.close()
    throw error
  }
}

function asOpeningError(directory: string, error: unknown): CassioError {
  if (error instanceof CassioError) return error
  if (systemCode(error) === 'ELOCKED') {
    const message = `the store in ${directory} is in use: ${messageOf(error)}`
    return new CassioError('CASSIO_LOCKED', message, {}, { cause: error })
  }
  const message = `the store in ${directory} cannot be opened: ${messageOf(error)}`
  return new CassioError('CASSIO_STORAGE', message, {}, { cause: error })
}
