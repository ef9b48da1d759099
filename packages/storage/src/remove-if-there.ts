import type { Disk } from '@cassiopeia/env'
import { systemCode } from './system-error'

/** Removes a file; fine when it is not there. */
export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
