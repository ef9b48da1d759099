import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Cluster, cassio, startCassio } from './processes'
import { Cleanup, freePorts, isFree, LOCAL_HOST, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const LINES = 'set ryan jiang\nget ryan\ndel ryan\nget ryan\n'

/** Where a local cluster may live; whatever is left of it in the end is killed. */
async function place(): Promise<{ data: string; base: number; flags: string[] }> {
  const data = join(await cleanup.directory(), 'cluster')
  const base = await freePorts(3)
  cleanup.add(async () => {
    for (const pid of (await pidsIn(data)).filter(isRunning)) process.kill(pid, 'SIGKILL')
  })
  return { data, base, flags: ['--base-port', String(base), '--data', data] }
}

async function pidsIn(data: string): Promise<number[]> {
  const text = await readFile(join(data, 'cluster.json'), 'utf8').catch(() => '{"nodes":[]}')
  const { nodes } = JSON.parse(text) as { nodes: { process: { pid: number } | null }[] }
  return nodes.flatMap((node) => (node.process === null ? [] : [node.process.pid]))
}

/** A process that has ended and that nobody has asked about yet does not run. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return (
      process.platform !== 'linux' || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    )
  } catch {
    return false
  }
}

const portsFree = (base: number) => Promise.all([0, 1, 2].map((i) => isFree(base + i)))

describe('processes: the cluster of the command', () => {
  test('cluster start --shell: lines from a pipe: exactly their answers, nothing left running', async () => {
    const { data, base, flags } = await place()
    const args = ['cluster', 'start', '--nodes', '3', ...flags, '--shell']
    const started = startCassio(args, cleanup, { input: LINES })
    const pids = await until('nodes run', async () => {
      const found = await pidsIn(data)
      return (found.length === 3 || started.exit !== undefined) && found
    })
    const { code, stdout, stderr } = await started.exited
    expect(stdout).toBe('OK\n"jiang"\nOK\n(not found)\n')
    expect(code).toBe(0)
    expect(stderr).toContain('stopped 3 nodes')
    expect(pids.filter(isRunning)).toEqual([])
    expect(await pidsIn(data)).toEqual([])
    expect(await portsFree(base)).toEqual([true, true, true])

    // The same directory again, without saying what it holds.
    const again = await cassio(['cluster', 'start', '--data', data, '--shell'], cleanup, {
      input: 'get ryan\nset kept yes\nnonsense\nget kept\n',
    })
    expect(again).toEqual({
      code: 2,
      signal: null,
      stdout: '(not found)\nOK\n"yes"\n',
      stderr: expect.stringContaining('nonsense'),
    })
    expect(await portsFree(base)).toEqual([true, true, true])
    // Nodes that know their cluster from disk: ready still means that it can be asked at once.
    for (let turn = 0; turn < 3; turn += 1) {
      const input = 'get kept\n'
      const more = await cassio(['cluster', 'start', '--data', data, '--shell'], cleanup, { input })
      expect(more).toMatchObject({ code: 0, stdout: '"yes"\n' })
    }
  })

  test('cluster start --detach, status, verbs, stop: exit codes and JSON', async () => {
    const { data, base, flags } = await place()
    const contact = ['--contact', `${LOCAL_HOST}:${base}`]
    const run = (...args: string[]) => cassio(args, cleanup)
    const json = (stdout: string) => {
      expect(stdout.endsWith('\n')).toBe(true)
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown)
    }
    const addresses = [0, 1, 2].map((i) => `${LOCAL_HOST}:${base + i}`)
    const started = await run('cluster', 'start', ...flags, '--detach', '--json')
    expect(started.code).toBe(0)
    expect(json(started.stdout)).toEqual([
      expect.objectContaining({ directory: data, addresses, started: 3, epoch: 1 }),
    ])
    const pids = await pidsIn(data)
    expect(pids.filter(isRunning)).toHaveLength(3)
    // Started again, it has nothing to do.
    const twice = await run('cluster', 'start', '--data', data, '--detach', '--json')
    expect(json(twice.stdout)).toMatchObject([{ started: 0 }])
    expect(await pidsIn(data)).toEqual(pids)

    const status = await run('cluster', 'status', '--data', data, '--json')
    expect(status.code).toBe(0)
    expect(json(status.stdout)).toMatchObject([
      {
        nodes: addresses.map((address, i) => ({ address, pid: pids[i], running: true })),
        status: { epoch: 1, replicationFactor: 3, missing: [] },
      },
    ])

    expect(await run('set', 'ryan', 'jiang', ...contact)).toMatchObject({ code: 0, stdout: 'OK\n' })
    const set = await run('set', 'ryan', 'jiang', '--json', '--consistency', 'ALL', ...contact)
    expect(set.code).toBe(0)
    expect(json(set.stdout)).toMatchObject([
      { key: 'ryan', acknowledged: 3, required: 3, superseded: false },
    ])
    expect(await run('get', 'ryan', ...contact)).toMatchObject({ code: 0, stdout: '"jiang"\n' })
    const get = await run('get', 'ryan', '--json', ...contact)
    expect(json(get.stdout)).toMatchObject([{ key: 'ryan', found: true, value: 'jiang' }])
    const missing = await run('get', 'nobody', ...contact)
    expect(missing).toMatchObject({ code: 1, stdout: '(not found)\n', stderr: '' })
    const none = await run('get', 'nobody', '--json', ...contact)
    expect(none.code).toBe(1)
    expect(json(none.stdout)).toEqual([{ key: 'nobody', found: false }])
    expect(await run('exists', 'nobody', ...contact)).toMatchObject({ code: 1, stdout: 'false\n' })
    expect(await run('del', 'ryan', ...contact)).toMatchObject({ code: 0, stdout: 'OK\n' })
    expect((await run('get', 'ryan', ...contact)).code).toBe(1)

    for (const wrong of [
      ['get', 'ryan', '--consistency', 'SOME', ...contact],
      ['set', 'ryan', ...contact],
      ['get', 'ryan', '--contact', 'no address'],
      ['get', 'ryan', '--contact', `${LOCAL_HOST}:1`, '--timeout-ms', '300'],
    ]) {
      const plain = await run(...wrong)
      expect([plain.code, plain.stdout]).toEqual([2, ''])
      expect(plain.stderr).toMatch(/CASSIO_[A-Z]+/)
      const { code, stdout, stderr } = await run(...wrong, '--json')
      expect([code, stdout]).toEqual([2, ''])
      expect(json(stderr)).toMatchObject([{ error: { code: expect.stringMatching(/^CASSIO_/) } }])
    }

    // One dies: the answer is no, and says who.
    process.kill(pids[1]!, 'SIGKILL')
    const died = await until('the dead node shows', async () => {
      const found = await run('cluster', 'status', '--data', data, '--json')
      return found.code === 1 && found
    })
    expect(json(died.stdout)).toMatchObject([
      { nodes: [{ running: true }, { running: false, pid: pids[1] }, { running: true }] },
    ])
    const back = await run('cluster', 'start', '--data', data, '--detach', '--json')
    expect(json(back.stdout)).toMatchObject([{ started: 1 }])

    const all = await pidsIn(data)
    const stopped = await run('cluster', 'stop', '--data', data, '--json')
    expect(stopped.code).toBe(0)
    expect(json(stopped.stdout)).toEqual([{ directory: data, stopped: 3 }])
    expect(all.filter(isRunning)).toEqual([])
    expect((await run('cluster', 'status', '--data', data)).code).toBe(1)
    const idle = await run('cluster', 'stop', '--data', data, '--json')
    expect([idle.code, ...json(idle.stdout)]).toEqual([0, { directory: data, stopped: 0 }])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'cluster start in the foreground: %s: all stop cleanly',
    async (signal) => {
      const { data, base, flags } = await place()
      const started = startCassio(['cluster', 'start', '--nodes', '3', ...flags], cleanup)
      await until('it runs', () => started.stderr.includes('Ctrl-C stops it'))
      const pids = await pidsIn(data)
      expect(pids.filter(isRunning)).toHaveLength(3)
      started.signal(signal)
      const { code, stdout, stderr } = await started.exited
      expect([code, stdout]).toEqual([0, ''])
      expect(stderr).toContain('stopped 3 nodes')
      expect(stderr).not.toContain('killing')
      expect(pids.filter(isRunning)).toEqual([])
      expect(await portsFree(base)).toEqual([true, true, true])
      for (const i of [0, 1, 2]) {
        const log = await readFile(join(data, String(base + i), 'node.log'), 'utf8')
        expect(log).toContain('"event":"stopped"')
        expect(log).not.toContain('"level":"error"')
      }
    },
  )

  test('cluster start: its own process is killed: no node outlives it', async () => {
    const { data, base, flags } = await place()
    const started = startCassio(['cluster', 'start', '--nodes', '3', ...flags], cleanup)
    await until('it runs', () => started.stderr.includes('Ctrl-C stops it'))
    const pids = await pidsIn(data)
    await started.kill()
    await until('the nodes have ended', () => pids.filter(isRunning).length === 0)
    expect(await portsFree(base)).toEqual([true, true, true])
  })

  test('node: SIGTERM under load: exit code 0, the next start finds no torn bytes (RF=3)', async () => {
    const cluster = await Cluster.start(cleanup)
    const client = await cluster.client()
    const acknowledged: string[] = []
    let isOver = false
    const workers = Array.from({ length: 16 }, async (_, worker) => {
      for (let i = 0; !isOver; i += 1) {
        const key = `${worker}-${i}`
        await client.set(key, key)
        acknowledged.push(key)
      }
    })
    await until('some writes', () => acknowledged.length > 500)
    const [node] = cluster.nodes
    const { code, signal } = await node!.stop()
    expect([code, signal]).toEqual([0, null])
    const atStop = acknowledged.length
    await until('writes without it', () => acknowledged.length > atStop + 200)
    isOver = true
    await Promise.all(workers)

    node!.start()
    await node!.untilSaid('listening')
    const replay = node!.log.find(({ event }) => event === 'store opened')
    expect(replay).toMatchObject({ tornBytes: 0 })
    expect(node!.log.map(({ event }) => event)).not.toContain('torn tail cut')
    await cluster.untilWhole()
    expect(await client.getMany(acknowledged, { consistency: 'ALL' })).toEqual(acknowledged)
  })
})
