import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CassioError } from '@cassiopeia/client'
import { Cluster, cassio } from './processes'
import { RecordingProxy } from './sockets'
import { Cleanup, freePorts, LOCAL_HOST, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

async function secretFile(text: string): Promise<{ text: string; file: string }> {
  const file = join(await cleanup.directory(), 'secret')
  await writeFile(file, `${text}\n`, { mode: 0o600 })
  return { text, file }
}

const newSecret = () => secretFile(`secret-${randomBytes(12).toString('hex')}`)

/** Ways in which bytes betray a text. */
function spellings(text: string): Buffer[] {
  const bytes = Buffer.from(text)
  return [
    bytes,
    Buffer.from(bytes.toString('hex')),
    // The two first characters of each group depend on its neighbours; the middle does not.
    Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64')),
    Buffer.from(text, 'utf16le'),
  ]
}

describe('processes: the shared secret', () => {
  test.each(['0.0.0.0', '[::]'])(
    'node: listening on %s without a secret: refused, with the reason',
    async (host) => {
      const port = await freePorts(1)
      const address = `${LOCAL_HOST}:${port}`
      const data = join(await cleanup.directory(), 'data')
      const args = ['node', '--listen', `${host}:${port}`, '--advertise', address]
      const all = [...args, '--members', address, '--data', data, '--rf', '1']
      const { code, stdout, stderr } = await cassio(all, cleanup)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('CASSIO_CONFIG')
      expect(stderr).toMatch(/beyond loopback, needs a secret/)
      expect(stderr).toContain('--secret-file')
    },
  )

  test('cluster with a secret: serves who knows it, and it never shows (RF=3)', async () => {
    const secret = await newSecret()
    const proxies: RecordingProxy[] = []
    // Every byte between nodes and to clients passes a recorder.
    const advertise = async (port: number) => {
      const proxy = await RecordingProxy.start(port, cleanup)
      proxies.push(proxy)
      return proxy.address
    }
    const cluster = await Cluster.start(
      cleanup,
      { advertise, flags: ['--log-level', 'debug'] },
      secret,
    )
    const client = await cluster.client()
    await client.set('a key on the wire', 'value', { consistency: 'ALL' })
    expect(await client.get('a key on the wire')).toBe('value')
    const contact = ['--contact', cluster.addresses.join()]
    const get = ['get', 'a key on the wire', ...contact]
    const right = await cassio([...get, '--secret-file', secret.file], cleanup)
    expect(right).toMatchObject({ code: 0, stdout: '"value"\n' })
    const environment = { CASSIO_SECRET: secret.text }
    expect((await cassio(get, cleanup, { environment })).code).toBe(0)

    const wrong = await newSecret()
    for (const given of [wrong.text, `${secret.text} `, undefined]) {
      const stranger = cluster.newClient({ secret: given })
      const error: CassioError = await stranger.connect().then(
        () => {
          throw new Error(`let in with ${given}`)
        },
        (thrown) => thrown,
      )
      expect(error.code).toBe('CASSIO_UNAUTHORIZED')
    }
    for (const flags of [['--secret-file', wrong.file], []]) {
      const { code, stdout, stderr } = await cassio([...get, ...flags], cleanup)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('CASSIO_UNAUTHORIZED')
      expect(stderr).not.toContain(wrong.text)
    }

    const wire = Buffer.concat(proxies.map((proxy) => proxy.recorded))
    expect(wire.includes('a key on the wire')).toBe(true)
    expect(wire.length).toBeGreaterThan(10_000)
    for (const spelling of spellings(secret.text)) expect(wire.includes(spelling)).toBe(false)
    for (const spelling of spellings(wrong.text)) expect(wire.includes(spelling)).toBe(false)
    for (const { allLogs } of cluster.nodes) {
      expect(allLogs).toContain('cluster formed')
      for (const { text } of [secret, wrong]) expect(allLogs).not.toContain(text)
    }
  })

  test('node with another secret, or none: does not join, and both sides say why', async () => {
    const secret = await newSecret()
    const wrong = await newSecret()
    const cluster = await Cluster.plan(cleanup, { nodes: 2, rf: 2 }, secret)
    const [first, second] = cluster.nodes
    first!.start()
    // The later flag wins.
    second!.start(undefined, ['--secret-file', wrong.file])
    for (const node of cluster.nodes) {
      const told = await until('the log says why', () =>
        node.log.find(({ code }) => code === 'CASSIO_UNAUTHORIZED'),
      )
      expect(told.reason).toContain('secret')
      expect(node.hasSaid('formed')).toBe(false)
    }
    for (const { allLogs } of cluster.nodes) {
      for (const { text } of [secret, wrong]) expect(allLogs).not.toContain(text)
    }
    await second!.stop()
    second!.start()
    await cluster.untilWhole()
  })

  test('client with a secret: does not talk to a cluster that has none', async () => {
    const cluster = await Cluster.start(cleanup, { nodes: 1, rf: 1 })
    const client = cluster.newClient({ secret: 'expected by the client alone' })
    await expect(client.connect()).rejects.toMatchObject({ code: 'CASSIO_UNAUTHORIZED' })
  })
})
