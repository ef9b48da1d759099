import type { Clock, Disk, DiskLock, Logger, Timers } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import { LogWriter } from './commit-log/writer'
import { LogStore } from './log-store'
import { Arena } from './memtable/arena'
import { Memtable } from './memtable/memtable'
import { parseStoreOptions, type StoreOptions, type StoreSettings } from './options'
import { Recovery } from './recovery'
import type { Store } from './store'
import { messageOf, systemCode } from './system-error'

export interface StorePorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly clock: Clock
  readonly logger: Logger
}

const CHUNK_BYTES_MIN = 64 * 1024
const CHUNK_BYTES_MAX = 4 * 1024 * 1024
/** Chunks are not shared between segments and count as a whole: they must be small beside both. */
const CHUNKS_MIN = 16
const SEGMENTS_MIN = 16

/**
 * Opens the store in `options.directory`, making it when it is missing, and replays its log.
 *
 * @throws CassioError CASSIO_CONFIG: wrong options; CASSIO_LOCKED: another process has the
 * directory; CASSIO_CORRUPT: damage that no crash explains; CASSIO_STORAGE: the disk refused.
 */
export async function openStore(options: StoreOptions, ports: StorePorts): Promise<Store> {
  const settings = withSegmentsInMemory(parseStoreOptions(options))
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

/** Garbage can leave memory by whole segments only: several have to fit. */
function withSegmentsInMemory(settings: StoreSettings): StoreSettings {
  const { segmentBytes, memoryBytesMax } = settings
  return {
    ...settings,
    segmentBytes: Math.min(segmentBytes, Math.floor(memoryBytesMax / SEGMENTS_MIN)),
  }
}

async function openLocked(
  settings: StoreSettings,
  ports: StorePorts,
  lock: DiskLock,
): Promise<Store> {
  const share = Math.floor(settings.segmentBytes / CHUNKS_MIN)
  const arena = new Arena(Math.min(Math.max(share, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX))
  const memtable = new Memtable(arena)
  const directory = `${settings.directory}/commit-log`
  await ports.disk.makeDirectory(directory)
  const recovery = new Recovery(directory, settings, ports, arena, memtable)
  const { sealed, report } = await recovery.run()
  const log: LogWriter = new LogWriter(
    { ...settings, directory },
    ports,
    sealed,
    () => arena.segmentsInUse()[0]?.number ?? 0,
    (error) => store.fail(error),
  )
  const { timers, logger } = ports
  const release = () => lock.release()
  const store = new LogStore(
    settings,
    { arena, memtable, recovered: report, timers, logger, release },
    log,
  )
  return store
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
