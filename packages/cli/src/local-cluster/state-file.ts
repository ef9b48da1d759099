import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CassioError } from '@cassiopeia/protocol'
import type { ProcessIdentity } from './process-identity'

/**
 * DIR/cluster.json: what a local cluster is made of and which processes run it, so that another
 * command finds it again. It stays when the cluster stops, without the processes.
 */
export interface ClusterState {
  readonly version: 1
  readonly replicationFactor: number
  /** Absolute path; the secret itself is not kept. */
  readonly secretFile: string | null
  readonly nodes: readonly NodeState[]
}

export interface NodeState {
  readonly port: number
  /** Null while the node is not meant to run. */
  readonly process: ProcessIdentity | null
}

export function statePath(directory: string): string {
  return join(directory, 'cluster.json')
}

/** Where a node keeps its data and its log. */
export function nodeDirectory(directory: string, port: number): string {
  return join(directory, String(port))
}

export function nodeLogPath(directory: string, port: number): string {
  return join(nodeDirectory(directory, port), 'node.log')
}

/**
 * @returns undefined when no cluster has been started in `directory`.
 * @throws CassioError CASSIO_CONFIG when the file is there and cannot be read.
 */
export function readState(directory: string): ClusterState | undefined {
  const path = statePath(directory)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CassioError('CASSIO_CONFIG', `${path} cannot be read: ${(error as Error).message}`)
  }
  const state = parseState(text)
  if (state !== undefined) return state
  throw new CassioError(
    'CASSIO_CONFIG',
    `${path} is not the record of a local cluster; end its nodes, if any run, and remove the file`,
  )
}

/** Replaces the file whole: a reader sees the state before or after, never half of it. */
export function writeState(directory: string, state: ClusterState): void {
  mkdirSync(directory, { recursive: true })
  const path = statePath(directory)
  const aside = `${path}.${process.pid}`
  writeFileSync(aside, `${JSON.stringify(state, null, 2)}\n`)
  renameSync(aside, path)
}

/** Puts back what `readState` had found before a start that failed. */
export function restoreState(directory: string, earlier: ClusterState | undefined): void {
  if (earlier === undefined) rmSync(statePath(directory), { force: true })
  else writeState(directory, earlier)
}

/** @returns undefined when the text is no state of version 1. */
export function parseState(text: string): ClusterState | undefined {
  let state: ClusterState
  try {
    state = JSON.parse(text) as ClusterState
  } catch {
    return undefined
  }
  const isSound =
    state?.version === 1 &&
    isCount(state.replicationFactor) &&
    (state.secretFile === null || typeof state.secretFile === 'string') &&
    Array.isArray(state.nodes) &&
    state.nodes.length > 0 &&
    state.nodes.every(isNodeState)
  return isSound ? state : undefined
}

function isNodeState(node: NodeState | null): boolean {
  if (!isCount(node?.port)) return false
  const owner = node!.process
  if (owner === null) return true
  const { startedAs } = owner ?? {}
  return isCount(owner?.pid) && (startedAs === null || typeof startedAs === 'string')
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}
