import type { Disk, DiskFile } from '@cassiopeia/env'
import { systemCode } from './system-error'

/** The code of an error after which the state of what was to be synced is unknown. */
export const SYNC_FAILED = 'ESYNC'

/**
 * Syncs a file. @throws Error with code 'ESYNC', whatever the disk said, ENOSPC too: a sync must
 * never be tried again, as the system may report success for pages that it dropped.
 */
export async function syncFile(file: DiskFile): Promise<void> {
  try {
    await file.sync()
  } catch (error) {
    throw syncFailed(error)
  }
}

/** The same for the entries of a directory. */
export async function syncDirectory(disk: Disk, directory: string): Promise<void> {
  try {
    await disk.syncDirectory(directory)
  } catch (error) {
    throw syncFailed(error)
  }
}

function syncFailed(cause: unknown): Error {
  const message = `a sync failed: ${cause instanceof Error ? cause.message : String(cause)}`
  return Object.assign(new Error(message, { cause }), { code: SYNC_FAILED })
}

/** Whether an operation failed because the disk is full, and did nothing worse. */
export function isDiskFull(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
