import type { Disk, DiskFile, DiskLock } from '../disk'
import { systemError } from '../system-error'
import type { DiskFault } from './disk-faults'
import type { Incarnation } from './incarnation'
import { hashBytes, hashText, type KeyedRandom } from './keyed-random'
import type { Scheduler } from './scheduler'
import type { SimFileSystem } from './sim-file-system'
import type { SimInode } from './sim-inode'

/** Mean latencies in milliseconds: page cache for reads and writes, flash with a cache for syncs. */
const latencyMeanMs = { read: 0.02, write: 0.02, sync: 0.5, other: 0.05 } as const
/** Once in so many calls the device stalls. */
const stallProbability = 0.001
const stallMaxMs = 50

interface Operation<T> {
  /** The system call's name; those that end in 'sync' are slow and may fail as syncs do. */
  readonly kind: string
  readonly subject: string
  readonly detail?: number
  apply(): T
  /** What a call that fails does all the same. */
  fail?(): void
  /** What a call does that breaks off midway: a short write, or one cut off by the process's end. */
  breakOff?(random: KeyedRandom): void
}

/** What a process's death leaves of an operation under way: nothing, all or a part of it. */
type Abandon = (random: KeyedRandom) => void

/** One incarnation's view of its file system: adds latency, faults, and death. */
export class SimDisk implements Disk {
  private readonly underway = new Set<Abandon>()
  private readonly locks = new Set<string>()

  constructor(
    private readonly scheduler: Scheduler,
    private readonly incarnation: Incarnation,
    private readonly files: SimFileSystem,
    private readonly random: KeyedRandom,
  ) {}

  open(path: string, mode: 'read' | 'append' | 'create'): Promise<DiskFile> {
    return this.perform({
      kind: 'open',
      subject: path,
      apply: () => {
        const makes = mode === 'create' || (mode === 'append' && !this.files.has(path))
        const inode = makes ? this.files.create(path, 'open') : this.files.find(path, 'open')
        return new SimDiskFile(this, this.files, inode, path)
      },
    })
  }

  readFile(path: string): Promise<Buffer> {
    return this.perform({ kind: 'read', subject: path, apply: () => this.files.peek(path) })
  }

  list(directory: string): Promise<string[]> {
    return this.perform({
      kind: 'scandir',
      subject: directory,
      apply: () => this.files.list(directory),
    })
  }

