import { createServer } from 'node:net'
import { CassioError } from '@cassiopeia/protocol'

/** Where local clusters live: this machine alone can reach them. */
export const LOCAL_HOST = '127.0.0.1'

const PORT_MAX = 65_535

/** @throws CassioError CASSIO_CONFIG when the ports would leave 1 to 65,535. */
export function portsFrom(basePort: number, count: number): number[] {
  const last = basePort + count - 1
  if (basePort < 1 || last > PORT_MAX) {
    const message = `ports ${basePort} to ${last} are not all between 1 and ${PORT_MAX}`
    throw new CassioError('CASSIO_CONFIG', `${message}; choose another --base-port`)
  }
  return Array.from({ length: count }, (_, i) => basePort + i)
}

/** Those of `ports` that somebody listens on, or that this user may not listen on. */
export async function takenPorts(ports: readonly number[]): Promise<number[]> {
  const free = await Promise.all(ports.map(isFree))
  return ports.filter((_, i) => !free[i])
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: LOCAL_HOST, port, exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}

const SUGGESTIONS_MAX = 20

/**
 * Makes sure that all ports are free.
 * @throws CassioError CASSIO_ADDRESS_IN_USE naming those that are taken, and where there is room.
 */
export async function requireFreePorts(ports: readonly number[]): Promise<void> {
  const taken = await takenPorts(ports)
  if (taken.length === 0) return
  const room = await freeBasePort(ports)
  throw new CassioError(
    'CASSIO_ADDRESS_IN_USE',
    `${taken.length === 1 ? 'port' : 'ports'} ${taken.join(', ')} on ${LOCAL_HOST} ` +
      `${taken.length === 1 ? 'is' : 'are'} taken; stop what listens there` +
      (room === undefined ? ' or choose another --base-port' : ` or use --base-port ${room}`),
  )
}

/** A base port a little above with room for as many nodes, if one is found soon. */
async function freeBasePort(ports: readonly number[]): Promise<number | undefined> {
  for (let i = 1; i <= SUGGESTIONS_MAX; i += 1) {
    const base = ports[0]! + 10 * i
    if (base + ports.length - 1 > PORT_MAX) return undefined
    if ((await takenPorts(portsFrom(base, ports.length))).length === 0) return base
  }
  return undefined
}
