import {
  type Disk,
  type DiskFile,
  type DiskLock,
  InlineWorkers,
  type Logger,
  type Timers,
} from '@cassiopeia/env'
import type { StorePorts } from '../src'

/**
 * A disk that is a Map, for tests that open thousands of stores: no time passes, nothing is lost. The
 * Buffers in it are never changed, so that a copy of the Map is a copy of the disk.
 */
export class MemoryDisk implements Disk {
  private readonly directories = new Set<string>()

  constructor(readonly files: Map<string, Buffer> = new Map()) {
    for (const path of files.keys()) this.addDirectory(parentOf(path))
  }

  copy(): MemoryDisk {
    return new MemoryDisk(new Map(this.files))
  }

  /** Bit 0 is the lowest of the first byte. */
  flipBit(path: string, bit: number): void {
    const bytes = Buffer.from(this.find(path))
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
    this.files.set(path, bytes)
  }

  find(path: string): Buffer {
    const bytes = this.files.get(path)
    if (bytes === undefined) throw systemError('ENOENT', path)
    return bytes
  }

  async open(path: string, mode: 'read' | 'append' | 'create'): Promise<DiskFile> {
    if (mode === 'create' && this.files.has(path)) throw systemError('EEXIST', path)
    if (mode !== 'read' && !this.files.has(path)) this.files.set(path, Buffer.alloc(0))
    this.find(path)
    return new MemoryFile(this, path)
  }

  async readFile(path: string): Promise<Buffer> {
    return Buffer.from(this.find(path))
  }

  async list(directory: string): Promise<string[]> {
    if (!this.directories.has(directory)) throw systemError('ENOENT', directory)
    return [...this.files.keys(), ...this.directories]
      .filter((path) => parentOf(path) === directory)
      .map((path) => path.slice(directory.length + 1))
      .sort()
  }

  async makeDirectory(path: string): Promise<void> {
    this.addDirectory(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, this.find(from))
    this.files.delete(from)
  }

  async link(from: string, to: string): Promise<void> {
    this.files.set(to, this.find(from))
  }

  async unlink(path: string): Promise<void> {
    this.find(path)
    this.files.delete(path)
  }

  async syncDirectory(): Promise<void> {}

  async freeBytes(): Promise<number> {
    return Number.POSITIVE_INFINITY
  }

  async lock(): Promise<DiskLock> {
    return { release: async () => {} }
  }

  private addDirectory(path: string): void {
    if (path === '' || this.directories.has(path)) return
    this.directories.add(path)
    this.addDirectory(parentOf(path))
  }
}

class MemoryFile implements DiskFile {
  constructor(
    private readonly disk: MemoryDisk,
    private readonly path: string,
  ) {}

  async size(): Promise<number> {
    return this.disk.find(this.path).length
  }

  async append(buffers: readonly Buffer[]): Promise<void> {
    this.appendSync(buffers)
  }

  appendSync(buffers: readonly Buffer[]): void {
    const { files } = this.disk
    files.set(this.path, Buffer.concat([this.disk.find(this.path), ...buffers]))
  }

  async read(target: Buffer, position: number): Promise<number> {
    return this.readSync(target, position)
  }

  readSync(target: Buffer, position: number): number {
    return this.disk.find(this.path).copy(target, 0, position, position + target.length)
  }

  async truncate(length: number): Promise<void> {
    this.disk.files.set(this.path, this.disk.find(this.path).subarray(0, length))
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {}
}

/** Ports over such a disk. The wall clock stands at `nowMs`; `lines` takes what is logged. */
export function memoryPorts(disk: Disk, nowMs: number, lines: string[] = []): StorePorts {
  const clock = { monotonicMs: () => performance.now(), wallMs: () => nowMs }
  const timers: Timers = {
    soon: (run) => {
      setImmediate(run)
    },
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
  }
  const workers = new InlineWorkers({ disk, clock, timers })
  return { disk, clock, timers, workers, logger: lineLogger(lines) }
}

function lineLogger(lines: string[]): Logger {
  const note = (level: string) => (message: string, fields?: object) => {
    lines.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`)
  }
  const logger: Logger = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => logger,
  }
  return logger
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: '${path}'`), { code })
}
