import type { Disk } from '@cassiopeia/env'
import { CassioError } from '@cassiopeia/protocol'
import { readRecord, writeRecord } from '../record-file'
import { syncDirectory } from '../sync-file'
import { tableNumberOf } from '../table/table-info'
import { decodeManifest, encodeManifest, type ManifestState } from './format'

/**
 * The one truth on which files of a store are live. Written aside, synced and renamed at every
 * change, so a crash leaves the state before it or after it.
 */
export class Manifest {
  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private current: ManifestState,
  ) {}

  /**
   * Reads the manifest of the store in `directory`, or makes the first one there.
   *
   * @param partitions What the store is opened with.
   * @throws CassioError CASSIO_CORRUPT when it is damaged, or missing where there are tables or log
   * segments: without it nobody can tell which of them count. CASSIO_CONFIG when the store was made
   * with another number of partitions.
   */
  static async open(disk: Disk, directory: string, partitions: number): Promise<Manifest> {
    const path = `${directory}/MANIFEST`
    const payload = await readRecord(disk, path)
    if (payload !== undefined) {
      // A process killed between renaming and syncing leaves what a power cut would still take back,
      // after files that it does not name have been removed.
      await syncDirectory(disk, directory)
      const state = decodeManifest(payload)
      if (state.partitions !== partitions) {
        const made = `the store in ${directory} was made with ${state.partitions} partitions`
        throw new CassioError('CASSIO_CONFIG', `${made}, and cannot be opened with ${partitions}`)
      }
      return new Manifest(disk, path, state)
    }
    const files = [
      ...(await disk.list(`${directory}/commit-log`)),
      ...(await disk.list(`${directory}/tables`)),
    ].filter((name) => name.endsWith('.log') || tableNumberOf(name) !== undefined)
    if (files.length > 0) {
      throw new CassioError(
        'CASSIO_CORRUPT',
        `${path} is missing, and there are files of a store beside it (${files[0]}, …): without it ` +
          'nobody can tell which of them count. Restore it from a copy, or empty the directory and ' +
          'let the replicas rebuild this node.',
      )
    }
    const empty = { nextNumber: 1, nextRun: 1, logFirst: 1, partitions, tables: [] }
    const manifest = new Manifest(disk, path, empty)
    await manifest.write(empty)
    return manifest
  }

  get state(): ManifestState {
    return this.current
  }

  /**
   * Makes `state` the truth, durably. One at a time.
   *
   * @throws ENOSPC and the like before the new state can have taken effect: the old one stands, and
   * the call can be made again. Any other error: which of the two stands is unknown.
   */
  async write(state: ManifestState): Promise<void> {
    await writeRecord(this.disk, this.path, encodeManifest(state))
    this.current = state
  }
}
