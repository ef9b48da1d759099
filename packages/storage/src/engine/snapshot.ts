import type { Disk } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import type { LogWriter } from '../commit-log/writer'
import { encodeManifest } from '../manifest/format'
import { writeRecord } from '../record-file'
import { syncDirectory } from '../sync-file'
import type { Committer } from './committer'
import type { TableSet } from './table-set'

export interface SnapshotParts {
  readonly ports: { readonly disk: Disk }
  readonly tables: TableSet
}

/**
 * Links the files of a store into `directory`. The log is sealed, so that none of them is written
 * again; the manifest comes last, so that a crash leaves a directory that does not open, or one in
 * which there is nothing yet.
 */
export async function takeSnapshot(
  { ports: { disk }, tables }: SnapshotParts,
  committer: Committer,
  log: LogWriter,
  directory: string,
): Promise<void> {
  await disk.makeDirectory(directory)
  if ((await disk.list(directory)).length > 0) {
    throw new CassioError('CASSIO_STORAGE', `a snapshot needs an empty directory: ${directory}`)
  }
  await disk.makeDirectory(`${directory}/commit-log`)
  await disk.makeDirectory(`${directory}/tables`)
  // What is under way is part of the snapshot once it is acknowledged.
  await committer.between(async () => {
    await log.seal()
    // Neither batches nor changes of the manifest come between what is linked.
    await tables.between(async (state) => {
      for (const path of log.sealedPaths(state.logFirst)) {
        await linkInto(disk, path, `${directory}/commit-log`)
      }
      for (const { info } of state.tables) {
        await linkInto(disk, tables.pathOf(info.number), `${directory}/tables`)
      }
      await syncDirectory(disk, `${directory}/commit-log`)
      await syncDirectory(disk, `${directory}/tables`)
      await writeRecord(disk, `${directory}/MANIFEST`, encodeManifest(state))
    })
  })
}

async function linkInto(disk: Disk, path: string, directory: string): Promise<void> {
  await disk.link(path, `${directory}${path.slice(path.lastIndexOf('/'))}`)
}
