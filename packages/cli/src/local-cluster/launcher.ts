import { setTimeout as pause } from 'node:timers/promises'
import { CassioError, type NodeCause } from '@cassiopeia/protocol'
import { formatDuration } from '../units'
import { logTail } from './log-tail'
import { type ClusterPlan, nodeArguments, nodeEnvironment } from './node-arguments'
import { type Formed, type NodeExit, NodeProcess } from './node-process'
import { nodeLogPath } from './state-file'
import { stopProcesses } from './stop-processes'

/** Lines of a dead node's log that are shown. */
const LOG_TAIL_LINES = 8

export interface LaunchOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly startTimeoutMs: number
  /** Ends the start and the nodes that it has begun. */
  readonly signal: AbortSignal
  /** Called when the processes run, before they have agreed. */
  readonly onStarted: (processes: readonly NodeProcess[]) => void
  readonly onProgress: (line: string) => void
}

export interface Launched {
  readonly processes: readonly NodeProcess[]
  readonly formed: Formed
}

/**
 * Starts the nodes of `plan` on `ports`, which may be some of them only, and waits until each of them
 * reports the same cluster map. When that fails, the nodes it started are stopped again.
 *
 * @throws CassioError what the first node said that ended, with the others' reasons as causes;
 *   CASSIO_UNAVAILABLE, naming the nodes that have not agreed; CASSIO_ABORTED after `signal`.
 */
export async function launch(
  plan: ClusterPlan,
  ports: readonly number[],
  options: LaunchOptions,
): Promise<Launched> {
  const processes: NodeProcess[] = []
  try {
    const environment = nodeEnvironment(options.environment)
    for (const port of ports) {
      const args = nodeArguments(plan, port)
      processes.push(await NodeProcess.start(plan.directory, port, args, environment))
    }
    options.onStarted(processes)
    return { processes, formed: await untilFormed(plan, processes, options) }
  } catch (error) {
    const identities = processes.map((each) => each.identity)
    await stopProcesses(identities, () => options.onProgress('killing nodes that do not stop'))
    throw error instanceof DeadNode ? await reasonOf(plan, error, processes) : error
  }
}

/** A node ended before the cluster had formed. */
class DeadNode extends Error {
  constructor(
    readonly process: NodeProcess,
    readonly exit: NodeExit,
  ) {
    super('a node ended')
  }
}

async function untilFormed(
  plan: ClusterPlan,
  processes: readonly NodeProcess[],
  { startTimeoutMs, signal, onProgress }: LaunchOptions,
): Promise<Formed> {
  const waitingFor = new Set(processes)
  const allFormed = Promise.all(
    processes.map(async (each) => {
      const formed = await each.formed
      waitingFor.delete(each)
      onProgress(`node ${each.address} is ready (pid ${each.identity.pid})`)
      return formed
    }),
  )
  const anyDead = Promise.race(
    processes.map(async (each) => {
      throw new DeadNode(each, await each.exited)
    }),
  )
  const over = new AbortController()
  const anySignal = AbortSignal.any([signal, over.signal])
  const tooLate = pause(startTimeoutMs, undefined, { signal: anySignal }).then(
    () => {
      const late = [...waitingFor].map((each) => each.address).join(', ')
      throw new CassioError(
        'CASSIO_UNAVAILABLE',
        `after ${formatDuration(startTimeoutMs)} ${late} had not joined the cluster; ` +
          `their logs are ${plan.directory}/PORT/node.log`,
      )
    },
    () => {
      throw new CassioError('CASSIO_ABORTED', 'the start was interrupted')
    },
  )
  try {
    const all = await Promise.race([allFormed, anyDead, tooLate])
    return requireSameMap(processes, all)
  } finally {
    over.abort()
    // These go on to reject when nobody listens any more.
    anyDead.catch(() => {})
    tooLate.catch(() => {})
  }
}

function requireSameMap(processes: readonly NodeProcess[], all: readonly Formed[]): Formed {
  const first = all[0]!
  const same = all.every(({ clusterId, epoch }) => {
    return clusterId === first.clusterId && epoch === first.epoch
  })
  if (same) return first
  const maps = all.map((map, i) => `${processes[i]!.address}: ${map.clusterId} epoch ${map.epoch}`)
  throw new CassioError('CASSIO_INTERNAL', `the nodes report different maps: ${maps.join(', ')}`)
}

/** The error of the node that died first; what the others said of themselves is its causes. */
async function reasonOf(
  plan: ClusterPlan,
  { process, exit }: DeadNode,
  processes: readonly NodeProcess[],
): Promise<CassioError> {
  const others = processes.filter((each) => each !== process)
  const exits = await Promise.all(others.map((each) => each.exited))
  const causes: NodeCause[] = exits.flatMap(({ error }, i) => {
    if (error === undefined) return []
    return [{ node: others[i]!.address, code: error.code, message: error.message }]
  })
  const { error } = exit
  if (error !== undefined) {
    return new CassioError(error.code, `node ${process.address}: ${error.message}`, { causes })
  }
  return new CassioError('CASSIO_INTERNAL', renderDeath(plan.directory, process, exit), { causes })
}

/** Which node ended and how, and what it wrote last. */
export function renderDeath(directory: string, process: NodeProcess, exit: NodeExit): string {
  const path = nodeLogPath(directory, process.port)
  const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`
  const why = exit.error === undefined ? '' : ` (${exit.error.code}: ${exit.error.message})`
  const tail = logTail(path, LOG_TAIL_LINES, process.logFrom).map((line) => `  ${line}`)
  return [
    `node ${process.address} (pid ${process.identity.pid}) ended with ${how}${why}`,
    ...(tail.length === 0
      ? [`it wrote nothing to its log, ${path}`]
      : [`the end of its log, ${path}:`]),
    ...tail,
  ].join('\n')
}
