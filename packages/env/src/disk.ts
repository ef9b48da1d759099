/**
 * Files, as a storage engine needs them: every durability step has a name of its own, because the
 * simulated disk forgets whatever was not synced when it crashes.
 *
 * Errors are Node's system errors (`code`: 'ENOENT', 'EEXIST', 'ENOSPC', 'EIO', …). Paths are
 * absolute or relative to the process; parts are joined with '/'.
 */
export interface Disk {
  /**
   * Opens a file. 'read': it must exist; 'append': created when missing, `append` adds at its end
   * (use `truncate` to cut a torn tail first); 'create': must not exist yet.
   */
  open(path: string, mode: 'read' | 'append' | 'create'): Promise<DiskFile>
  /** The whole file. Only for files known to be small. */
  readFile(path: string): Promise<Buffer>
  /** Names (not paths) in a directory, sorted by their bytes. @throws ENOENT */
  list(directory: string): Promise<string[]>
  /** Makes a directory and its missing parents, durable on return; fine when it exists. */
  makeDirectory(path: string): Promise<void>
  /**
   * Atomically replaces `to` by `from`; durable only after `syncDirectory` of its folder. Does
   * nothing when both name one file: then both names stay.
   */
  rename(from: string, to: string): Promise<void>
  /**
   * Gives the file `from` a second name, `to` (a hard link): the two share contents, and each is
   * removed alone. Durable only after `syncDirectory` of the folder of `to`.
   * @throws EEXIST when `to` exists, EXDEV when it is on another file system.
   */
  link(from: string, to: string): Promise<void>
  /** Removes a file. @throws ENOENT */
  unlink(path: string): Promise<void>
  /** Makes creations, links, renames and removals in `directory` survive a power cut. */
  syncDirectory(directory: string): Promise<void>
  /**
   * Bytes that this process may still write on the file system that holds `path`, a file or folder;
   * Infinity when nothing limits them. A moment's truth: others write there too. @throws ENOENT
   */
  freeBytes(path: string): Promise<number>
  /**
   * Claims `path` for this process until `release` or the process's death, whatever its manner.
   * @throws Error with code 'ELOCKED' and the owner in its message when a live process holds it.
   */
  lock(path: string): Promise<DiskLock>
}

export interface DiskLock {
  release(): Promise<void>
}

export interface DiskFile {
  /** Bytes in the file now. */
  size(): Promise<number>
  /**
   * Writes all of `buffers`, in order, at the end of the file; visible to readers, not yet durable.
   * The buffers belong to the disk until the promise settles. One append at a time. When it
   * rejects, any prefix of the bytes may have been written.
   */
  append(buffers: readonly Buffer[]): Promise<void>
  /**
   * As `append`, but the event loop waits: for little, which goes no further than the system's cache
   * and is there sooner than another thread would have begun. When it throws, any prefix of the bytes
   * may have been written.
   */
  appendSync(buffers: readonly Buffer[]): void
  /** Fills `target` from `position`. @returns bytes read: fewer than asked only at the file's end. */
  read(target: Buffer, position: number): Promise<number>
  /**
   * As `read`, while the whole event loop waits: cheaper for bytes that are in the page cache.
   * @throws the system error, EBADF after `close`.
   */
  readSync(target: Buffer, position: number): number
  /**
   * Makes the contents durable (fdatasync). After a rejection the state of every byte since the
   * last success is unknown and a retry may lie: callers must treat it as fatal.
   */
  sync(): Promise<void>
  /** Cuts the file to `length` bytes; durable after `sync`. */
  truncate(length: number): Promise<void>
  /** Idempotent. Does not sync. */
  close(): Promise<void>
}
