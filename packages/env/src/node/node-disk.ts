import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  open,
  promises,
  read,
  readSync,
  writev,
  writevSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Disk, DiskFile, DiskLock } from '../disk'
import { systemError } from '../system-error'
import { acquireLockFile } from './lock-file'

// Plain descriptors instead of FileHandle: less work per call, and no surprise at collection time.
const fs = {
  open: promisify(open),
  close: promisify(close),
  fstat: promisify(fstat),
  fsync: promisify(fsync),
  fdatasync: promisify(fdatasync),
  ftruncate: promisify(ftruncate),
  read: promisify(read),
  writev: promisify(writev),
}

// 'append' has no O_APPEND: the position is ours, so that a truncation is followed by the next write.
const openFlags = {
  read: constants.O_RDONLY,
  append: constants.O_RDWR | constants.O_CREAT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const

export class NodeDisk implements Disk {
  async open(path: string, mode: 'read' | 'append' | 'create'): Promise<DiskFile> {
    const descriptor = await fs.open(path, openFlags[mode], 0o644)
    try {
      const { size } = await fs.fstat(descriptor)
      return new NodeDiskFile(descriptor, path, size)
    } catch (error) {
      await fs.close(descriptor)
      throw error
    }
  }

  readFile(path: string): Promise<Buffer> {
    return promises.readFile(path)
  }

  async list(directory: string): Promise<string[]> {
    const names = await promises.readdir(directory)
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  async makeDirectory(path: string): Promise<void> {
    const target = resolve(path)
    const first = await makeMissing(target)
    // Each new entry becomes durable with the directory that holds it. When nothing was made, an
    // earlier process may have died between making it and syncing, so its entry is synced again.
    const top = dirname(first === undefined ? target : resolve(first))
    for (let parent = dirname(target); ; parent = dirname(parent)) {
      try {
        await this.syncDirectory(parent)
      } catch (error) {
        // A parent that somebody else made and that we may not open is not ours to sync.
        if (first !== undefined || (error as NodeJS.ErrnoException).code !== 'EACCES') throw error
      }
      if (parent === top) return
    }
  }

  rename(from: string, to: string): Promise<void> {
    return promises.rename(from, to)
  }

  link(from: string, to: string): Promise<void> {
    return promises.link(from, to)
  }

  unlink(path: string): Promise<void> {
    return promises.unlink(path)
  }

  async syncDirectory(directory: string): Promise<void> {
    // Windows cannot open a directory as a file; NTFS journals its entries.
    if (process.platform === 'win32') return
    const descriptor = await fs.open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await fs.fsync(descriptor)
    } finally {
      await fs.close(descriptor)
    }
  }

  async freeBytes(path: string): Promise<number> {
    // Not `bfree`: it counts blocks that are kept for the superuser.
    const { bavail, bsize } = await promises.statfs(path)
    return bavail * bsize
  }

  lock(path: string): Promise<DiskLock> {
    return acquireLockFile(path)
  }
}

class NodeDiskFile implements DiskFile {
  private inFlight = 0
  private closed: Promise<void> | undefined
  private whenIdle: (() => void) | undefined

  constructor(
    private readonly descriptor: number,
    private readonly path: string,
    /** Where the next append goes: the file's end, as nobody else writes to it. */
    private position: number,
  ) {}

  size(): Promise<number> {
    return this.perform('fstat', async () => (await fs.fstat(this.descriptor)).size)
  }

  append(buffers: readonly Buffer[]): Promise<void> {
    return this.perform('write', async () => {
      let rest = buffers.filter((buffer) => buffer.length > 0)
      while (rest.length > 0) {
        const { bytesWritten } = await fs.writev(this.descriptor, rest, this.position)
        // A regular file that takes nothing and reports nothing would keep us here for ever.
        if (bytesWritten === 0) throw systemError('EIO', 'write', this.path)
        this.position += bytesWritten
        rest = skipBytes(rest, bytesWritten)
      }
    })
  }

  appendSync(buffers: readonly Buffer[]): void {
    if (this.closed !== undefined) throw systemError('EBADF', 'write', this.path)
    let rest = buffers.filter((buffer) => buffer.length > 0)
    while (rest.length > 0) {
      const bytesWritten = writevSync(this.descriptor, rest, this.position)
      if (bytesWritten === 0) throw systemError('EIO', 'write', this.path)
      this.position += bytesWritten
      rest = skipBytes(rest, bytesWritten)
    }
  }

  read(target: Buffer, position: number): Promise<number> {
    return this.perform('read', async () => {
      let filled = 0
      while (filled < target.length) {
        const { bytesRead } = await fs.read(
          this.descriptor,
          target,
          filled,
          target.length - filled,
          position + filled,
        )
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return filled
    })
  }

  readSync(target: Buffer, position: number): number {
    if (this.closed !== undefined) throw systemError('EBADF', 'read', this.path)
    let filled = 0
    while (filled < target.length) {
      const rest = target.length - filled
      const bytesRead = readSync(this.descriptor, target, filled, rest, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }

  sync(): Promise<void> {
    return this.perform('fdatasync', () => fs.fdatasync(this.descriptor))
  }

  truncate(length: number): Promise<void> {
    return this.perform('ftruncate', async () => {
      await fs.ftruncate(this.descriptor, length)
      this.position = length
    })
  }

  close(): Promise<void> {
    this.closed ??= this.closeWhenIdle()
    return this.closed
  }

  // The system reuses a descriptor's number at once, so nothing may use it after close, and close
  // waits for what is under way.
  private async perform<T>(syscall: string, action: () => Promise<T>): Promise<T> {
    if (this.closed !== undefined) throw systemError('EBADF', syscall, this.path)
    this.inFlight += 1
    try {
      return await action()
    } finally {
      this.inFlight -= 1
      if (this.inFlight === 0) this.whenIdle?.()
    }
  }

  private async closeWhenIdle(): Promise<void> {
    if (this.inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve
      })
    }
    await fs.close(this.descriptor)
  }
}

function skipBytes(buffers: Buffer[], count: number): Buffer[] {
  let index = 0
  while (index < buffers.length && count >= buffers[index]!.length) {
    count -= buffers[index]!.length
    index += 1
  }
  const rest = buffers.slice(index)
  if (count > 0) rest[0] = rest[0]!.subarray(count)
  return rest
}

/**
 * Makes a directory and its missing parents, one at a time: Node's own `recursive` never ends where
 * the system says of a path whose parent exists that it does not, as /proc does.
 *
 * @returns the first one that was made, undefined when all were there.
 */
async function makeMissing(path: string): Promise<string | undefined> {
  const parent = dirname(path)
  let first: string | undefined
  for (let attempt = 0; ; attempt += 1) {
    try {
      await promises.mkdir(path)
      return first ?? path
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST' && (await promises.stat(path)).isDirectory()) return first
      if (code !== 'ENOENT' || parent === path || attempt > 0) throw error
      first = await makeMissing(parent)
    }
  }
}
