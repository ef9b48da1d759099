const descriptions: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EBADF: 'bad file descriptor',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EEXIST: 'file already exists',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  ELOCKED: 'locked by another process',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ETIMEDOUT: 'operation timed out',
}

/** An error shaped like Node's system errors, for adapters that find a failure themselves. */
export function systemError(code: string, syscall: string, subject: string): Error {
  const description = descriptions[code] ?? 'system error'
  return Object.assign(new Error(`${code}: ${description}, ${syscall} '${subject}'`), {
    code,
    syscall,
  })
}
