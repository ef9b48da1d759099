import { Cluster, runScript } from './processes'
import { Cleanup, freePorts, LOCAL_HOST } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const LOADING = [
  ['module', "import { CassioClient, CassioError } from '@cassiopeia/client'"],
  ['commonjs', "const { CassioClient, CassioError } = require('@cassiopeia/client')"],
] as const

/** What `await using` does, in words that every Node of ours understands. */
const ROUND_TRIP = `
async function main() {
  const dispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')
  const client = new CassioClient({ contactPoints: process.env.CONTACT.split(',') })
  try {
    await client.connect()
    const { acknowledged } = await client.set('sdk', { nested: [1, 'two', null] })
    console.log(JSON.stringify([acknowledged >= 2, await client.get('sdk')]))
    await client.del('sdk')
    console.log(String(await client.get('sdk')))
  } finally {
    await client[dispose]()
  }
  try {
    await client.get('sdk')
  } catch (error) {
    console.log(error instanceof CassioError, error.code)
  }
}
main()
`

const DEAD_ADDRESSES = `
const contactPoints = process.env.CONTACT.split(',')
const client = new CassioClient({ contactPoints, connectTimeoutMs: 400 })
client.connect().then(() => console.log('connected'))
`

/** Far more than the script needs, far less than forever: what hangs is killed by this. */
const HANG_MS = 15_000

async function withoutHang<Result>(work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the script does not end')), HANG_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

describe('processes: scripts that use the SDK', () => {
  test('client: as ES module and as CommonJS: works, and lets the process end by itself', async () => {
    const cluster = await Cluster.start(cleanup)
    const environment = { CONTACT: cluster.addresses.join() }
    for (const [type, loading] of LOADING) {
      const script = loading + ROUND_TRIP
      const { code, stdout, stderr } = await withoutHang(
        runScript(script, type, cleanup, { environment }),
      )
      expect([type, code, stderr]).toEqual([type, 0, ''])
      expect(stdout).toBe('[true,{"nested":[1,"two",null]}]\nundefined\ntrue CASSIO_CLOSED\n')
    }
  })

  test('client: ES module and CommonJS in one process: the same classes', async () => {
    const script = `
      import { createRequire } from 'node:module'
      import { CassioError } from '@cassiopeia/client'
      const other = createRequire(process.cwd() + '/')('@cassiopeia/client')
      console.log(CassioError === other.CassioError)
    `
    expect(await runScript(script, 'module', cleanup)).toMatchObject({ code: 0, stdout: 'true\n' })
  })

  test.each(LOADING)(
    'client: nobody at any address, as %s: an error that names them, and an end',
    async (type, loading) => {
      const base = await freePorts(2)
      const addresses = [`${LOCAL_HOST}:${base}`, `${LOCAL_HOST}:${base + 1}`]
      const environment = { CONTACT: addresses.join() }
      const { code, stdout, stderr } = await withoutHang(
        runScript(loading + DEAD_ADDRESSES, type, cleanup, { environment }),
      )
      // Nobody caught the rejection: Node says so and ends.
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toContain('CASSIO_CONNECTION')
      for (const address of addresses) expect(stderr).toContain(address)
    },
  )

  test('client: nobody at any address, the error is handled: the process ends by itself', async () => {
    const base = await freePorts(1)
    const script = `${LOADING[1][1]}
      const client = new CassioClient({
        contactPoints: ['${LOCAL_HOST}:${base}'], connectTimeoutMs: 400, timeoutMs: 400,
      })
      const early = client.get('key')
      client.connect().catch((error) => console.log('connect', error.code))
      early.catch((error) => console.log('get', error.code))
      client.get('key').catch((error) => console.log('get', error.code))
    `
    const { code, stdout, stderr } = await withoutHang(runScript(script, 'commonjs', cleanup))
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.trimEnd().split('\n').sort()).toEqual([
      'connect CASSIO_CONNECTION',
      'get CASSIO_CONNECTION',
      'get CASSIO_INVALID',
    ])
  })
})
