import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { KeyedRandom, temporaryDirectory } from '@cassiopeia/env'

/** What tests of real processes need of the machine: ports, directories, patience, chance. */

export const LOCAL_HOST = '127.0.0.1'

const LOOK_EVERY_MS = 15
/** Whatever has not come about by then will not: far above what a slow machine needs. */
export const PATIENCE_MS = 20_000

/** Runs what tests have put into it, the last first, whether or not they passed. */
export class Cleanup {
  private readonly steps: (() => unknown)[] = []

  add(step: () => unknown): void {
    this.steps.push(step)
  }

  /** @throws the first error, after all steps have run. */
  async run(): Promise<void> {
    const errors: unknown[] = []
    for (const step of this.steps.splice(0).reverse()) {
      try {
        await step()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  async directory(): Promise<string> {
    const directory = await temporaryDirectory('cassio-integration')
    this.add(() => directory.remove())
    return directory.path
  }
}

/**
 * Looks again and again until `look` finds something; an error that it throws is one more "not yet".
 * @throws Error naming `what`, and the last error, when the time is up.
 */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | undefined | false> | Found | undefined | false,
  patienceMs = PATIENCE_MS,
): Promise<Found> {
  const untilMs = performance.now() + patienceMs
  let last: unknown
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() > untilMs) {
      const why = last === undefined ? '' : `: ${(last as Error).message}`
      throw new Error(`not within ${patienceMs} ms: ${what}${why}`, { cause: last })
    }
    await pause(LOOK_EVERY_MS)
  }
}

/**
 * Below the ports that systems give to outgoing connections: none of those, and no dialler that meets
 * itself, can take the port of a node that is down.
 */
const PORT_MIN = 10_000
const PORT_MAX = 32_000
const TRIES_MAX = 100

/** @returns the first of `count` free ports in a row, chosen by chance. */
export async function freePorts(count: number): Promise<number> {
  for (let i = 0; i < TRIES_MAX; i += 1) {
    const base = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN - count))
    const ports = Array.from({ length: count }, (_, k) => base + k)
    const free = await Promise.all(ports.map(isFree))
    if (free.every(Boolean)) return base
  }
  throw new Error(`no ${count} free ports in a row after ${TRIES_MAX} tries`)
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** The seed of this run: CASSIO_SEED, or a new one. */
export function chooseSeed(): number {
  const given = process.env.CASSIO_SEED
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
}

/** Prints the seed; the same command with CASSIO_SEED makes the same choices again. */
export function seededRandom(stream: string): KeyedRandom {
  const seed = chooseSeed()
  const { testPath, currentTestName } = expect.getState()
  process.stderr.write(`CASSIO_SEED=${seed} npx jest ${testPath} -t '${currentTestName}'\n`)
  return new KeyedRandom(seed, stream)
}
