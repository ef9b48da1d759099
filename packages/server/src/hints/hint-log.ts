import type { Clock, Disk, Timers } from '@cassiopeia/env'
import { decodeFileHeader, FILE_HEADER_BYTES, hintFileName, hintFileNumberOf } from './hint-format'
import type { HintLedger } from './hint-ledger'

/** How often files that the disk does not let us read are looked for again before they are given up. */
const DISCOVER_ATTEMPTS = 20

export interface HintPorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly clock: Clock
}

/** A file with hints. */
export interface HintFile {
  readonly number: number
  readonly path: string
  /** Seeds the checksums of its batches. */
  readonly seed: number
  /** When its first hint was kept. */
  readonly createdMs: number
  /** How much of it is written. */
  bytes: number
  /** Nothing will be appended any more. */
  isSealed: boolean
}

/**
 * The files of hints for one member, oldest first. Those that an earlier process left are read like the
 * others and never appended to, so that a torn tail needs no cutting: it is passed over when it is read.
 */
export class HintLog {
  readonly directory: string
  readonly files: HintFile[] = []
  /** Bytes in the files. */
  bytes = 0
  /** The number that the next file will have. Unknown until `discover` has succeeded. */
  nextNumber = 1
  isDiscovered = false
  private discovering: Promise<void> | undefined
  private attempts = 0
  /** Files that are not needed any more and could not be removed yet. */
  private leftovers: { readonly path: string; readonly bytes: number }[] = []

  constructor(
    readonly memberId: string,
    directory: string,
    private readonly disk: Disk,
    private readonly ledger: HintLedger,
  ) {
    this.directory = `${directory}/${memberId}`
  }

  get hasLeftovers(): boolean {
    return this.leftovers.length > 0
  }

  pathOf(number: number): string {
    return `${this.directory}/${hintFileName(number)}`
  }

  /**
   * Finds the files that are there. Rejects with the disk's error: it may be called again, until it
   * gives up what cannot be read. Nothing may be written before it has succeeded.
   */
  discover(): Promise<void> {
    if (this.isDiscovered) return Promise.resolve()
    this.discovering ??= this.lookAround().finally(() => {
      this.discovering = undefined
    })
    return this.discovering
  }

  /** The first file after the one with this number. */
  fileAfter(number: number): HintFile | undefined {
    return this.files.find((file) => file.number > number)
  }

  /** A file that has been begun. */
  add(file: HintFile): void {
    this.files.push(file)
    this.count(file.bytes)
  }

  /** `bytes` more are written, which the ledger knows of already. */
  onAppended(file: HintFile, bytes: number): void {
    file.bytes += bytes
    this.bytes += bytes
  }

  /** All hints before the file with this number are settled. Goes on in the background. */
  removeBelow(number: number): void {
    while (this.files.length > 0 && this.files[0]!.number < number) {
      const { path, bytes } = this.files.shift()!
      void this.unlink(path, bytes)
    }
  }

  /** Tries once more to remove what could not be removed. */
  retryRemovals(): void {
    const again = this.leftovers
    this.leftovers = []
    for (const { path, bytes } of again) void this.unlink(path, bytes)
  }

  /** Removes a file, some time; its bytes count until then. */
  private async unlink(path: string, bytes: number): Promise<void> {
    try {
      await this.disk.unlink(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.leftovers.push({ path, bytes })
        return
      }
    }
    this.count(-bytes)
  }

  /** The remains of a file that was never begun as far as anybody knows. */
  discard(path: string): void {
    void this.unlink(path, 0)
  }

  private count(bytes: number): void {
    this.bytes += bytes
    this.ledger.bytes += bytes
  }

  private async lookAround(): Promise<void> {
    this.attempts += 1
    const names = await listIfThere(this.disk, this.directory)
    const found: HintFile[] = []
    const refused: { readonly path: string; readonly reason: string }[] = []
    for (const name of names) {
      const number = hintFileNumberOf(name)
      if (number === undefined) continue
      const path = this.pathOf(number)
      const file = await this.examine(path, number)
      if (typeof file === 'string') refused.push({ path, reason: file })
      else found.push(file)
      this.nextNumber = Math.max(this.nextNumber, number + 1)
    }
    found.sort((a, b) => a.number - b.number)
    for (const file of found) this.add(file)
    for (const { path, reason } of refused) {
      this.ledger.onLost(path, reason)
      this.discard(path)
    }
    this.isDiscovered = true
  }

  /** @returns why it is of no use, when it is not. */
  private async examine(path: string, number: number): Promise<HintFile | string> {
    try {
      const handle = await this.disk.open(path, 'read')
      try {
        const bytes = await handle.size()
        const start = Buffer.alloc(FILE_HEADER_BYTES)
        const got = await handle.read(start, 0)
        const reading = decodeFileHeader(start.subarray(0, got), this.memberId, number)
        if (reading.fault !== undefined) return reading.fault
        const { createdMs } = reading.header
        return { number, path, seed: reading.seed, createdMs, bytes, isSealed: true }
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (this.attempts < DISCOVER_ATTEMPTS) throw error
      return `it cannot be read: ${(error as Error).message}`
    }
  }
}

/** Names in a directory; none when there is no such directory. */
export async function listIfThere(disk: Disk, directory: string): Promise<string[]> {
  try {
    return await disk.list(directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}
