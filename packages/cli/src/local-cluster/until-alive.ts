import { setTimeout as pause } from 'node:timers/promises'
import type { CassioClient } from '@cassiopeia/client'

const LOOK_EVERY_MS = 20
const STATUS_TIMEOUT_MS = 1_000

/**
 * Waits until each node holds all members for alive: a node that knows its cluster from its disk has
 * formed before it has reached the others, and until then it refuses what needs them.
 *
 * @param client May still be connecting.
 * @returns false when that has not come about within `timeoutMs`, or before `signal`.
 */
export async function untilAlive(
  client: Pick<CassioClient, 'status'>,
  addresses: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const untilMs = performance.now() + timeoutMs
  while (!signal.aborted) {
    if (await allAlive(client, addresses)) return true
    if (performance.now() > untilMs) return false
    await pause(LOOK_EVERY_MS)
  }
  return false
}

async function allAlive(
  client: Pick<CassioClient, 'status'>,
  addresses: readonly string[],
): Promise<boolean> {
  try {
    const options = { timeoutMs: STATUS_TIMEOUT_MS }
    const all = await Promise.all(addresses.map((address) => client.status(address, options)))
    return all.every(({ members }) => members.every((member) => member.state === 'alive'))
  } catch {
    return false
  }
}
