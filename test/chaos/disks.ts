import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'

const SMALL_DISK_MIB = 96
const CHUNK_BYTES = 64 * 1024

/**
 * A file system of its own for one node, small enough to be filled up: a tmpfs, which only root may
 * mount. What is on it survives the process, as kill -9 demands, and never a power cut.
 */
export class SmallDisk {
  private filling: Promise<void> = Promise.resolve()

  private constructor(private readonly mountPoint: string) {}

  /** @returns the reason when the machine does not let us. */
  static mount(mountPoint: string): SmallDisk | string {
    if (process.platform !== 'linux') return 'a small disk needs Linux'
    if (process.getuid?.() !== 0) return 'only root may mount a small disk'
    mkdirSync(mountPoint, { recursive: true })
    try {
      const size = `size=${SMALL_DISK_MIB}m`
      execFileSync('mount', ['-t', 'tmpfs', '-o', size, 'cassio-chaos', mountPoint], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
    } catch (error) {
      return `no small disk can be mounted: ${(error as Error).message.split('\n').at(-1)}`
    }
    return new SmallDisk(mountPoint)
  }

  /** Where the node keeps its data. */
  get dataDirectory(): string {
    return join(this.mountPoint, 'data')
  }

  /** Somebody else takes all the room but for so many bytes. */
  fill(roomBytes: number): Promise<void> {
    this.filling = this.filling.then(() => this.writeBallast(roomBytes))
    return this.filling
  }

  free(): Promise<void> {
    this.filling = this.filling.then(() => rm(this.ballast, { force: true }))
    return this.filling
  }

  unmount(): void {
    // Lazily: a process that was killed a moment ago may still hold a file.
    execFileSync('umount', ['--lazy', this.mountPoint], { stdio: 'ignore' })
  }

  private get ballast(): string {
    return join(this.mountPoint, 'ballast')
  }

  private async writeBallast(roomBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.mountPoint)
    const file = await open(this.ballast, 'w')
    try {
      const chunk = Buffer.alloc(CHUNK_BYTES)
      for (let left = bavail * bsize - roomBytes; left > 0; left -= chunk.length) {
        await file.write(chunk, 0, Math.min(left, chunk.length))
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      await file.close()
    }
  }
}

/**
 * Flips bits of tables of a node that is down. Two draws, each from 0 to below 1, choose one bit: the
 * first the file, the second the place in it.
 *
 * @returns what was damaged, in words; empty when there was no table.
 */
export function rotTables(dataDirectory: string, draws: readonly number[]): string[] {
  const directory = join(dataDirectory, 'tables')
  const names = tablesIn(directory)
  const done: string[] = []
  for (let index = 0; index + 1 < draws.length && names.length > 0; index += 2) {
    const name = names[Math.floor(draws[index]! * names.length)]!
    const bytes = readFileSync(join(directory, name))
    const bit = Math.floor(draws[index + 1]! * bytes.length * 8)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    writeFileSync(join(directory, name), bytes)
    done.push(`${name} bit ${bit} of ${bytes.length * 8}`)
  }
  return done
}

function tablesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.table'))
      .sort()
  } catch {
    return []
  }
}
