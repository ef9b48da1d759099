import { posix } from 'node:path'
import { systemError } from '../system-error'
import { DiskFaults } from './disk-faults'
import type { KeyedRandom } from './keyed-random'
import { type CrashMode, SimInode } from './sim-inode'

type Entries = Map<string, SimInode>

/** One un-synced change of a directory: as a whole it survives a power cut or does not. */
interface EntryChange {
  readonly sequence: number
  readonly removed?: { readonly name: string; readonly inode: SimInode }
  readonly added?: { readonly name: string; readonly inode: SimInode }
}

function applyChange(entries: Entries, { removed, added }: EntryChange): void {
  if (removed !== undefined && entries.get(removed.name) === removed.inode) {
    entries.delete(removed.name)
  }
  if (added !== undefined) entries.set(added.name, added.inode)
}

class Directory {
  readonly current: Entries = new Map()
  readonly children = new Set<string>()
  private durable: Entries = new Map()
  private pending: EntryChange[] = []

  change(change: EntryChange): void {
    applyChange(this.current, change)
    this.pending.push(change)
  }

  sync(upToSequence: number): void {
    for (const change of this.pending) {
      if (change.sequence <= upToSequence) applyChange(this.durable, change)
    }
    this.pending = this.pending.filter((change) => change.sequence > upToSequence)
  }

  crash(mode: CrashMode, random: KeyedRandom): void {
    for (const change of this.pending) {
      if (mode === 'keep' || (mode === 'mixed' && random.chance(0.5))) {
        applyChange(this.durable, change)
      }
    }
    this.pending = []
    this.current.clear()
    for (const [name, inode] of this.durable) this.current.set(name, inode)
  }
}

/**
 * One process's files, which outlive it. Contents and directory entries exist twice: current (what
 * a reader sees, and what survives kill -9) and durable (what survives a power cut).
 */
export class SimFileSystem {
  /** Calls to the disk so far, over all restarts; the next one is number `ioCalls` + 1. */
  ioCalls = 0
  readonly faults: DiskFaults
  private readonly directories = new Map<string, Directory>([['/', new Directory()]])
  private sequence = 0

  constructor(faultRandom: KeyedRandom) {
    this.faults = new DiskFaults(faultRandom)
  }

  /** Directory changes so far: a sync makes those durable that had been made when it began. */
  get changeSequence(): number {
    return this.sequence
  }

  find(path: string, syscall: string): SimInode {
    const { directory, name } = this.locate(path, syscall)
    const inode = directory.current.get(name)
    if (inode !== undefined) return inode
    throw systemError(this.directories.has(normalise(path)) ? 'EISDIR' : 'ENOENT', syscall, path)
  }

  has(path: string): boolean {
    const { dir, base } = split(path)
    return this.directories.get(dir)?.current.has(base) ?? false
  }

  create(path: string, syscall: string): SimInode {
    const { directory, name } = this.locate(path, syscall)
    if (directory.current.has(name)) throw systemError('EEXIST', syscall, path)
    if (this.directories.has(normalise(path))) throw systemError('EISDIR', syscall, path)
    const inode = new SimInode()
    directory.change({ sequence: ++this.sequence, added: { name, inode } })
    return inode
  }

  rename(from: string, to: string): void {
    const inode = this.find(from, 'rename')
    const source = this.locate(from, 'rename')
    const target = this.locate(to, 'rename')
    if (this.directories.has(normalise(to))) throw systemError('EISDIR', 'rename', to)
    // POSIX: between two names of one file a rename does nothing, and both stay.
    if (target.directory.current.get(target.name) === inode) return
    const removed = { name: source.name, inode }
    const added = { name: target.name, inode }
    if (source.directory === target.directory) {
      source.directory.change({ sequence: ++this.sequence, removed, added })
    } else {
      target.directory.change({ sequence: ++this.sequence, added })
      source.directory.change({ sequence: ++this.sequence, removed })
    }
  }

  link(from: string, to: string): void {
    const inode = this.find(from, 'link')
    const { directory, name } = this.locate(to, 'link')
    const exists = directory.current.has(name) || this.directories.has(normalise(to))
    if (exists) throw systemError('EEXIST', 'link', to)
    directory.change({ sequence: ++this.sequence, added: { name, inode } })
  }

