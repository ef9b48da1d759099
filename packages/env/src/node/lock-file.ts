/**
 * A lock that dies with its owner: a file that holds the owner's pid and, on Linux, a proof of
 * which process had that pid (boot id and start time), as pids are used again.
 *
 * The file always appears whole: it is written aside and then linked (new) or renamed (taking
 * over) into place. Taking over a dead owner's file is itself done under a lock of the same kind,
 * so of several processes that find the same dead owner one replaces it and the others are refused.
 *
 * Owners on other machines, or in other pid namespaces that share the directory, are not seen.
 */
import { randomUUID } from 'node:crypto'
import { promises } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DiskLock } from '../disk'

/** Takeovers within takeovers: each level needs one more crash at exactly that moment. */
const takeoverDepthMax = 4
const attemptsMax = 16

/** @throws Error with code 'ELOCKED', naming the path and the owner's pid. */
export async function acquireLockFile(path: string, depth = 0): Promise<DiskLock> {
  const claim = `${process.pid} ${(await startOf(process.pid)) ?? '-'} ${randomUUID()}\n`
  const aside = `${path}.${randomUUID()}`
  await promises.writeFile(aside, claim, { flag: 'wx' })
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (await linked(aside, path)) return await owned(path, claim, depth)
      const owner = await readOwner(path)
      if (owner === undefined) continue
      if (depth === takeoverDepthMax || (await isAlive(owner))) throw lockedError(path, owner)
      if (await replaced(aside, path, depth)) return await owned(path, claim, depth)
    }
    throw lockedError(path, await readOwner(path))
  } finally {
    await promises.rm(aside, { force: true })
  }
}

class LockFile implements DiskLock {
  private released: Promise<void> | undefined

  constructor(
    private readonly path: string,
    private readonly claim: string,
  ) {}

  release(): Promise<void> {
    this.released ??= this.remove()
    return this.released
  }

  private async remove(): Promise<void> {
    // Somebody may have deleted our file by hand and locked anew; theirs is not ours to remove.
    if ((await contents(this.path)) === this.claim) await promises.unlink(this.path)
  }
}

/** The lock is ours. Removes what processes that died while they asked for it have left beside it. */
async function owned(path: string, claim: string, depth: number): Promise<LockFile> {
  if (depth === 0) {
    const prefix = `${basename(path)}.`
    for (const name of await promises.readdir(dirname(path))) {
      if (!name.startsWith(prefix)) continue
      const left = join(dirname(path), name)
      const owner = await readOwner(left)
      // One without a pid may be about to be written by a live process.
      if (owner === undefined || owner.pid === 0 || (await isAlive(owner))) continue
      await promises.rm(left, { force: true })
    }
  }
  return new LockFile(path, claim)
}

/** One process's entry in a lock file; pid 0 when the file is not one of ours. */
interface Owner {
  readonly pid: number
  readonly start: string
}

async function linked(aside: string, path: string): Promise<boolean> {
  try {
    await promises.link(aside, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Replaces a dead owner's file by ours, unless somebody was faster. */
async function replaced(aside: string, path: string, depth: number): Promise<boolean> {
  const takeover = await acquireLockFile(`${path}.takeover`, depth + 1)
  try {
    // Only the holder of `takeover` replaces a dead owner's file, so what we see now stays.
    const owner = await readOwner(path)
    if (owner === undefined || (await isAlive(owner))) return false
    await promises.rename(aside, path)
    return true
  } finally {
    await takeover.release()
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await contents(path)
  if (text === undefined) return undefined
  // A file that is empty or cut was torn by a power cut: its writer is dead.
  const match = /^(\d+) (\S+) \S+\n$/.exec(text)
  return match === null ? { pid: 0, start: '-' } : { pid: Number(match[1]), start: match[2]! }
}

async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.pid === 0 || !isRunning(owner.pid)) return false
  const start = await startOf(owner.pid)
  // Unknown on this system, or hidden from us: then the pid alone decides.
  if (start === undefined || owner.start === '-') return true
  return start === owner.start
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/**
 * What tells one process with this pid from the next: boot id and start time in clock ticks since
 * boot; 'dead' for one that has ended and waits for its parent. Undefined where there is no /proc.
 * @see proc_pid_stat(5): state is field 3 and starttime field 22; the name, field 2, may hold ')'.
 */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await contents(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[19]]
  if (state === 'Z' || state === 'X') return 'dead'
  const bootId = await contents('/proc/sys/kernel/random/boot_id')
  return `${bootId?.trim() ?? ''}:${startTicks}`
}

async function contents(path: string): Promise<string | undefined> {
  try {
    return await promises.readFile(path, 'utf8')
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ESRCH' || path.startsWith('/proc/')) return undefined
    throw error
  }
}

function lockedError(path: string, owner: Owner | undefined): Error {
  const by = owner === undefined ? 'another process' : `the process with pid ${owner.pid}`
  return Object.assign(new Error(`ELOCKED: '${path}' is locked by ${by}`), { code: 'ELOCKED' })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
