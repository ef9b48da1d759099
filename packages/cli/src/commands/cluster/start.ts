import { CassioError } from '@cassiopeia/protocol'
import { ExitCode } from '../../exit-codes'
import { type Io, say } from '../../io'
import { DeathWatch } from '../../local-cluster/death-watch'
import { type Launched, launch } from '../../local-cluster/launcher'
import { addressOf, type ClusterPlan } from '../../local-cluster/node-arguments'
import type { NodeProcess } from '../../local-cluster/node-process'
import { requireFreePorts } from '../../local-cluster/ports'
import { isNodeRunning, stopCluster } from '../../local-cluster/running'
import {
  type ClusterState,
  readState,
  restoreState,
  writeState,
} from '../../local-cluster/state-file'
import { stopProcesses } from '../../local-cluster/stop-processes'
import { untilAlive } from '../../local-cluster/until-alive'
import { Notices } from '../../shell/notices'
import { StopRequest } from '../../signals'
import { type ConnectSettings, openClient } from '../connect'
import { readWholeNumber } from '../flags'
import { config, readSecret } from '../secret'
import { openShell } from '../shell'
import { whileLocked } from './directory'
import { type PlanFlags, planCluster } from './plan'

export interface StartFlags extends PlanFlags {
  readonly detach?: boolean
  readonly shell?: boolean
  readonly json?: boolean
  readonly startTimeoutMs: string
}

/**
 * `cassio cluster start`. The nodes are processes of their own; this one starts them, waits until
 * they have agreed, and then goes (--detach), opens a shell (--shell) or stays until it is stopped.
 */
export async function start(flags: StartFlags, io: Io): Promise<number> {
  if (flags.detach && flags.shell) throw config('--detach and --shell exclude each other')
  const stop = new StopRequest(['SIGINT', 'SIGTERM', 'SIGHUP'])
  const startTimeoutMs = readWholeNumber('--start-timeout-ms', flags.startTimeoutMs, 1, 86_400_000)
  try {
    const options = { startTimeoutMs, signal: stop.signal }
    const cluster = await whileLocked(flags.data, () => bringUp(flags, io, options))
    announce(cluster, flags, io)
    const code = await stay(cluster, flags, io, stop.signal)
    // A script that was cut short has not done its work; a cluster that was stopped has.
    return flags.shell ? stop.exitCode(code) : code
  } catch (error) {
    if (!stop.signal.aborted || !isAborted(error)) throw error
    say(io, 'interrupted; the nodes that had been started are stopped')
    return stop.exitCode(ExitCode.error)
  } finally {
    stop.forget()
  }
}

interface RunningCluster {
  readonly plan: ClusterPlan
  /** Undefined when all nodes ran already. */
  readonly launched: Launched | undefined
}

/** Starts what does not run yet. */
async function bringUp(
  flags: StartFlags,
  io: Io,
  limits: { startTimeoutMs: number; signal: AbortSignal },
): Promise<RunningCluster> {
  const earlier = readState(flags.data)
  const running = earlier?.nodes.filter(isNodeRunning) ?? []
  const plan = planCluster(flags, earlier)
  if (earlier !== undefined && running.length > 0) requireSameCluster(plan, earlier, running.length)
  const runningPorts = running.map((node) => node.port)
  const missing = plan.ports.filter((port) => !runningPorts.includes(port))
  if (missing.length === 0) return { plan, launched: undefined }
  if (running.length > 0 && !flags.detach) {
    throw config(
      `${running.length} of ${plan.ports.length} nodes in ${flags.data} run already; start the ` +
        `others with: cassio cluster start --detach --data ${flags.data}`,
    )
  }
  await requireFreePorts(missing)
  try {
    const launched = await launch(plan, missing, {
      ...limits,
      environment: io.environment,
      onStarted: (processes) => writeState(flags.data, stateOf(plan, earlier, processes)),
      onProgress: (line) => say(io, line),
    })
    await becomeAcquainted(plan, io, limits.signal)
    if (limits.signal.aborted) {
      const identities = launched.processes.map((each) => each.identity)
      await stopProcesses(identities, () => say(io, 'killing nodes that do not stop'))
      throw new CassioError('CASSIO_ABORTED', 'the start was interrupted')
    }
    return { plan, launched }
  } catch (error) {
    restoreState(flags.data, earlier)
    throw error
  }
}

