import { setTimeout as pause } from 'node:timers/promises'
import { isRunning, type ProcessIdentity } from './process-identity'

/** How long a node may take to close cleanly before it is killed. */
const STOP_GRACE_MS = 10_000
/** SIGKILL cannot be refused, but a process stuck in the disk dies late. */
const KILL_GRACE_MS = 5_000
const LOOK_EVERY_MS = 20

/**
 * Asks processes to end and waits until they have.
 * @param warn Called with those that did not end in time and are killed.
 * @returns those that still run nevertheless.
 */
export async function stopProcesses(
  identities: readonly ProcessIdentity[],
  warn: (stubborn: readonly ProcessIdentity[]) => void,
  graceMs = STOP_GRACE_MS,
): Promise<readonly ProcessIdentity[]> {
  signalAll(identities, 'SIGTERM')
  const stubborn = await waitForEnd(identities, graceMs)
  if (stubborn.length === 0) return []
  warn(stubborn)
  signalAll(stubborn, 'SIGKILL')
  return waitForEnd(stubborn, KILL_GRACE_MS)
}

function signalAll(identities: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const identity of identities) {
    // Looked at again right before: a pid must never be trusted for long.
    if (!isRunning(identity)) continue
    try {
      process.kill(identity.pid, signal)
    } catch (error) {
      // It ended in between, which is what we wanted.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

async function waitForEnd(
  identities: readonly ProcessIdentity[],
  limitMs: number,
): Promise<readonly ProcessIdentity[]> {
  const untilMs = performance.now() + limitMs
  let left = identities.filter(isRunning)
  while (left.length > 0 && performance.now() < untilMs) {
    await pause(LOOK_EVERY_MS)
    left = left.filter(isRunning)
  }
  return left
}
