import type { NodeStatus } from '@cassiopeia/protocol'
import { ExitCode } from '../../exit-codes'
import { type Io, say } from '../../io'
import { addressOf } from '../../local-cluster/node-arguments'
import { isNodeRunning } from '../../local-cluster/running'
import { type ClusterState, nodeLogPath, readState } from '../../local-cluster/state-file'
import { errorToJson, renderError } from '../../render/error'
import { renderStatus } from '../../render/status'
import type { Style } from '../../render/style'
import { renderTable } from '../../render/table'
import { readSecret } from '../secret'

export interface StatusFlags {
  readonly data: string
  readonly secretFile?: string
  readonly json?: boolean
}

interface ProcessStatus {
  readonly address: string
  readonly pid: number | null
  readonly running: boolean
  readonly log: string
}

/** How long the members' table may take; the processes' table does not wait for it. */
const ASK_TIMEOUT_MS = 5_000

/** `cassio cluster status`. @returns `ExitCode.no` unless all nodes run. */
export async function status(flags: StatusFlags, io: Io): Promise<number> {
  const state = readState(flags.data)
  if (state === undefined) {
    say(io, `no cluster has been started in ${flags.data}; cassio cluster start starts one`)
    if (flags.json) print(io, JSON.stringify({ directory: flags.data, nodes: [], status: null }))
    return ExitCode.no
  }
  const processes = processesOf(flags.data, state)
  if (!flags.json) print(io, renderProcesses(processes, io.outputStyle))
  const found = await askMembers(processes, flags.secretFile ?? state.secretFile ?? undefined, io)
  if (flags.json) {
    const members = found.status ?? null
    const failure = found.error === undefined ? {} : JSON.parse(errorToJson(found.error))
    const answer = { directory: flags.data, nodes: processes, status: members, ...failure }
    print(io, JSON.stringify(answer))
  } else if (found.status !== undefined) {
    print(io, `\n${renderStatus(found.status, false, io.outputStyle)}`)
  } else if (found.error !== undefined) {
    say(io, renderError(found.error, io.errorStyle))
  }
  return processes.every((each) => each.running) ? ExitCode.ok : ExitCode.no
}

function processesOf(directory: string, state: ClusterState): ProcessStatus[] {
  return state.nodes.map((node) => ({
    address: addressOf(node.port),
    pid: node.process?.pid ?? null,
    running: isNodeRunning(node),
    log: nodeLogPath(directory, node.port),
  }))
}

function renderProcesses(processes: readonly ProcessStatus[], style: Style): string {
  const rows = processes.map(({ address, pid, running, log }) => {
    // A process that is recorded and gone has not been stopped by us.
    const state = running ? style.green('running') : pid === null ? 'stopped' : style.red('died')
    return [address, pid === null ? '-' : String(pid), state, log]
  })
  const columns = [
    { title: 'ADDRESS' },
    { title: 'PID', align: 'right' },
    { title: 'PROCESS' },
    { title: 'LOG' },
  ] as const
  return renderTable(columns, rows, style)
}

async function askMembers(
  processes: readonly ProcessStatus[],
  secretFile: string | undefined,
  io: Io,
): Promise<{ status?: NodeStatus; error?: unknown }> {
  const contactPoints = processes.filter((each) => each.running).map((each) => each.address)
  if (contactPoints.length === 0) return {}
  // Loaded late: there may be nobody to ask.
  const { openClient } = require('../connect') as typeof import('../connect')
  const secret = readSecret(secretFile, io.environment)
  const { client } = openClient({
    contactPoints,
    secret,
    consistency: undefined,
    timeoutMs: ASK_TIMEOUT_MS,
  })
  try {
    return { status: await client.status(undefined, { timeoutMs: ASK_TIMEOUT_MS }) }
  } catch (error) {
    return { error }
  } finally {
    await client.disconnect()
  }
}

function print(io: Io, text: string): void {
  io.output.write(`${text}\n`)
}