/** How long nodes that have formed may take to reach each other before the start goes on without. */
const ACQUAINTANCE_TIMEOUT_MS = 5_000

/** Whoever is told that the cluster is ready may ask it at once. */
async function becomeAcquainted(plan: ClusterPlan, io: Io, signal: AbortSignal): Promise<void> {
  const addresses = plan.ports.map(addressOf)
  const { client } = openClient(connectSettings(plan, io))
  try {
    if (await untilAlive(client, addresses, ACQUAINTANCE_TIMEOUT_MS, signal)) return
    if (!signal.aborted) say(io, 'warning: not all nodes have reached each other yet')
  } finally {
    await client.disconnect()
  }
}

function requireSameCluster(plan: ClusterPlan, earlier: ClusterState, running: number): void {
  const ports = earlier.nodes.map((node) => node.port)
  const same =
    ports.join() === plan.ports.join() && earlier.replicationFactor === plan.replicationFactor
  if (same) return
  throw config(
    `${running} of ${ports.length} nodes run in ${plan.directory} with other settings (ports ` +
      `${ports.join(', ')}, RF ${earlier.replicationFactor}); stop them with: ` +
      `cassio cluster stop --data ${plan.directory}`,
  )
}

function stateOf(
  plan: ClusterPlan,
  earlier: ClusterState | undefined,
  started: readonly NodeProcess[],
): ClusterState {
  return {
    version: 1,
    replicationFactor: plan.replicationFactor,
    secretFile: plan.secretFile ?? null,
    nodes: plan.ports.map((port) => {
      const identity = started.find((each) => each.port === port)?.identity
      const before = earlier?.nodes.find((node) => node.port === port)?.process
      return { port, process: identity ?? before ?? null }
    }),
  }
}

function announce({ plan, launched }: RunningCluster, flags: StartFlags, io: Io): void {
  const addresses = plan.ports.map(addressOf)
  const count = `${addresses.length} ${addresses.length === 1 ? 'node' : 'nodes'}`
  const how = launched === undefined ? 'runs already' : 'is ready'
  say(io, `the cluster of ${count} in ${flags.data} ${how}: ${addresses.join(', ')}`)
  if (!flags.json) return
  const answer = { directory: flags.data, addresses, started: launched?.processes.length ?? 0 }
  io.output.write(`${JSON.stringify({ ...answer, ...launched?.formed })}\n`)
}

/** What comes after the start, until this command ends. */
async function stay(
  { plan, launched }: RunningCluster,
  flags: StartFlags,
  io: Io,
  signal: AbortSignal,
): Promise<number> {
  if (launched === undefined) {
    return flags.shell ? openClusterShell(plan, io, signal) : ExitCode.ok
  }
  const { processes } = launched
  if (flags.detach) {
    await Promise.all(processes.map((each) => each.release()))
    say(io, `stop it with: cassio cluster stop --data ${flags.data}`)
    return ExitCode.ok
  }
  const notices = new Notices((text) => say(io, text))
  const watch = new DeathWatch(plan, processes, notices)
  try {
    if (flags.shell) return await openClusterShell(plan, io, signal, notices)
    say(io, 'Ctrl-C stops it')
    return await watch.untilOver(signal)
  } finally {
    watch.end()
    const identities = processes.map((each) => each.identity)
    const stopped = await stopCluster(flags.data, (line) => say(io, line), identities)
    if (stopped > 0) say(io, `stopped ${stopped} ${stopped === 1 ? 'node' : 'nodes'}`)
  }
}

function connectSettings(plan: ClusterPlan, io: Io): ConnectSettings {
  return {
    contactPoints: plan.ports.map(addressOf),
    secret: readSecret(plan.secretFile, io.environment),
    consistency: undefined,
    timeoutMs: undefined,
  }
}

function openClusterShell(
  plan: ClusterPlan,
  io: Io,
  signal: AbortSignal,
  notices?: Notices,
): Promise<number> {
  const settings = connectSettings(plan, io)
  return openShell(settings, io, signal, notices)
}

function isAborted(error: unknown): boolean {
  return error instanceof CassioError && error.code === 'CASSIO_ABORTED'
}
