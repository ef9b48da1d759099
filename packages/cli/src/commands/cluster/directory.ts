import { nodePorts } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import { config } from '../secret'

/**
 * Runs `work` while no other `cassio cluster` command works on `directory`.
 * @throws CassioError CASSIO_LOCKED when one does.
 */
export async function whileLocked<Result>(
  directory: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const { disk } = nodePorts()
  const release = await lock(directory, disk)
  try {
    return await work()
  } finally {
    await release()
  }
}

async function lock(
  directory: string,
  disk: ReturnType<typeof nodePorts>['disk'],
): Promise<() => Promise<void>> {
  try {
    await disk.makeDirectory(directory)
    const held = await disk.lock(`${directory}/cluster.lock`)
    return () => held.release()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ELOCKED') throw config(`${directory} cannot be used: ${message}`)
    throw new CassioError(
      'CASSIO_LOCKED',
      `another cassio cluster command works on ${directory} (${message}); wait until it is done`,
    )
  }
}
