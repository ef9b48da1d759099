import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logTail } from '../../src/local-cluster/log-tail'
import { identityOf, isRunning, startedAs } from '../../src/local-cluster/process-identity'
import { isNodeRunning, stopCluster } from '../../src/local-cluster/running'
import { readState, writeState } from '../../src/local-cluster/state-file'
import { stopProcesses } from '../../src/local-cluster/stop-processes'

const children: ChildProcess[] = []

/** A process that runs `code`, then says that it does, then waits. */
function start(code: string): Promise<ChildProcess> {
  const program = `${code}; setInterval(() => {}, 1000); process.stdout.write('up')`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return new Promise((resolve) => child.stdout!.once('data', () => resolve(child)))
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('exit', () => resolve()))
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

describe('processes: identity', () => {
  test('this process: runs, under its own name only', () => {
    const identity = identityOf(process.pid)
    expect(isRunning(identity)).toBe(true)
    expect(isRunning({ pid: process.pid, startedAs: 'boot:1' })).toBe(
      startedAs(process.pid) === undefined,
    )
    expect(isRunning({ pid: process.pid, startedAs: null })).toBe(true)
  })

  test('a process that has ended: does not run', async () => {
    const child = await start('')
    const identity = identityOf(child.pid!)
    expect(isRunning(identity)).toBe(true)
    const end = ended(child)
    child.kill('SIGKILL')
    await end
    expect(isRunning(identity)).toBe(false)
  })
})

describe('processes: stopping', () => {
  test('those that end by themselves: are not killed', async () => {
    const identities = [await start(''), await start('')].map(({ pid }) => identityOf(pid!))
    const warn = jest.fn()
    expect(await stopProcesses(identities, warn)).toEqual([])
    expect(identities.some(isRunning)).toBe(false)
    expect(warn).not.toHaveBeenCalled()
  })

  test('one that does not end: is killed after the grace, with a warning', async () => {
    const identity = identityOf((await start("process.on('SIGTERM', () => {})")).pid!)
    const warn = jest.fn()
    expect(await stopProcesses([identity], warn, 1)).toEqual([])
    expect(isRunning(identity)).toBe(false)
    expect(warn).toHaveBeenCalledWith([identity])
  })

  test('a pid that was given out again: is left alone', async () => {
    const child = await start('')
    if (startedAs(child.pid!) === undefined) return
    const stranger = { pid: child.pid!, startedAs: 'another boot:1' }
    expect(await stopProcesses([stranger], jest.fn())).toEqual([])
    expect(isRunning(identityOf(child.pid!))).toBe(true)
  })

  test('a cluster: its processes end, its record stays without them', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cassio-stop-'))
    const process = identityOf((await start('')).pid!)
    const nodes = [
      { port: 9000, process },
      { port: 9001, process: null },
    ]
    writeState(directory, { version: 1, replicationFactor: 2, secretFile: null, nodes })
    expect(nodes.map(isNodeRunning)).toEqual([true, false])
    expect(await stopCluster(directory, jest.fn(), [process])).toBe(1)
    expect(readState(directory)?.nodes).toEqual(nodes.map(({ port }) => ({ port, process: null })))
    expect(await stopCluster(directory, jest.fn())).toBe(0)
    rmSync(directory, { recursive: true })
  })
})

describe('processes: the end of a log', () => {
  test('long, short, missing: the last lines, or none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'cassio-log-'))
    const path = join(directory, 'node.log')
    expect(logTail(path, 3)).toEqual([])
    writeFileSync(path, '')
    expect(logTail(path, 3)).toEqual([])
    writeFileSync(path, 'a\nb\n')
    expect(logTail(path, 3)).toEqual(['a', 'b'])
    writeFileSync(path, Array.from({ length: 10_000 }, (_, i) => `line ${i}\n`).join(''))
    expect(logTail(path, 2)).toEqual(['line 9998', 'line 9999'])
    rmSync(directory, { recursive: true })
  })
})
