import type { Disk, DiskFile, DiskLock } from '@cassiopeia/env'

/** A disk that counts the bytes that are read from its files and appended to them. */
export class MeteredDisk implements Disk {
  bytesRead = 0
  bytesWritten = 0

  constructor(private readonly disk: Disk) {}

  async open(path: string, mode: 'read' | 'append' | 'create'): Promise<DiskFile> {
    return new MeteredFile(this, await this.disk.open(path, mode))
  }

  async readFile(path: string): Promise<Buffer> {
    const bytes = await this.disk.readFile(path)
    this.bytesRead += bytes.length
    return bytes
  }

  list(directory: string): Promise<string[]> {
    return this.disk.list(directory)
  }

  makeDirectory(path: string): Promise<void> {
    return this.disk.makeDirectory(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.disk.rename(from, to)
  }

  link(from: string, to: string): Promise<void> {
    return this.disk.link(from, to)
  }

  unlink(path: string): Promise<void> {
    return this.disk.unlink(path)
  }

  syncDirectory(directory: string): Promise<void> {
    return this.disk.syncDirectory(directory)
  }

  freeBytes(path: string): Promise<number> {
    return this.disk.freeBytes(path)
  }

  lock(path: string): Promise<DiskLock> {
    return this.disk.lock(path)
  }
}

class MeteredFile implements DiskFile {
  constructor(
    private readonly meter: MeteredDisk,
    private readonly file: DiskFile,
  ) {}

  size(): Promise<number> {
    return this.file.size()
  }

  append(buffers: readonly Buffer[]): Promise<void> {
    for (const { length } of buffers) this.meter.bytesWritten += length
    return this.file.append(buffers)
  }

  appendSync(buffers: readonly Buffer[]): void {
    for (const { length } of buffers) this.meter.bytesWritten += length
    this.file.appendSync(buffers)
  }

  async read(target: Buffer, position: number): Promise<number> {
    const filled = await this.file.read(target, position)
    this.meter.bytesRead += filled
    return filled
  }

  readSync(target: Buffer, position: number): number {
    const filled = this.file.readSync(target, position)
    this.meter.bytesRead += filled
    return filled
  }

  sync(): Promise<void> {
    return this.file.sync()
  }

  truncate(length: number): Promise<void> {
    return this.file.truncate(length)
  }

  close(): Promise<void> {
    return this.file.close()
  }
}