  unlink(path: string): void {
    const inode = this.find(path, 'unlink')
    const { directory, name } = this.locate(path, 'unlink')
    directory.change({ sequence: ++this.sequence, removed: { name, inode } })
  }

  list(path: string): string[] {
    const directory = this.directory(path, 'scandir')
    const names = [...directory.current.keys(), ...directory.children]
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  /** Durable at once, with its parents: `Disk.makeDirectory` promises that. */
  makeDirectory(path: string): void {
    let parent = '/'
    for (const name of normalise(path).split('/').filter(Boolean)) {
      const directory = this.directory(parent, 'mkdir')
      if (directory.current.has(name)) throw systemError('EEXIST', 'mkdir', path)
      directory.children.add(name)
      parent = posix.join(parent, name)
      if (!this.directories.has(parent)) this.directories.set(parent, new Directory())
    }
  }

  syncDirectory(path: string, upToSequence: number): void {
    this.directory(path, 'fsync').sync(upToSequence)
  }

  /** @throws ENOENT before a sync is begun. */
  directory(path: string, syscall: string): Directory {
    const directory = this.directories.get(normalise(path))
    if (directory !== undefined) return directory
    throw systemError(this.has(path) ? 'ENOTDIR' : 'ENOENT', syscall, path)
  }

  /** Bytes that all files together may still grow by, under `faults.quotaBytes`. */
  freeBytes(): number {
    if (this.faults.quotaBytes === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    return Math.max(0, this.faults.quotaBytes - this.usedBytes)
  }

  /** Bytes of all files together. */
  get usedBytes(): number {
    let used = 0
    for (const inode of this.inodes()) used += inode.length
    return used
  }

  /** What was not synced is lost, kept or torn: all kept 10 %, all lost 20 %, mixed 70 %. */
  powerCut(random: KeyedRandom, mode?: CrashMode): void {
    const draw = random.unit()
    const chosen = mode ?? (draw < 0.1 ? 'keep' : draw < 0.3 ? 'drop' : 'mixed')
    for (const directory of this.directories.values()) directory.crash(chosen, random)
    for (const inode of this.inodes()) inode.crash(chosen, random)
  }

  /** Everything is gone, as on a new disk. */
  wipe(): void {
    this.directories.clear()
    this.directories.set('/', new Directory())
  }

  /** Flips one bit of a file at rest; bit 0 is the lowest of the first byte. */
  flipBit(path: string, bit: number): void {
    this.find(path, 'flipBit').flipBit(bit)
  }

  /** @throws ENOENT when there is neither a file nor a directory. */
  checkExists(path: string, syscall: string): void {
    if (!this.directories.has(normalise(path))) this.find(path, syscall)
  }

  /** A copy of a file's bytes as a reader sees them now, without an I/O call: for tests. */
  peek(path: string): Buffer {
    return Buffer.from(this.find(path, 'peek').view())
  }

  /** Paths of all files, sorted: for tests that damage each in turn. */
  paths(): string[] {
    const paths: string[] = []
    for (const [path, { current }] of this.directories) {
      for (const name of current.keys()) paths.push(posix.join(path, name))
    }
    return paths.sort()
  }

  /** All files that have a name, each once however many it has. */
  private inodes(): Set<SimInode> {
    const inodes = new Set<SimInode>()
    for (const { current } of this.directories.values()) {
      for (const inode of current.values()) inodes.add(inode)
    }
    return inodes
  }

  private locate(path: string, syscall: string): { directory: Directory; name: string } {
    const { dir, base } = split(path)
    const directory = this.directories.get(dir)
    if (directory === undefined) throw systemError('ENOENT', syscall, path)
    return { directory, name: base }
  }
}

/** The simulated process runs in '/'. */
function normalise(path: string): string {
  return posix.resolve('/', path)
}

function split(path: string): { dir: string; base: string } {
  const whole = normalise(path)
  return { dir: posix.dirname(whole), base: posix.basename(whole) }
}
