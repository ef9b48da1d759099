import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const TAIL_BYTES_MAX = 16 * 1024

/**
 * The last lines of a log from the offset `from` on, without reading the rest of it; none when there
 * is no log.
 */
export function logTail(path: string, lineCount: number, from = 0): string[] {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch {
    return []
  }
  try {
    const { size } = fstatSync(descriptor)
    const length = Math.min(Math.max(0, size - from), TAIL_BYTES_MAX)
    const bytes = Buffer.alloc(length)
    const read = readSync(descriptor, bytes, 0, length, size - length)
    const text = bytes.toString('utf8', 0, read).trimEnd()
    return text === '' ? [] : text.split('\n').slice(-lineCount)
  } finally {
    closeSync(descriptor)
  }
}
