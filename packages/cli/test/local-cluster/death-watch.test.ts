import { CassioError } from '@cassiopeia/protocol'
import { ExitCode } from '../../src/exit-codes'
import { DeathWatch } from '../../src/local-cluster/death-watch'
import type { NodeExit, NodeProcess } from '../../src/local-cluster/node-process'
import { Notices } from '../../src/shell/notices'

const PLAN = {
  directory: 'no-such-directory',
  ports: [9000, 9001],
  replicationFactor: 2,
  secretFile: undefined,
  nodeFlags: [],
}

/** Two nodes that end when the test says so. */
function watchTwo() {
  const told: string[] = []
  const ends: ((exit: NodeExit) => void)[] = []
  const processes = PLAN.ports.map((port) => ({
    port,
    address: `127.0.0.1:${port}`,
    identity: { pid: port, startedAs: null },
    logFrom: 0,
    exited: new Promise<NodeExit>((resolve) => ends.push(resolve)),
  }))
  const notices = new Notices((text) => told.push(text))
  const watch = new DeathWatch(PLAN, processes as unknown as NodeProcess[], notices)
  return { watch, ends, told }
}

const STOPPED: NodeExit = { code: 0, signal: null, error: undefined }
const KILLED: NodeExit = { code: null, signal: 'SIGKILL', error: undefined }

describe('death watch', () => {
  const never = new AbortController().signal

  test('a node that dies: is named, with how, why and what to do; the others go on', async () => {
    const { watch, ends, told } = watchTwo()
    const error = new CassioError('CASSIO_STORAGE', 'no space left')
    ends[0]!({ code: 3, signal: null, error })
    ends[1]!(KILLED)
    expect(await watch.untilOver(never)).toBe(ExitCode.error)
    expect(told[0]).toContain('node 127.0.0.1:9000 (pid 9000) ended with exit code 3')
    expect(told[0]).toContain('(CASSIO_STORAGE: no space left)')
    expect(told[0]).toContain('cassio cluster start --detach --data no-such-directory')
    expect(told[1]).toContain('ended with signal SIGKILL')
    expect(told[1]).toContain('wrote nothing to its log')
  })

  test('nodes stopped by another command: no error', async () => {
    const { watch, ends, told } = watchTwo()
    for (const end of ends) end(STOPPED)
    expect(await watch.untilOver(never)).toBe(ExitCode.ok)
    expect(told).toEqual(['node 127.0.0.1:9000 was stopped', 'node 127.0.0.1:9001 was stopped'])
  })

  test('a signal: ends the watch, and what ends afterwards is not told', async () => {
    const { watch, ends, told } = watchTwo()
    const stop = new AbortController()
    const over = watch.untilOver(stop.signal)
    stop.abort()
    expect(await over).toBe(ExitCode.ok)
    watch.end()
    for (const end of ends) end(KILLED)
    await new Promise(setImmediate)
    expect(told).toEqual([])
  })
})
