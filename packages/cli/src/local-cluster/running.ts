import { CassioError } from '@cassiopeia/protocol'
import { isRunning, type ProcessIdentity } from './process-identity'
import { type ClusterState, type NodeState, readState, writeState } from './state-file'
import { stopProcesses } from './stop-processes'

export function isNodeRunning(node: NodeState): boolean {
  return node.process !== null && isRunning(node.process)
}

/**
 * Stops all nodes that the state file of `directory` and `also` name, and records that they are gone.
 * @returns how many ran.
 * @throws CassioError CASSIO_INTERNAL when a process outlives even SIGKILL.
 */
export async function stopCluster(
  directory: string,
  say: (line: string) => void,
  also: readonly ProcessIdentity[] = [],
): Promise<number> {
  const state = readState(directory)
  const recorded = state?.nodes.flatMap((node) => (node.process === null ? [] : [node.process]))
  const running = uniqueByPid([...(recorded ?? []), ...also]).filter(isRunning)
  const left = await stopProcesses(running, (stubborn) => {
    const pids = stubborn.map(({ pid }) => pid).join(', ')
    say(`warning: killing what does not stop by itself: pid ${pids}`)
  })
  if (left.length > 0) {
    const pids = left.map(({ pid }) => pid).join(', ')
    throw new CassioError('CASSIO_INTERNAL', `pid ${pids} cannot be stopped`)
  }
  if (state !== undefined) writeState(directory, withoutProcesses(state))
  return running.length
}

function withoutProcesses(state: ClusterState): ClusterState {
  return { ...state, nodes: state.nodes.map((node) => ({ ...node, process: null })) }
}

function uniqueByPid(identities: readonly ProcessIdentity[]): ProcessIdentity[] {
  return [...new Map(identities.map((each) => [each.pid, each])).values()]
}