  makeDirectory(path: string): Promise<void> {
    return this.perform({
      kind: 'mkdir',
      subject: path,
      apply: () => this.files.makeDirectory(path),
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.perform({
      kind: 'rename',
      subject: from,
      detail: hashText(to),
      apply: () => this.files.rename(from, to),
    })
  }

  link(from: string, to: string): Promise<void> {
    return this.perform({
      kind: 'link',
      subject: from,
      detail: hashText(to),
      apply: () => this.files.link(from, to),
    })
  }

  unlink(path: string): Promise<void> {
    return this.perform({ kind: 'unlink', subject: path, apply: () => this.files.unlink(path) })
  }

  syncDirectory(directory: string): Promise<void> {
    const { changeSequence } = this.files
    return this.perform({
      kind: 'fsync',
      subject: directory,
      apply: () => this.files.syncDirectory(directory, changeSequence),
    })
  }

  freeBytes(path: string): Promise<number> {
    return this.perform({
      kind: 'statfs',
      subject: path,
      apply: () => {
        this.files.checkExists(path, 'statfs')
        return this.files.freeBytes()
      },
    })
  }

  lock(path: string): Promise<DiskLock> {
    return this.perform({
      kind: 'lock',
      subject: path,
      apply: () => {
        if (this.locks.has(path)) throw lockedError(path, this.incarnation.name)
        // A file system has one process at a time: a lock file that is there is a dead one's.
        const inode = this.files.has(path)
          ? this.files.find(path, 'lock')
          : this.files.create(path, 'lock')
        inode.truncate(0)
        inode.append(Buffer.from(`${this.incarnation.name}\n`))
        this.locks.add(path)
        return { release: () => this.unlock(path) }
      },
    })
  }

  private async unlock(path: string): Promise<void> {
    if (!this.locks.delete(path)) return
    await this.perform({ kind: 'unlink', subject: path, apply: () => this.files.unlink(path) })
  }

  /**
   * Counts the call, lets time pass, then does the work or fails. After the incarnation's end
   * nothing happens, and the promise never settles.
   */
  perform<T>(operation: Operation<T>): Promise<T> {
    if (!this.incarnation.alive) return new Promise(() => {})
    const { kind, subject, detail = 0 } = operation
    const fault = this.nextFault(kind)
    return new Promise((resolve, reject) => {
      const abandon: Abandon = (random) => this.abandon(operation, random)
      this.underway.add(abandon)
      const finish = () => {
        this.underway.delete(abandon)
        try {
          if (fault === undefined) return resolve(operation.apply())
          operation.fail?.()
          if (fault === 'short-write') operation.breakOff?.(this.random)
          reject(faultError(fault, kind, subject))
        } catch (error) {
          reject(error)
        }
      }
      this.scheduler.after(this.latencyMs(kind), `disk:${kind}`, finish, {
        owner: this.incarnation,
        detail: hashText(subject) ^ detail,
      })
    })
  }

  /** As `perform`, within one event. A call that must return cannot hang: a dead one's throws. */
  performSync<T>({ kind, subject, apply, breakOff }: Operation<T>): T {
    if (!this.incarnation.alive) throw faultError('EIO', kind, subject)
    const fault = this.nextFault(kind)
    if (fault === undefined) return apply()
    if (fault === 'short-write') breakOff?.(this.random)
    throw faultError(fault, kind, subject)
  }

  private nextFault(kind: string): DiskFault | undefined {
    this.files.ioCalls += 1
    return this.files.faults.next(this.files.ioCalls, kind)
  }

  /** The process has died: what it had asked of the system is done, half done, or not begun. */
  abandonAll(random: KeyedRandom): void {
    for (const abandon of this.underway) abandon(random)
    this.underway.clear()
  }

  private abandon(operation: Operation<unknown>, random: KeyedRandom): void {
    const fate = random.below(3)
    try {
      if (fate === 0) operation.apply()
      else if (fate === 1) operation.breakOff?.(random)
    } catch {
      // Nobody is left to hear that it failed.
    }
  }

  private latencyMs(kind: string): number {
    const { random, files } = this
    const mean = kind.endsWith('sync')
      ? latencyMeanMs.sync
      : kind === 'read' || kind === 'write'
        ? latencyMeanMs[kind]
        : latencyMeanMs.other
    const stall = random.chance(stallProbability) ? random.between(0, stallMaxMs) : 0
    return (-Math.log(1 - random.unit()) * mean + stall) * files.faults.slowFactor + 0.001
  }
}

class SimDiskFile implements DiskFile {
  private closed = false
  private appending = false

  constructor(
    private readonly disk: SimDisk,
    private readonly files: SimFileSystem,
    private readonly inode: SimInode,
    private readonly path: string,
  ) {}

  size(): Promise<number> {
    return this.perform({ kind: 'fstat', apply: () => this.inode.length })
  }

  async append(buffers: readonly Buffer[]): Promise<void> {
    // A defect of the caller's, which a real disk would turn into mixed up bytes.
    if (this.appending) throw new Error(`two appends at once to ${this.path}`)
    this.appending = true
    try {
      const bytes = Buffer.concat(buffers)
      await this.perform({
        kind: 'write',
        detail: hashBytes(bytes),
        apply: () => this.appendWithinQuota(bytes),
        breakOff: (random) => {
          this.inode.append(bytes.subarray(0, random.below(bytes.length + 1)))
        },
      })
    } finally {
      this.appending = false
    }
  }

  appendSync(buffers: readonly Buffer[]): void {
    if (this.closed) throw systemError('EBADF', 'write', this.path)
    // A defect of the caller's, which a real disk would turn into mixed up bytes.
    if (this.appending) throw new Error(`two appends at once to ${this.path}`)
    const bytes = Buffer.concat(buffers)
    this.disk.performSync({
      kind: 'write',
      subject: this.path,
      detail: hashBytes(bytes),
      apply: () => this.appendWithinQuota(bytes),
      breakOff: (random) => {
        this.inode.append(bytes.subarray(0, random.below(bytes.length + 1)))
      },
    })
  }

  read(target: Buffer, position: number): Promise<number> {
    return this.perform({
      kind: 'read',
      detail: target.length,
      apply: () => this.copyTo(target, position),
    })
  }

  readSync(target: Buffer, position: number): number {
    if (this.closed) throw systemError('EBADF', 'read', this.path)
    return this.disk.performSync({
      kind: 'read',
      subject: this.path,
      apply: () => this.copyTo(target, position),
    })
  }

  sync(): Promise<void> {
    const upTo = this.inode.length
    return this.perform({
      kind: 'fdatasync',
      apply: () => this.inode.sync(upTo),
      fail: () => this.inode.syncFailed(upTo),
    })
  }

  truncate(length: number): Promise<void> {
    return this.perform({ kind: 'ftruncate', apply: () => this.inode.truncate(length) })
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve()
    this.closed = true
    return this.disk.perform({ kind: 'close', subject: this.path, apply: () => {} })
  }

  private perform<T>(operation: Omit<Operation<T>, 'subject'>): Promise<T> {
    if (this.closed) return Promise.reject(systemError('EBADF', operation.kind, this.path))
    return this.disk.perform({ ...operation, subject: this.path })
  }

  private copyTo(target: Buffer, position: number): number {
    const bytes = this.inode.view().subarray(position, position + target.length)
    target.set(bytes)
    return bytes.length
  }

  private appendWithinQuota(bytes: Buffer): void {
    const free = this.files.freeBytes()
    this.inode.append(bytes.subarray(0, Math.min(free, bytes.length)))
    if (bytes.length > free) throw systemError('ENOSPC', 'write', this.path)
  }
}

function faultError(fault: DiskFault, kind: string, subject: string): Error {
  return systemError(fault === 'short-write' ? 'EIO' : fault, kind, subject)
}

function lockedError(path: string, owner: string): Error {
  return Object.assign(new Error(`ELOCKED: '${path}' is locked by ${owner}`), { code: 'ELOCKED' })
}
