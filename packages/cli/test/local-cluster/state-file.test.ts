import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ClusterState,
  nodeLogPath,
  parseState,
  readState,
  restoreState,
  statePath,
  writeState,
} from '../../src/local-cluster/state-file'

const STATE: ClusterState = {
  version: 1,
  replicationFactor: 3,
  secretFile: null,
  nodes: [
    { port: 9000, process: { pid: 4321, startedAs: 'boot:12' } },
    { port: 9001, process: { pid: 4322, startedAs: null } },
    { port: 9002, process: null },
  ],
}

describe('state file', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cassio-state-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('what is written: is read, and nothing is left beside it', () => {
    const deep = join(directory, 'a', 'b')
    writeState(deep, STATE)
    expect(readState(deep)).toEqual(STATE)
    expect(readdirSync(deep)).toEqual(['cluster.json'])
  })

  test('no file: no cluster', () => {
    expect(readState(directory)).toBeUndefined()
  })

  test('a start that failed: leaves what was there before', () => {
    writeState(directory, STATE)
    restoreState(directory, undefined)
    expect(readState(directory)).toBeUndefined()
    restoreState(directory, STATE)
    expect(readState(directory)).toEqual(STATE)
  })

  test('a file that is something else: is an error that names it', () => {
    writeFileSync(statePath(directory), '{"version":1}')
    expect(() => readState(directory)).toThrow(/cluster\.json is not the record/)
  })

  test.each<[string, unknown]>([
    ['no JSON', 'x'],
    ['null', null],
    ['another version', { ...STATE, version: 2 }],
    ['no nodes', { ...STATE, nodes: [] }],
    ['a null node', { ...STATE, nodes: [null] }],
    ['a bad port', { ...STATE, nodes: [{ port: 'x', process: null }] }],
    ['pid 0, which would be our own group', { ...STATE, nodes: [node(0)] }],
    ['a negative pid, which would be a group', { ...STATE, nodes: [node(-1)] }],
    ['no process', { ...STATE, nodes: [{ port: 1 }] }],
    ['a bad secret file', { ...STATE, secretFile: 5 }],
  ])('%s: is no state', (_, state) => {
    expect(parseState(typeof state === 'string' ? state : JSON.stringify(state))).toBeUndefined()
  })

  test('logs: lie with the data of their node', () => {
    expect(nodeLogPath('data', 9000)).toBe(join('data', '9000', 'node.log'))
  })
})

function node(pid: number) {
  return { port: 1, process: { pid, startedAs: null } }
}
