import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Which process had a pid, so that a pid that was given out again is not taken for ours: on Linux
 * boot id and start time, elsewhere the start time that `ps` prints. Undefined where neither can be
 * had; then the pid alone must do.
 * @see proc_pid_stat(5): state is field 3, starttime field 22; the name, field 2, may hold ')'.
 */
export function startedAs(pid: number): string | undefined {
  if (process.platform !== 'linux') return startedAsSaidByPs(pid)
  const stat = contents(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Ended, and waits for its parent to notice.
  if (fields[0] === 'Z' || fields[0] === 'X') return ENDED
  return `${contents('/proc/sys/kernel/random/boot_id')?.trim() ?? ''}:${fields[19]}`
}

const ENDED = 'ended'

export interface ProcessIdentity {
  readonly pid: number
  /** From `startedAs`; null where it is not known. */
  readonly startedAs: string | null
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startedAs: startedAs(pid) ?? null }
}

/** Whether this very process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  if (!pidExists(identity.pid)) return false
  const now = startedAs(identity.pid)
  if (now === ENDED) return false
  return now === undefined || identity.startedAs === null || now === identity.startedAs
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It is there, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function startedAsSaidByPs(pid: number): string | undefined {
  if (process.platform === 'win32') return undefined
  try {
    const output = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
    return output.trim() || undefined
  } catch {
    return undefined
  }
}

function contents(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
