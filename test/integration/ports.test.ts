import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cassio, startCassio } from './processes'
import { occupyPort } from './sockets'
import { Cleanup, freePorts, isFree, LOCAL_HOST, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** The pids of processes whose arguments name the directory; nothing where there is no /proc. */
async function processesOf(directory: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const named = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return text.includes(directory)
    }),
  )
  return pids.filter((_, i) => named[i])
}

describe('processes: ports that are taken', () => {
  test('node: its port is taken: names it and what to do, and leaves the data free', async () => {
    const port = await freePorts(1)
    const release = await occupyPort(port, cleanup)
    const address = `${LOCAL_HOST}:${port}`
    const data = join(await cleanup.directory(), 'data')
    const args = ['node', '--listen', address, '--members', address, '--data', data, '--rf', '1']
    const { code, stdout, stderr } = await cassio(args, cleanup)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('CASSIO_ADDRESS_IN_USE')
    expect(stderr).toContain(address)
    expect(stderr).toContain('stop its owner or choose another port')
    expect(await processesOf(data)).toEqual([])

    await release()
    // The same data, with the port free: nothing was left locked or half made.
    const node = startCassio(args, cleanup)
    await until('the node has formed its cluster', () => node.stdout.includes('"formed"'))
    node.signal('SIGTERM')
    expect(await node.exited).toMatchObject({ code: 0 })
  })

  test.each([0, 1, 2])(
    'cluster start: port %d of three is taken: names it, suggests room, leaves nothing running',
    async (index) => {
      const base = await freePorts(3)
      await occupyPort(base + index, cleanup)
      const data = join(await cleanup.directory(), 'cluster')
      for (const how of ['--detach', '--shell']) {
        const args = ['cluster', 'start', '--base-port', String(base), '--data', data, how]
        const { code, stdout, stderr } = await cassio(args, cleanup)
        expect([code, stdout]).toEqual([2, ''])
        expect(stderr).toContain('CASSIO_ADDRESS_IN_USE')
        expect(stderr).toContain(`port ${base + index} on`)
        const suggested = Number(/--base-port (\d+)/.exec(stderr)![1])
        expect(await Promise.all([0, 1, 2].map((i) => isFree(suggested + i)))).not.toContain(false)
      }
      expect(await processesOf(data)).toEqual([])
      for (const i of [0, 1, 2]) expect(await isFree(base + i)).toBe(i !== index)
      const status = await cassio(['cluster', 'status', '--data', data, '--json'], cleanup)
      expect(status.code).toBe(1)
      expect(JSON.parse(status.stdout)).toMatchObject({ nodes: [], status: null })
    },
  )
})
