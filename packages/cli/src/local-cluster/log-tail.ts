import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const TAIL_BYTES_MAX = 16 * 1024

/** The last lines of a log, without reading the rest of it; empty when there is none. */
export function logTail(path: string, lineCount: number): string[] {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch {
    return []
  }
  try {
    const { size } = fstatSync(descriptor)
    const length = Math.min(size, TAIL_BYTES_MAX)
    const bytes = Buffer.alloc(length)
    const read = readSync(descriptor, bytes, 0, length, size - length)
    const text = bytes.toString('utf8', 0, read).trimEnd()
    return text === '' ? [] : text.split('\n').slice(-lineCount)
  } finally {
    closeSync(descriptor)
  }
}
